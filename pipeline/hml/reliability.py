"""Reliability curves: are events that get a probability of 0.3 observed three times in ten?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml import score_kernels
from pipeline.hml.predictions import Predictions

# Bins of equal width over [0, 1]. A probability on an edge is in the lower bin, as in scikit-learn.
BINS = 10
_EDGES = np.linspace(0, 1, BINS + 1)


@dataclass(frozen=True, repr=False)
class Reliability:
    """Predictions of known labels (example, node) of groups of nodes, by their probability.

    Attributes:
        groups: names.
        count: (group, bin) how many predictions.
        mean_p: (group, bin) their mean probability; NaN where there is none.
        observed: (group, bin) their share of positives; NaN where there is none.
        error: (group,) expected calibration error, the mean over predictions of the distance of
            `observed` from `mean_p` (Naeini, Cooper & Hauskrecht, AAAI 2015); NaN in an empty
            group. Rare nodes have almost all predictions in the lowest bin, so that it is small for
            them whatever the others hold.
    """

    groups: tuple[str, ...]
    count: Int[np.ndarray, "group bin"]
    mean_p: Float[np.ndarray, "group bin"]
    observed: Float[np.ndarray, "group bin"]
    error: Float[np.ndarray, " group"]


class ReliabilityTally:
    """Counts reliability curves of groups of nodes; see `reliability`."""

    def __init__(
        self, predictions: Predictions, groups: Mapping[str, Bool[np.ndarray, " scored"]]
    ) -> None:
        self._predictions, self._groups = predictions, (*groups,)
        self._masks = predictions.masks(groups)
        shape = (predictions.labels.shape[1], BINS)
        self._count, self._positive = np.zeros((2, *shape), np.int64)
        self._total = np.zeros(shape)

    def add(self, rows: slice, p: np.ndarray) -> None:
        """Count a block; ValueError where a probability is not in [0, 1]."""
        judged = self._predictions.judged(p)
        if judged.size and not (judged.min() >= 0 and judged.max() <= 1):
            raise ValueError(
                f"probabilities must lie in [0, 1]. Got {judged.min()} to {judged.max()}"
            )
        known = self._predictions.hidden(rows, judged)
        score_kernels.count_bins(known, _EDGES, self._count, self._total)
        within, score = self._predictions.at_positives(rows, judged)
        place = np.searchsorted(_EDGES[1:-1], score.astype(np.float64))
        np.add.at(self._positive, (self._predictions.labels.indices[within], place), 1)

    def result(self) -> Reliability:
        """The curves of what was counted."""
        counts, totals, positives = (
            np.array([part[mask].sum(axis=0) for mask in self._masks]).reshape(-1, BINS)
            for part in (self._count, self._total, self._positive)
        )
        mean_p, observed = _ratio(totals, counts), _ratio(positives, counts)
        gap = np.where(counts > 0, np.abs(observed - mean_p), 0)
        error = _ratio((counts * gap).sum(axis=1), counts.sum(axis=1))
        return Reliability(self._groups, counts.astype(np.int64), mean_p, observed, error)


def reliability(
    predictions: Predictions, groups: Mapping[str, Bool[np.ndarray, " scored"]]
) -> Reliability:
    """Reliability curves of groups of nodes, in one pass.

    Args:
        predictions: of examples that the model did not learn from.
        groups: name -> some of the scored nodes; they may overlap.

    Raises:
        ValueError: a group is no mask over the scored nodes, or a probability is not in [0, 1].
    """
    tally = ReliabilityTally(predictions, groups)
    for rows, p in predictions:
        tally.add(rows, p)
    return tally.result()


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
