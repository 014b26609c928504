"""The rule `tuned`: cuts that maximise the F-measure on held-out scores.

See docs/method.md, section 8.

Probabilities of different nodes are not comparable, nor are their cuts. Predicted shares are, where
they are taken relative to the node's share of positives: what a node with few positives cannot tell
by itself, it learns from nodes of similar support on this scale, on which 1 is `prior_matched`.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

from pipeline.hml import score_kernels, weighted_cuts
from pipeline.hml.example_weights import Weight
from pipeline.hml.predictions import Predictions
from pipeline.hml.unknown import known

# Predicted examples of a node relative to its positives.
GRID = np.geomspace(0.25, 16, 13)
# A node's own curve has the weight support / (support + this). Picked by simulation, as the largest
# mean F on fresh examples: 30 and 100 are as good, without it nodes with 1 to 3 positives lose
# about a tenth of their F.
_SHRINKAGE = 50.0
# What counts as similar: a Gaussian's standard deviation in logarithmic support. It is wide because
# the mean curve of a dozen rare nodes is mostly chance, too; with many nodes it does not matter.
_SIMILAR = 1.0
# Curves nearer than this are one: their sums may differ in their last bits.
_SAME = 1e-12


def tuned_cuts(
    held_out: Predictions, *, beta: float = 1.0, weight: Weight | None = None
) -> Float[np.ndarray, " node"]:
    """`tuned`: the cut of each node at which the F-measure is greatest on held-out scores.

    Each node may predict as many held-out examples as `GRID` times its positives, at least one. Its
    curve of F over the grid is shrunk towards the mean curve of nodes of similar support,
        w own + (1 - w) mean,   w = support / (support + 50),
    because a rare node's own maximum is mostly chance. Its cut belongs to the maximum of that
    curve; of equal maxima, to the smallest predicted share. A cut lies halfway between the last
    score that reaches it and the next; where tied scores would miss the intended number by more,
    none of the tied ones reaches it, as in `decisions.prior_matched_cuts`.

    Nothing is held but the scores of the positives and the largest scores of each node: at most 16
    times its positives, and one. One pass is made.

    Args:
        held_out: probabilities and labels of examples that the model did not learn from. Nodes that
            are not scored have no cut.
        beta: recall counts beta times as much as precision.
        weight: (example,) what each example counts, see `weighted_cuts`; None is 1.

    Returns:
        (scored node,) float64; infinity for a node without a held-out positive, which is never
        predicted.

    Raises:
        ValueError: beta is not a positive number, there is no held-out example, or a probability is
            not finite.
    """
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta must be a positive number. Got {beta}")
    labels = held_out.labels
    examples, nodes = labels.shape
    if not examples:
        raise ValueError("held_out must have an example. Got none")
    if weight is None:
        support, cuts, curves = _candidates(held_out, beta)
    else:
        support, cuts, curves = weighted_cuts.tuned(held_out, weight, GRID, beta=beta)
    there = np.flatnonzero(support)
    chosen = _argmax(_shrunk(curves[there], support[there]))
    result = np.full(nodes, np.inf)
    result[there] = cuts[there, chosen]
    return result


def _candidates(
    held_out: Predictions, beta: float
) -> tuple[
    Int[np.ndarray, " node"], Float[np.ndarray, "node grid"], Float[np.ndarray, "node grid"]
]:
    """Each node's positives, its cuts, and the F-measure at each of them."""
    labels = held_out.labels
    nodes = labels.shape[1]
    support = np.bincount(labels.indices, minlength=nodes)
    most = np.broadcast_to(known(labels, held_out.unknown), nodes)
    counts = np.clip(np.floor(np.outer(support, GRID) + 0.5), 1, most[:, None]).astype(np.int64)
    # One more than is predicted at most: the cut lies before it.
    size = np.where(support > 0, np.minimum(counts[:, -1] + 1, most), 1).astype(np.int64)
    start = np.append(0, np.cumsum(size))
    largest, held, lost = np.full(start[-1], np.inf), *np.zeros((2, nodes), np.int64)
    score = np.empty(labels.nnz)
    for rows, p in held_out:
        judged = held_out.judged(p)
        if not np.isfinite(judged).all():
            raise ValueError("probabilities must be finite. Got an infinite one")
        within, at_positives = held_out.at_positives(rows, judged)
        score[within] = at_positives
        score_kernels.keep_largest(held_out.hidden(rows, judged), start, largest, held, lost)
    order = np.argsort(labels.indices, kind="stable")
    positives = np.split(score[order], np.cumsum(support)[:-1])

    cuts, curves = np.full(counts.shape, np.inf), np.zeros(counts.shape)
    for node in np.flatnonzero(support):
        top = largest[start[node] : start[node + 1]]
        top.sort()
        cuts[node], reach = _cuts_at(top, int(lost[node]), counts[node])
        found = support[node] - np.searchsorted(np.sort(positives[node]), cuts[node])
        curves[node] = (1 + beta**2) * found / (beta**2 * support[node] + reach)
    return support, cuts, curves


def _cuts_at(
    top: Float[np.ndarray, " score"], lost: int, counts: Int[np.ndarray, " grid"]
) -> tuple[Float[np.ndarray, " grid"], Int[np.ndarray, " grid"]]:
    """Cuts that so many of a node's scores reach, and how many do so, which differs for tied ones.

    Args:
        top: the largest scores, rising; all of them, or more than any count.
        lost: how many scores that equal the least of them are not among them.
        counts: from 1 to the number of scores.
    """
    last, following = top[-counts], top[-np.minimum(counts + 1, len(top))]
    cuts = last - 0.5 * (last - following)
    reach = len(top) - np.searchsorted(top, cuts) + np.where(cuts <= top[0], lost, 0)
    beyond = len(top) - np.searchsorted(top, cuts, side="right")
    tied_past_count = reach - counts > counts - beyond
    cuts = np.where(tied_past_count, np.nextafter(cuts, np.inf), cuts)
    return cuts, np.where(tied_past_count, beyond, reach)


def _shrunk(
    curves: Float[np.ndarray, "node grid"], support: Shaped[np.ndarray, " node"]
) -> Float[np.ndarray, "node grid"]:
    """Curves, each shrunk towards the mean curve of nodes of similar support."""
    values, place = np.unique(support, return_inverse=True)
    number = np.bincount(place)
    total = np.stack([np.bincount(place, curve, len(values)) for curve in curves.T], axis=1)
    mean = np.empty_like(total)
    for position, distance in enumerate(np.log(values)):
        near = np.exp(-0.5 * ((np.log(values) - distance) / _SIMILAR) ** 2)
        mean[position] = near @ total / (near @ number)
    own = (support / (support + _SHRINKAGE))[:, None]
    return own * curves + (1 - own) * mean[place]


def _argmax(curves: Float[np.ndarray, "node grid"]) -> Int[np.ndarray, " node"]:
    """The first place of each node's maximum."""
    best = curves.max(axis=1, keepdims=True)
    return (curves >= best - _SAME).argmax(axis=1)
