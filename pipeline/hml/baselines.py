"""Baselines of others for learning rare labels, as their authors define them (docs/method.md, 7).

Losses here are per entry; `objective` reduces them, and `resampling` holds what draws examples.
Hyper-parameters are their authors' and fixed: a baseline is not tuned beyond what all methods are.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch.nn import functional

from pipeline.hml.constraint import hierarchy_maximum
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import scored_nodes

Baseline = Literal["focal", "asymmetric", "class_balanced", "observation_weighted", "oversampling"]
# These take the logits as they are; the others are MCLoss on weighted or resampled examples.
UNCONSTRAINED = frozenset[Baseline]({"focal", "asymmetric", "class_balanced"})

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2  # Lin et al., section 5.1: what works best for RetinaNet
ASYMMETRIC_GAMMA, ASYMMETRIC_MARGIN = 4, 0.05  # Ridnik et al.: gamma- and m; their gamma+ is 0
# Cui et al. choose among 0.9, 0.99, 0.999 and 0.9999; this sets rare nodes furthest from common
# ones. Not (n - 1) / n of the data: their N counts the unique examples that *one* class can have.
CLASS_BALANCED_BETA = 0.9999
FOCAL_START = 0.01  # Lin et al., section 4.1

_EXACT = 40  # above it softplus is the identity to the last bit of a float64; torch's 20 is not


def start(baseline: Baseline | None, nodes: int) -> float | None:
    """The probability that all outputs start with; None where the authors say nothing of it.

    Lin et al. (see `focal_loss`), section 3.3, so that the many negatives do not drown the first
    steps; Cui et al. (see `class_balanced_weights`), section 5, follow them with 1 / nodes.
    """
    return {"focal": FOCAL_START, "class_balanced": min(0.5, 1 / nodes)}.get(baseline or "")


def focal_loss(
    logits: Float[torch.Tensor, "member example node"], y: Bool[torch.Tensor, "example node"]
) -> Float[torch.Tensor, "member example node"]:
    """Sigmoid focal loss in its alpha-balanced form, of each entry.

        -alpha_t (1 - p_t) ** gamma log p_t,   alpha_t = alpha and p_t = p where y = 1,
                                               1 - alpha and 1 - p where y = 0

    Lin, Goyal, Girshick, He & Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, equation
    5. Their sum is over the positives' number; here the reduction is that of all methods.
    """
    margin = _margin(logits, y)
    alpha = torch.where(y, FOCAL_ALPHA, 1 - FOCAL_ALPHA).to(logits.dtype)
    return alpha * margin.sigmoid() ** FOCAL_GAMMA * _cross_entropy(margin)


def asymmetric_loss(
    logits: Float[torch.Tensor, "member example node"], y: Bool[torch.Tensor, "example node"]
) -> Float[torch.Tensor, "member example node"]:
    """Asymmetric loss, of each entry.

        -log p                                                        where y = 1
        -p_m ** gamma log(1 - p_m),   p_m = max(p - margin, 0),       where y = 0

    Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, with gamma+ = 0, as
    in their experiments, so that positives keep their cross-entropy. A negative whose p is below
    the margin is discarded, and one whose p is almost 1, which they take for a wrong label, loses
    its gradient: so it is meant. Gradients flow through all factors, as in their analysis; their
    code can also hold the focusing factor constant.
    """
    shifted = (logits.sigmoid() - ASYMMETRIC_MARGIN).clamp(min=0)
    negative = -(shifted**ASYMMETRIC_GAMMA) * torch.log1p(-shifted)
    return torch.where(y, _cross_entropy(-logits), negative)


def constrained_cross_entropy(
    logits: Float[torch.Tensor, "member example node"],
    y: Bool[torch.Tensor, "example node"],
    hierarchy: Hierarchy,
) -> Float[torch.Tensor, "member example node"]:
    """What MCLoss sums up (docs/method.md, section 3), of each entry; y is closed upward."""
    return _cross_entropy(_margin(hierarchy_maximum(logits, y, hierarchy), y))


def class_balanced_weights(
    support: Int[np.ndarray, " node"], hierarchy: Hierarchy, *, scored: np.ndarray | None = None
) -> Float[np.ndarray, " node"]:
    """Weights of the nodes by the inverse of their effective number of examples.

        w = (1 - beta) / (1 - beta ** f), rescaled to the sum of as many ones

    Cui, Jia, Lin, Song & Belongie, "Class-Balanced Loss Based on Effective Number of Samples", CVPR
    2019. They weight an example's sigmoid cross-entropy by its only class; where it has several,
    each node's entries, positive and negative, weigh what the node weighs.

    A node without positives has no effective number, and one that is not scored no part: both weigh
    1, and the others sum to their own number. Weighed as of one positive, the many empty nodes of a
    large hierarchy, which have nothing but negatives, would take the weight of the rare ones.

    Args:
        support: (node,) positive training examples f of each node, labels closed upward.
        hierarchy: of the nodes.
        scored: (node,) bool; None is all.

    Raises:
        ValueError: `scored` is not a mask over the nodes.
    """
    weight = np.ones(len(hierarchy))
    counts = scored_nodes(scored, hierarchy) & (support > 0)
    if counts.any():
        effective = -np.expm1(support[counts] * np.log(CLASS_BALANCED_BETA))
        weight[counts] = 1 / effective
        weight[counts] /= weight[counts].mean()
    return weight


def rarest_node_weights(
    rows: sparse.csr_array, hierarchy: Hierarchy, *, scored: np.ndarray | None = None
) -> tuple[Float[np.ndarray, " node"], float]:
    """What an example weighs whose rarest node this is: `observation_weights` takes both results.

    An example weighs the balanced weight n / (C f) of its rarest scored positive node, over its
    mean over the examples: C, the number of classes, is no matter. An example without a scored
    positive weighs the least there can be, as if its rarest node were positive everywhere.

    This is what rarity in the usual sense, of observations, would do; that rare nodes are no rare
    observations is the point of Xu et al., TMLR 2026.

    Args:
        rows: (example, node) boolean CSR of the training examples; most specific nodes suffice.
        hierarchy: of the nodes.
        scored: (node,) bool; None is all.

    Returns:
        (node,) weights, and the least weight, which nodes that are not scored or have no positives
        weigh as well.

    Raises:
        ValueError: `scored` is not a mask over the nodes.
    """
    closed = hierarchy.close(rows)
    closed.eliminate_zeros()  # what is stored counts below
    support = np.bincount(closed.indices, minlength=len(hierarchy))
    least = 1 / rows.shape[0]
    weight = np.full(len(hierarchy), least)
    counts = scored_nodes(scored, hierarchy) & (support > 0)
    weight[counts] = 1 / support[counts]
    of_rows = np.full(rows.shape[0], least)
    example = np.repeat(np.arange(rows.shape[0]), np.diff(closed.indptr))
    np.maximum.at(of_rows, example, weight[closed.indices])
    mean = float(of_rows.mean())
    return weight / mean, least / mean


def observation_weights(
    y: Bool[torch.Tensor, "example node"], weight: Float[torch.Tensor, " node"], least: float
) -> Float[torch.Tensor, " example"]:
    """The weight of each example of a batch, from what `rarest_node_weights` gives."""
    return torch.where(y, weight, least).amax(1)


def _margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """How far a logit is on the wrong side: z where y = 0, -z where y = 1."""
    return logits * (1 - 2 * y.to(logits.dtype))


def _cross_entropy(margin: torch.Tensor) -> torch.Tensor:
    return functional.softplus(margin, threshold=_EXACT)
