"""From probabilities to decisions, by declared rules (docs/method.md, section 8).

A rule is a cut per node: a node is predicted where its probability reaches the cut. Decisions are
then closed upward. No rule sees a test label, nor the other test examples.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from pipeline.hml.hierarchy import Hierarchy

RULES = ("half", "prior_matched")
Scores = TypeVar("Scores", np.ndarray, torch.Tensor)


def half_cuts(nodes: int) -> Float[np.ndarray, " node"]:
    """`half`: 0.5 for each node, comparable with the literature."""
    return np.full(nodes, 0.5)


def prior_matched_cuts(held_out: Any, share: Any) -> Float[np.ndarray, " node"]:
    """`prior_matched`: each node's predicted share equals its share of positives in training.

    The cut is the quantile of the node's held-out scores (Hazen's positions: half a score lies on
    either side of itself), so round(share x examples) held-out examples reach it, at least one.
    Where tied scores would miss the share by more, none of the tied ones reaches it.

    Args:
        held_out: (example, node) probabilities of examples that the model did not learn from.
        share: (node,) shares of positives in the training data.

    Returns:
        (node,) float64; infinity for a node without training positives, which is never predicted.

    Raises:
        ValueError: a shape or range is wrong, or there is no held-out example.
    """
    scores = np.asarray(held_out, dtype=np.float64)
    target = np.asarray(share, dtype=np.float64)
    if scores.ndim != 2 or not len(scores):
        raise ValueError(
            f"held_out must have shape (example, node) with an example. Got {scores.shape}"
        )
    if target.shape != (scores.shape[1],):
        raise ValueError(f"share must have shape ({scores.shape[1]},). Got {target.shape}")
    if not bool(np.all((target >= 0) & (target <= 1))):
        raise ValueError("share must lie in [0, 1]")
    if not np.isfinite(scores).all():
        raise ValueError("held_out must be finite")
    cuts = np.array(
        [np.quantile(s, 1 - t, method="hazen") for s, t in zip(scores.T, target, strict=True)]
    ).reshape(-1)
    wanted = target * len(scores)
    reach, beyond = (scores >= cuts).sum(0), (scores > cuts).sum(0)
    tied_past_share = (reach > 1) & (reach - wanted > wanted - beyond)
    cuts = np.where(tied_past_share, np.nextafter(cuts, np.inf), cuts)
    return np.where(target > 0, cuts, np.inf)


def decide(p: Scores, cuts: Any, hierarchy: Hierarchy) -> Scores:
    """Decisions closed upward.

    Args:
        p: (…, node) probabilities, torch or numpy.
        cuts: (node,); infinity means never.
        hierarchy: of these nodes.

    Returns:
        (…, node) bool, same type.

    Raises:
        ValueError: a shape does not fit.
    """
    limits = np.asarray(cuts, dtype=np.float64)
    hierarchy.check_nodes(p.shape, "p")
    hierarchy.check_nodes(limits.shape, "cuts")
    # A float32 probability is compared as it is: rounding the cut could undo a tie's resolution.
    reached: Any = (
        p >= limits if isinstance(p, np.ndarray) else p.double() >= torch.from_numpy(limits)
    )
    return hierarchy.close(reached)
