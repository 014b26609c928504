"""From probabilities to decisions, by declared rules (docs/method.md, section 8).

A rule is a cut per node: a node is predicted where its probability reaches the cut. Decisions are
then closed upward. No rule sees a test label, nor the other test examples.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from pipeline.hml import score_kernels
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
    scores = np.asarray(held_out)
    if scores.ndim != 2 or not len(scores):
        raise ValueError(
            f"held_out must have shape (example, node) with an example. Got {scores.shape}"
        )
    return prior_matched_cuts_streamed([scores], len(scores), share)


def prior_matched_cuts_streamed(
    held_out: Iterable[Any], examples: int, share: Any
) -> Float[np.ndarray, " node"]:
    """The cuts of `prior_matched_cuts` from blocks that are looked at once.

    Only the scores from the cut upward are kept, share x examples of each node.

    Args:
        held_out: blocks (example, node) of the probabilities.
        examples: how many there are in all blocks.
        share: (node,) shares of positives in the training data.

    Raises:
        ValueError: a shape or range is wrong, or there is another number of examples.
    """
    target = np.asarray(share, dtype=np.float64)
    if target.ndim != 1 or examples < 1:
        raise ValueError(
            "share must have shape (node,) and there must be an example. "
            f"Got {target.shape} and {examples} examples"
        )
    if not bool(np.all((target >= 0) & (target <= 1))):
        raise ValueError("share must lie in [0, 1]")
    # The quantile lies between two scores, in ascending order: number `below` and the next one.
    position = np.clip(examples * (1 - target) + 0.5 - 1, 0, examples - 1)
    below = np.floor(position)
    start = np.append(0, np.cumsum(examples - below.astype(np.int64)))
    kept, held, lost = np.full(start[-1], np.inf), *np.zeros((2, len(target)), np.int64)
    seen = 0
    for block in held_out:
        scores = _block(block, len(target))
        seen += len(scores)
        score_kernels.keep_largest(scores, start, kept, held, lost)
    if seen != examples:
        raise ValueError(f"held_out must have {examples} examples. Got {seen}")
    node = np.repeat(np.arange(len(target)), np.diff(start))
    kept = kept[np.lexsort((kept, node))]
    first, part = start[:-1], position - below
    least, second = kept[first], kept[np.minimum(first + 1, start[1:] - 1)]
    # As numpy interpolates, to the last bit.
    gap = second - least
    cuts = np.where(part < 0.5, least + gap * part, second - gap * (1 - part))
    beyond = np.bincount(node[kept > cuts[node]], minlength=len(target))
    reach = np.bincount(node[kept >= cuts[node]], minlength=len(target))
    reach += np.where(least >= cuts, lost, 0)
    wanted = target * examples
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
        p >= limits
        if isinstance(p, np.ndarray)
        else p.double() >= torch.from_numpy(limits).to(p.device)
    )
    return hierarchy.close(reached)


def _block(block: Any, nodes: int) -> np.ndarray:
    scores = np.asarray(block)
    if scores.ndim != 2 or scores.shape[1] != nodes:
        raise ValueError(f"held_out must have shape (example, {nodes}). Got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("held_out must be finite")
    wanted = np.float32 if scores.dtype == np.float32 else np.float64
    return np.ascontiguousarray(scores, dtype=wanted)
