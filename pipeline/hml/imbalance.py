"""Imbalance weights: how much rarer than the others a node is (docs/method.md, section 4).

Xu, Gillis, Sharma, Misiuk, Brown, Trappenberg, "Improving Detection of Rare Nodes in Hierarchical
Multi-Label Learning", TMLR 2026, arXiv 2602.08986. The paper's formula and its released code are
two different things; both are here, under names that say which.
"""

from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from pipeline.hml.hierarchy import Hierarchy

Variant = Literal["paper", "released"]
Kind = Literal["node", "binary"]


def imbalance_weights(
    support: Any,
    n_examples: Any,
    hierarchy: Hierarchy,
    *,
    variant: Variant = "paper",
    floor: float = 0.25,
    kind: Kind = "node",
    scored: Any = None,
) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Weights of the positive and of the negative entries of each node.

    With the balanced weight r = n / (C f), C the number of nodes (`kind` "node") or 2 ("binary"), a
    node's weight is `floor + r_max (r - r_min) / (r_max - r_min)`, or `floor` if r_max = r_min.

    Args:
        support: (node,) number of positive training examples f of each node, labels closed upward,
            or their weight.
        n_examples: number of training examples n, or their weight; (node,) where nodes have
            different numbers of examples whose label is known.
        hierarchy: of these nodes.
        variant: "paper" weights the positives; the extremes run over the scored nodes with
            0 < f < n, every other node weighs 1. "released" keeps the arithmetic of the
            published code: f is summed over each node's descendants once more, r = 1 for f = 0 or
            f = n, the extremes run over all nodes, and the *negatives* are weighted.
        floor: added to every weight, not negative.
        kind: see above.
        scored: (node,) bool; None scores every node.

    Returns:
        Two float64 arrays (node,): positive, negative.

    Raises:
        ValueError: a shape, name or range is wrong.

    Examples:
        Of 1,000 examples, all of which are animals:

        >>> from pipeline.hml import Hierarchy, imbalance_weights
        >>> edges = [("cat", "animal"), ("dog", "animal"), ("otter", "animal")]
        >>> hierarchy = Hierarchy.from_edges(edges)
        >>> support = [1000, 600, 60, 6]
        >>> positive, _ = imbalance_weights(support, 1000, hierarchy, floor=1.0)
        >>> dict(zip(hierarchy.nodes, positive.round(1).tolist()))
        {'animal': 1.0, 'cat': 1.0, 'dog': 4.8, 'otter': 42.7}
        >>> _, negative = imbalance_weights(support, 1000, hierarchy, floor=1.0, variant="released")
        >>> dict(zip(hierarchy.nodes, negative.round(1).tolist()))
        {'animal': 1.0, 'cat': 1.3, 'dog': 5.0, 'otter': 42.7}
    """
    counts = np.asarray(support, dtype=np.float64)
    if counts.shape != (len(hierarchy),):
        raise ValueError(
            f"support must have shape ({len(hierarchy)},), one per node. Got {counts.shape}"
        )
    each = np.asarray(n_examples)
    if each.shape not in ((), counts.shape) or not bool(np.all(each >= 0) and np.any(each > 0)):
        raise ValueError(f"n_examples must be above 0. Got {n_examples}")
    if not bool(np.all((counts >= 0) & (counts <= n_examples))):
        raise ValueError(
            f"support must lie in [0, n_examples = {n_examples}]. "
            f"Got values from {counts.min()} to {counts.max()}"
        )
    if not (floor >= 0 and np.isfinite(floor)):
        raise ValueError(f"floor must be a finite number of at least 0. Got {floor}")
    if variant not in get_args(Variant):
        raise ValueError(f"variant must be one of {', '.join(get_args(Variant))}. Got {variant!r}")
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}. Got {kind!r}")
    scored = scored_nodes(scored, hierarchy)

    constant = len(hierarchy) if kind == "node" else 2
    ones = np.ones(len(hierarchy))
    if variant == "released":
        # Labels that are closed already are summed over the descendants once more.
        counts = counts @ hierarchy.ancestor_matrix.astype(np.float64)
        learnable = (counts > 0) & (counts != n_examples)
        ratio = np.where(learnable, n_examples / (constant * np.where(learnable, counts, 1)), 1.0)
        return ones, _rescaled(ratio, floor)
    learnable = scored & (counts > 0) & (counts < n_examples)
    weight = ones.copy()
    if learnable.any():
        of_learnable = n_examples if not each.shape else each[learnable]
        weight[learnable] = _rescaled(of_learnable / (constant * counts[learnable]), floor)
    return weight, ones


def scored_nodes(scored: Any, hierarchy: Hierarchy) -> np.ndarray:
    """The scored nodes as a boolean array (node,); None scores every node."""
    if scored is None:
        return np.ones(len(hierarchy), dtype=bool)
    mask = np.asarray(scored)
    if mask.shape != (len(hierarchy),) or mask.dtype != bool:
        raise ValueError(
            f"scored must be a boolean array of shape ({len(hierarchy)},). "
            f"Got {mask.dtype} of shape {mask.shape}"
        )
    return mask


def _rescaled(ratio: np.ndarray, floor: float) -> np.ndarray:
    low, high = ratio.min(), ratio.max()
    if high == low:
        return np.full_like(ratio, floor)
    return floor + high * (ratio - low) / (high - low)
