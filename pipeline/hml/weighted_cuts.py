"""Cuts by the scores of weighted examples: what `decisions` and `tuned` do, where each counts 1.

An example of weight w stands where w copies of it would. Ordered by score, examples lie side by
side on an axis from 0 to the weight of all, each as broad as its weight; copies would be of breadth
1. So numbers of copies become breadths, and the n-th of them what lies at n - 1/2.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from pipeline.hml import example_weights, score_kernels
from pipeline.hml.example_weights import Weight
from pipeline.hml.predictions import Predictions
from pipeline.hml.unknown import HIDDEN, known

_ROUNDING = 1e-9  # of sums of weights, relative: breadths that are less are none
Nodes = Float[np.ndarray, " node"]


class Largest:
    """The largest scores of each node, down to where they weigh so much together.

    Args:
        enough: (node,) weight that is kept of each node, at least, if there is as much.
        weight: (example,) of all examples.
    """

    def __init__(self, enough: Nodes, weight: Weight) -> None:
        self.weight = weight
        self._enough = enough
        # No more than of the lightest examples are kept; one as it comes, and two for rounding.
        light = np.cumsum(np.sort(weight))
        size = np.minimum(np.searchsorted(light, enough) + 3, len(weight))
        self._start = np.append(0, np.cumsum(size))
        self._score, self._load = np.full((2, self._start[-1]), np.inf)
        self._held = np.zeros(len(enough), np.int64)
        self._mass, self._lost = np.zeros((2, len(enough)))
        self._seen = 0

    def take(self, scores: np.ndarray) -> None:
        """Look at the next examples' scores (example, node).

        Raises:
            ValueError: there are more examples than weights.
        """
        weight = self.weight[self._seen : self._seen + len(scores)]
        self._seen += len(scores)
        if len(weight) < len(scores):
            raise ValueError(f"held_out must have {len(self.weight)} examples. Got {self._seen}")
        state = self._held, self._mass, self._lost
        score_kernels.keep_heaviest(
            scores, weight, self._enough, self._start, self._score, self._load, *state
        )

    def of(self, node: int) -> "Top":
        """What was kept of a node's known examples.

        Raises:
            ValueError: there were fewer examples than weights.
        """
        if self._seen < len(self.weight):
            raise ValueError(f"held_out must have {len(self.weight)} examples. Got {self._seen}")
        first = self._start[node]
        kept = slice(first, first + self._held[node])
        score, load, lost = self._score[kept], self._load[kept], float(self._lost[node])
        seen = score != HIDDEN
        # Sums in another order differ in their last bits: an unknown entry may be kept, too.
        if seen.any() and not seen.all():
            score, load, lost = score[seen], load[seen], 0.0
        order = np.argsort(-score, kind="stable")
        return Top(score[order], load[order], lost)


class Top:
    """A node's largest scores, falling.

    Args:
        score: (score,).
        weight: (score,).
        lost: weight of those that equal the least and were not kept.
    """

    def __init__(self, score: np.ndarray, weight: np.ndarray, lost: float) -> None:
        self.score = score
        self.weight = weight
        self.end = np.cumsum(weight)
        self._lost = lost

    def at(self, breadth: Float[np.ndarray, " cut"]) -> Float[np.ndarray, " cut"]:
        """The score that lies so far from the largest end; the least one beyond all."""
        place = np.searchsorted(self.end, breadth * (1 - _ROUNDING))
        return self.score[np.minimum(place, len(self.score) - 1)]

    def between(self, first: float, last: float) -> float:
        """The mean score of a stretch; where all are equal, that very one."""
        start = self.end - self.weight
        over = np.minimum(self.end, last) - np.maximum(start, first)
        over = np.where(over > _ROUNDING * max(1.0, last), over, 0.0)
        if not over.any():
            return float(self.score[-1])
        least = float(self.score[over > 0][-1])
        return least + float(over @ (self.score - least)) / float(over.sum())

    def reach(
        self, cuts: Float[np.ndarray, " cut"]
    ) -> tuple[Float[np.ndarray, " cut"], Float[np.ndarray, " cut"]]:
        """The weight of the scores that reach cuts, and of those that lie beyond them."""
        sums, falling = np.append(0.0, self.end), -self.score
        reach = sums[np.searchsorted(falling, -cuts, side="right")]
        reach += np.where(cuts <= self.score[-1], self._lost, 0.0)
        return reach, sums[np.searchsorted(falling, -cuts, side="left")]

    def untied(
        self, cuts: Float[np.ndarray, " cut"], wanted: Float[np.ndarray, " cut"]
    ) -> tuple[Float[np.ndarray, " cut"], Float[np.ndarray, " cut"]]:
        """Cuts that none of tied scores reaches where with them it would be further off.

        Args:
            cuts: what it would be else.
            wanted: weights that are to reach them.

        Returns:
            Cuts, and the weights that do.
        """
        reach, beyond = self.reach(cuts)
        over = (reach > 1) & (reach - wanted > wanted - beyond)
        return np.where(over, np.nextafter(cuts, np.inf), cuts), np.where(over, beyond, reach)


def prior_matched(
    held_out: Iterable[np.ndarray],
    share: Nodes,
    weight: Weight,
    known: int | float | Nodes | None = None,
) -> Nodes:
    """See `decisions.prior_matched_cuts`; the quantile is the mean of a breadth of 1 around it."""
    everything = np.broadcast_to(float(weight.sum()) if known is None else known, len(share))
    lower = np.clip(everything * (1 - share) - 0.5, 0, np.maximum(everything - 1, 0))
    top = everything - lower
    largest = Largest(top, weight)
    for scores in held_out:
        largest.take(scores)
    cuts = np.full(len(share), np.inf)
    for node in np.flatnonzero(share > 0).tolist():
        kept = largest.of(node)
        middle = kept.between(top[node] - min(1.0, everything[node]), top[node])
        cuts[node] = kept.untied(np.array([middle]), share[[node]] * everything[node])[0][0]
    return cuts


def budgeted(held_out: Iterable[np.ndarray], rank: Nodes, weight: Weight) -> Nodes:
    """See `decisions.budget_cuts`; `rank` (node,) is a whole number of copies."""
    everything = float(weight.sum())
    largest = Largest(np.clip(rank, min(1.0, everything), everything), weight)
    for scores in held_out:
        largest.take(scores)
    last = np.array([largest.of(node).at(rank[[node]])[0] for node in range(len(rank))])
    cuts = np.nextafter(last, np.inf)
    return np.where(rank < 1, np.inf, np.where(rank > everything * (1 + _ROUNDING), 0.0, cuts))


def tuned(
    held_out: Predictions, weight: Weight, grid: Float[np.ndarray, " grid"], *, beta: float
) -> tuple[Nodes, Float[np.ndarray, "node grid"], Float[np.ndarray, "node grid"]]:
    """See `tuned.tuned_cuts`, which chooses among these.

    Returns:
        The weight of each node's positives, its cuts, and the F-measure at each of them.
    """
    labels = held_out.labels
    examples, nodes = labels.shape
    owner = np.repeat(np.arange(examples), np.diff(labels.indptr))
    support = example_weights.support(labels, weight)
    everything = np.broadcast_to(known(labels, held_out.unknown, weight), nodes)
    counts = np.clip(np.floor(np.outer(support, grid) + 0.5), 1, everything[:, None])
    largest = Largest(np.minimum(counts[:, -1] + 1, everything), weight)
    score = np.empty(labels.nnz)
    for rows, p in held_out:
        judged = held_out.judged(p)
        if not np.isfinite(judged).all():
            raise ValueError("probabilities must be finite. Got an infinite one")
        within, at_positives = held_out.at_positives(rows, judged)
        score[within] = at_positives
        largest.take(held_out.hidden(rows, judged))
    cuts, curves = np.full(counts.shape, np.inf), np.zeros(counts.shape)
    order = np.lexsort((-score, labels.indices))
    ends = np.cumsum(np.bincount(labels.indices, minlength=nodes))[:-1]
    positives = np.split(order, ends)
    for node in np.flatnonzero(support).tolist():
        kept, own = largest.of(node), positives[node]
        last, following = kept.at(counts[node] - 0.5), kept.at(counts[node] + 0.5)
        cuts[node], reach = kept.untied(last - 0.5 * (last - following), counts[node])
        found = Top(score[own], weight[owner[own]], 0.0).reach(cuts[node])[0]
        curves[node] = (1 + beta**2) * found / (beta**2 * support[node] + reach)
    return support, cuts, curves
