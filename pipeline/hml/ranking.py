"""Average precision of rankings whose entries are streamed and never held in memory.

The step-wise sum changes at the scores of positives alone, and there are few positives. Once their
scores are known, they are the *thresholds* of a ranking: what has to be known of all other entries
is the weight of those between one threshold and the next. Entries below the last one, most of them
in a good ranking, do not matter at all. Nothing is lost: this is exact, ties included.

The pooled ranking of all nodes has as many thresholds as there are positives. Where these are too
many, neighbours are merged, each merged threshold with about as many positives. The order within
is then unknown, but bounded: with all its negatives first, the positives of weight g add at least
the integral of (f + x) / (e + n + x) over x from 0 to g, where f positives and e entries stand
before and n negatives are within; with all positives first they add at most g (f + g) / (e + g).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pipeline.hml import score_kernels
from pipeline.hml.predictions import Labels

# Thresholds of the pooled ranking; the bounds are then about 1 / POOLED apart, and seldom more.
POOLED = 1 << 16


@dataclass(frozen=True)
class Rankings(ABC):
    """The positives of one or more rankings, best first in each, ranking after ranking.

    Attributes:
        threshold: (threshold,) float64 least score of a group of positives.
        merged: (threshold,) bool, True where the group has more than one score.
        start: (ranking + 1,) those of ranking k are `threshold[start[k]:start[k + 1]]`.
        owner: (positive,) the example of each positive.
        found_at: (threshold + 1,) the group of t is `owner[found_at[t]:found_at[t + 1]]`.
    """

    threshold: np.ndarray
    merged: np.ndarray
    start: np.ndarray
    owner: np.ndarray
    found_at: np.ndarray

    @abstractmethod
    def count(
        self,
        p: Float[np.ndarray, "example node"],
        weights: Float[np.ndarray, "example row"],
        sums: Float[np.ndarray, "threshold row"],
    ) -> None:
        """Count a block of scores into `sums`, under the weights of its examples."""

    def bounds(
        self,
        weights: Float[np.ndarray, "example row"],
        sums: Float[np.ndarray, "threshold row"],
        rows: slice,
    ) -> tuple[Float[np.ndarray, "ranking part"], Float[np.ndarray, "ranking part"]]:
        """Least and greatest average precision in some rows; the same where nothing is merged.

        Args:
            weights: of all examples.
            sums: what was counted of all examples.
            rows: a range of rows.

        Returns:
            Both as (ranking, part of the rows); NaN where no positive has weight.
        """
        first, end, _ = rows.indices(sums.shape[1])
        low, high = np.empty((2, len(self.start) - 1, end - first))
        score_kernels.average_precision(
            self.start, self.found_at, self.owner, self.merged, weights, sums, first, low, high
        )
        return low, high


@dataclass(frozen=True)
class ByNode(Rankings):
    """A ranking of the examples for each node."""

    @classmethod
    def of(cls, labels: Labels, score: Float[np.ndarray, " positive"]) -> "ByNode":
        """From labels (example, node) without stored zeros, and the score of each stored one."""
        return cls(*_groups(score, _example(labels), labels.indices, labels.shape[1], len(score)))

    def count(self, p: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
        """See `Rankings`."""
        score_kernels.count_by_node(p, self.threshold, self.start, weights, sums)


@dataclass(frozen=True)
class Pooled(Rankings):
    """One ranking of all (example, node) entries."""

    @classmethod
    def of(cls, labels: Labels, score: Float[np.ndarray, " positive"]) -> "Pooled":
        """From labels (example, node) without stored zeros, and the score of each stored one."""
        return cls(*_groups(score, _example(labels), np.zeros(len(score), np.int32), 1, POOLED))

    def count(self, p: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
        """See `Rankings`."""
        left = np.full(len(p), p.shape[1])
        score_kernels.count_pooled(np.sort(p, axis=1), left, self.threshold, weights, sums)


def _example(labels: Labels) -> np.ndarray:
    return np.repeat(np.arange(labels.shape[0]), np.diff(labels.indptr))


def _groups(
    score: np.ndarray, example: np.ndarray, ranking: np.ndarray, rankings: int, limit: int
) -> tuple[np.ndarray, ...]:
    """The attributes of `Rankings`, with at most `limit` thresholds if there is one ranking."""
    order = np.lexsort((-score, ranking))
    score, ranking = score[order], ranking[order]
    distinct = np.ones(len(score), dtype=bool)
    distinct[1:] = (np.diff(score) != 0) | (np.diff(ranking) != 0)
    opening = np.flatnonzero(distinct)
    if len(opening) > limit:
        size = -(-len(score) // limit)
        opening = opening[np.diff(opening // size, prepend=-1) > 0]
    found_at = np.append(opening, len(score))
    scores = np.diff(np.append(0, np.cumsum(distinct))[found_at])
    start = np.searchsorted(ranking[opening], np.arange(rankings + 1))
    return score[found_at[1:] - 1], scores > 1, start, example[order], found_at
