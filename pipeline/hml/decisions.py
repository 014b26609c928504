"""From probabilities to decisions, by declared rules (docs/method.md, section 8).

A rule is a cut per node: a node is predicted where its probability reaches the cut. Decisions are
then closed upward. No rule sees a test label, nor the other test examples.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from pipeline.hml import score_kernels, weighted_cuts
from pipeline.hml.example_weights import Weight
from pipeline.hml.hierarchy import Hierarchy

RULES = ("half", "prior_matched", "tuned", "budget")
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

    Examples:
        The same scores of three nodes, which have half, a quarter and none of the training
        examples:

        >>> import numpy as np
        >>> from pipeline.hml.decisions import prior_matched_cuts
        >>> held_out = np.tile([[0.9], [0.4], [0.3], [0.1]], 3)
        >>> cuts = prior_matched_cuts(held_out, [0.5, 0.25, 0.0])
        >>> cuts.round(2).tolist()
        [0.35, 0.65, inf]
        >>> (held_out >= cuts).sum(axis=0).tolist()
        [2, 1, 0]
    """
    scores = np.asarray(held_out)
    if scores.ndim != 2 or not len(scores):
        raise ValueError(
            f"held_out must have shape (example, node) with an example. Got {scores.shape}"
        )
    return prior_matched_cuts_streamed([scores], len(scores), share)


def prior_matched_cuts_streamed(
    held_out: Iterable[Any],
    examples: int,
    share: Any,
    *,
    weight: Weight | None = None,
    known: int | float | Float[np.ndarray, " node"] | None = None,
) -> Float[np.ndarray, " node"]:
    """The cuts of `prior_matched_cuts` from blocks that are looked at once.

    Only the scores from the cut upward are kept, share x examples of each node.

    Args:
        held_out: blocks (example, node) of the probabilities.
        examples: how many there are in all blocks.
        share: (node,) shares of positives in the training data.
        weight: (example,) what each example counts, see `weighted_cuts`; None is 1.
        known: (node,) or one for all, the weight of the examples whose label is known, of which the
            share is; the scores of the others are `unknown.HIDDEN`. None is the weight of all.

    Raises:
        ValueError: a shape or range is wrong, or there is another number of examples.

    Examples:
        Weighted, the first example counts as three, which is half of all, and is enough:

        >>> import numpy as np
        >>> from pipeline.hml.decisions import prior_matched_cuts_streamed
        >>> blocks = [np.array([[0.9], [0.4]]), np.array([[0.3], [0.1]])]
        >>> prior_matched_cuts_streamed(blocks, 4, [0.5]).round(2).tolist()
        [0.35]
        >>> weight = np.array([3.0, 1.0, 1.0, 1.0])
        >>> prior_matched_cuts_streamed(blocks, 4, [0.5], weight=weight).round(2).tolist()
        [0.65]
    """
    target = np.asarray(share, dtype=np.float64)
    if target.ndim != 1 or examples < 1:
        raise ValueError(
            "share must have shape (node,) and there must be an example. "
            f"Got {target.shape} and {examples} examples"
        )
    if not bool(np.all((target >= 0) & (target <= 1))):
        raise ValueError("share must lie in [0, 1]")
    if weight is not None:
        blocks = (_block(block, len(target)) for block in held_out)
        return weighted_cuts.prior_matched(blocks, target, weight, known)
    # The quantile lies between two scores, in ascending order: number `below` and the next one.
    # A node of which nothing is known has no share either, and no cut.
    count = np.maximum(np.broadcast_to(examples if known is None else known, target.shape), 1)
    position = np.clip(count * (1 - target) + 0.5 - 1, 0, count - 1)
    below = np.floor(position)
    start = np.append(0, np.cumsum((count - below).astype(np.int64)))
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
    wanted = target * count
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

    Examples:
        An animal is never said by itself here, and still comes with a cat:

        >>> import numpy as np
        >>> from pipeline.hml import Hierarchy
        >>> from pipeline.hml.decisions import decide
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> p = np.array([[0.9, 0.7, 0.1], [0.9, 0.3, 0.1]])  # animal, cat, dog
        >>> decide(p, [np.inf, 0.5, 0.5], hierarchy).tolist()
        [[True, True, False], [False, False, False]]
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


def budget_cuts(
    held_out: Iterable[Any],
    examples: int,
    most: Any,
    *,
    per: int,
    nodes: int,
    weight: Weight | None = None,
) -> Float[np.ndarray, " node"]:
    """`budget`: cuts that a node's own probability reaches at most so often.

    A new example that is exchangeable with n held-out ones scores above the m-th largest of these
    with a probability of at most m / (n + 1), whatever the scores' distribution and ties (Vovk,
    Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005). So the cut lies just above
    it, with the greatest m that the budget allows. Where none does, because the held-out examples
    are too few to tell, the node is never predicted.

    Scores of two members are less spread than those of all; what held-out scores are brought to
    (`Noise.as_of_all`) is exchangeable in the first two moments at best, so that new examples
    reach a cut somewhat more often than the budget says.

    Ancestors that decisions are closed with are not counted. They are many of a common node, and
    cuts that kept its budget for all of them would be too high for any rare node below it.

    Args:
        held_out: blocks (example, node) of probabilities of examples that the model did not learn
            from; they are looked at once.
        examples: how many there are in all blocks.
        most: positives of each node, (node,) or one number for all.
        per: among so many examples. With 1, `most` is a share.
        nodes: how many.
        weight: (example,) what each example counts, see `weighted_cuts`; None is 1.

    Returns:
        (node,) float64; infinity means never, 0 always.

    Raises:
        ValueError: a shape or range is wrong, or there is another number of examples.

    Examples:
        With 10 in 100, 9 of 99 held-out examples reach the cut. They are too few to tell where 1 in
        1,000 would, so that this is never:

        >>> import numpy as np
        >>> from pipeline.hml.decisions import budget_cuts
        >>> scores = np.arange(99)[:, None] / 100
        >>> cuts = budget_cuts([scores], 99, 10, per=100, nodes=1)
        >>> int((scores >= cuts).sum())
        9
        >>> budget_cuts([scores], 99, 1, per=1000, nodes=1).tolist()
        [inf]
    """
    budget = np.asarray(most, dtype=np.float64)
    if budget.shape not in ((), (nodes,)):
        raise ValueError(f"most must be a number or have shape ({nodes},). Got {budget.shape}")
    if not bool(np.all(budget >= 0)):
        raise ValueError(f"most must not be negative. Got {budget.min()}")
    if per < 1 or examples < 1:
        raise ValueError(f"per and examples must be at least 1. Got {per} and {examples}")
    everything = examples if weight is None else float(weight.sum())
    rank = np.floor(np.broadcast_to(budget, nodes) * (everything + 1) / per)
    if weight is not None:
        return weighted_cuts.budgeted((_block(b, nodes) for b in held_out), rank, weight)
    size = np.clip(rank, 1, examples).astype(np.int64)
    start = np.append(0, np.cumsum(size))
    kept, held, lost = np.full(start[-1], np.inf), *np.zeros((2, nodes), np.int64)
    seen = 0
    for block in held_out:
        scores = _block(block, nodes)
        seen += len(scores)
        score_kernels.keep_largest(scores, start, kept, held, lost)
    if seen != examples:
        raise ValueError(f"held_out must have {examples} examples. Got {seen}")
    cuts = np.nextafter(kept[start[:-1]], np.inf)  # the least of a heap is its first
    return np.where(rank < 1, np.inf, np.where(rank > examples, 0.0, cuts))


def decide_budget(p: Scores, per_example: int, hierarchy: Hierarchy, cuts: Any = None) -> Scores:
    """Decisions closed upward, at most so many per example: the most probable, in this order.

    Of equally probable nodes the first in node order, so an ancestor, goes first: what is taken is
    closed upward. (Where p is not coherent, a node is left out with its ancestor.) With cuts, nodes
    are taken from among the decisions of `decide`, and one that does not reach its cut stays only
    where a node below it that does is taken, too.

    Args:
        p: (…, node) coherent probabilities, torch or numpy.
        per_example: how many nodes an example may have at most.
        hierarchy: of these nodes.
        cuts: (node,); infinity means never. None is no cut.

    Returns:
        (…, node) bool, same type.

    Raises:
        ValueError: a shape or range is wrong.

    Examples:
        An ancestor takes a place of its own. The only place goes to the animal, which does not
        reach its cut and has no cat below it that does, so nothing is left:

        >>> import numpy as np
        >>> from pipeline.hml import Hierarchy
        >>> from pipeline.hml.decisions import decide_budget
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> p, cuts = np.array([0.9, 0.8, 0.7]), [0.95, 0.5, 0.5]  # animal, cat, dog
        >>> for places in (3, 2, 1):
        ...     print(decide_budget(p, places, hierarchy, cuts).tolist())
        [True, True, True]
        [True, True, False]
        [False, False, False]
    """
    hierarchy.check_nodes(p.shape, "p")
    if per_example < 0:
        raise ValueError(f"per_example must not be negative. Got {per_example}")
    scores: Any = p if isinstance(p, np.ndarray) else p.detach().double().cpu().numpy()
    allowed, reached = np.True_, np.True_
    if cuts is not None:
        allowed = decide(scores, cuts, hierarchy)
        reached = scores >= np.asarray(cuts, dtype=np.float64)
    taken = _most_probable(np.where(allowed, scores, -np.inf), per_example)
    if not np.array_equal(taken, hierarchy.close(taken)):
        # p is not coherent, be it in its last bits. To add ancestors might exceed the budget.
        for child, parent in hierarchy.edge_index.T.tolist():
            taken[..., child] &= taken[..., parent]
    taken = hierarchy.close(taken & reached)
    result: Any = taken if isinstance(p, np.ndarray) else torch.from_numpy(taken).to(p.device)
    return result


def _most_probable(scores: np.ndarray, number: int) -> np.ndarray:
    """Where the greatest scores (…, node) are; of equal ones, the first."""
    nodes = scores.shape[-1]
    if number >= nodes:
        return np.ones(scores.shape, dtype=np.bool_)
    if number == 0:
        return np.zeros(scores.shape, dtype=np.bool_)
    least = np.partition(scores, nodes - number, axis=-1)[..., nodes - number, None]
    above, tied = scores > least, scores == least
    left = number - above.sum(axis=-1, keepdims=True)
    return above | (tied & (np.cumsum(tied, axis=-1) <= left))


def _block(block: Any, nodes: int) -> np.ndarray:
    scores = np.asarray(block)
    if scores.ndim != 2 or scores.shape[1] != nodes:
        raise ValueError(f"held_out must have shape (example, {nodes}). Got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("held_out must be finite")
    wanted = np.float32 if scores.dtype == np.float32 else np.float64
    return np.ascontiguousarray(scores, dtype=wanted)
