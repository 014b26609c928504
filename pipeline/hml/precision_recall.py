"""Precision-recall curves of groups of nodes, and where decision rules stand beside them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml import score_kernels
from pipeline.hml.evaluation import Decide
from pipeline.hml.predictions import Predictions

# Of rare nodes nearly all probabilities are close to 0, so the thresholds are even in log-odds.
LOG_ODDS = np.linspace(-14, 14, 225)
THRESHOLDS = 1 / (1 + np.exp(-LOG_ODDS))


@dataclass(frozen=True, repr=False)
class Counts:
    """How many known labels (example, node) of each group are predicted, and are so rightly.

    The entries of a group are pooled, as micro figures do: precision is `hit / predicted`, recall
    `hit / positive`.

    Attributes:
        groups: names.
        positive: (group,) known positives.
        predicted: (group, threshold) entries with a probability of `THRESHOLDS` and above.
        hit: (group, threshold) positives among them.
        rules: decision rule -> (2, group), what it predicts, and the positives among that.
    """

    groups: tuple[str, ...]
    positive: Int[np.ndarray, " group"]
    predicted: Int[np.ndarray, "group threshold"]
    hit: Int[np.ndarray, "group threshold"]
    rules: dict[str, Int[np.ndarray, "2 group"]]

    def precision(self) -> Float[np.ndarray, "group threshold"]:
        """NaN where nothing is predicted."""
        return _ratio(self.hit, self.predicted)

    def recall(self) -> Float[np.ndarray, "group threshold"]:
        """NaN without a positive."""
        return _ratio(self.hit, np.broadcast_to(self.positive[:, None], self.hit.shape))


class PrecisionRecallTally:
    """Counts the curves of groups of nodes; see `precision_recall`."""

    def __init__(
        self,
        predictions: Predictions,
        decide: Mapping[str, Decide],
        groups: Mapping[str, Bool[np.ndarray, " scored"]],
    ) -> None:
        self._predictions, self._decide, self._groups = predictions, decide, (*groups,)
        self._masks = predictions.masks(groups)
        # Nodes of the same groups are a sort: each entry is counted once, however many these are.
        sorts, self._sort = np.unique(self._masks, axis=1, return_inverse=True)
        self._sorts = sorts.astype(np.int64)
        self._above, self._right = np.zeros((2, sorts.shape[1], len(THRESHOLDS) + 1), np.int64)
        self._rules = {rule: np.zeros((2, len(self._sort)), np.int64) for rule in decide}

    def add(self, rows: slice, p: np.ndarray) -> None:
        """Count a block of probabilities (example, node)."""
        held = self._predictions
        judged = held.judged(p)
        _count(held.hidden(rows, judged), self._sort, self._above)
        within, score = held.at_positives(rows, judged)
        node = held.labels.indices[within]
        _count(score[None], self._sort[node], self._right)
        for rule, decision in self._decide.items():
            decided = held.judged(np.asarray(decision(p), dtype=np.bool_))
            counted = held.hidden(rows, decided, 0.0)
            self._rules[rule][0] += counted.sum(axis=0, dtype=np.int64)
            found = held.at_positives(rows, decided)[1]
            self._rules[rule][1] += np.bincount(node[found], minlength=len(self._sort))

    def result(self) -> Counts:
        """What was counted."""
        labels = self._predictions.labels
        positive = np.bincount(labels.indices, minlength=labels.shape[1])
        masks = self._masks.astype(np.int64)
        return Counts(
            self._groups,
            masks @ positive,
            _from_above(self._sorts @ self._above),
            _from_above(self._sorts @ self._right),
            {rule: counts @ masks.T for rule, counts in self._rules.items()},
        )


def precision_recall(
    predictions: Predictions,
    decide: Mapping[str, Decide],
    groups: Mapping[str, Bool[np.ndarray, " scored"]],
) -> Counts:
    """Counts for the curves of groups of nodes, in one pass.

    Args:
        predictions: of examples that the model did not learn from.
        decide: rule -> from a block of probabilities to its decisions (example, node).
        groups: name -> some of the scored nodes; they may overlap.

    Raises:
        ValueError: a group is no mask over the scored nodes.

    Examples:
        A rare node that the rule misses, and that a lower threshold would find:

        >>> import numpy as np
        >>> from scipy import sparse
        >>> from pipeline.hml.precision_recall import THRESHOLDS, precision_recall
        >>> from pipeline.hml.predictions import Predictions
        >>> p = np.array([[0.9, 0.3], [0.8, 0.1], [0.2, 0.1]])
        >>> labels = sparse.csr_array([[1, 1], [1, 0], [1, 0]])
        >>> predictions = Predictions(labels, lambda rows: p[rows])
        >>> groups = {"common": np.array([True, False]), "rare": np.array([False, True])}
        >>> counts = precision_recall(predictions, {"half": lambda p: p >= 0.5}, groups)
        >>> counts.rules["half"].tolist()  # predicted, and found
        [[2, 0], [2, 0]]
        >>> counts.recall()[:, np.searchsorted(THRESHOLDS, 0.25)].round(2).tolist()
        [0.67, 1.0]
    """
    tally = PrecisionRecallTally(predictions, decide, groups)
    for rows, p in predictions:
        tally.add(rows, p)
    return tally.result()


def _count(p: np.ndarray, sort: np.ndarray, counts: np.ndarray) -> None:
    """Count scores (example, node) by the thresholds they reach into (sort, threshold + 1)."""
    whole = np.dtype(f"u{p.itemsize}")
    score_kernels.count_reached(
        p, p.view(whole), 8 * p.itemsize - 16, _least(p.dtype), THRESHOLDS, sort, counts
    )


@functools.cache
def _least(dtype: np.dtype) -> np.ndarray:
    """How many thresholds the least number of each 16 leading bits reaches, negative ones aside."""
    leading = np.arange(2**15 + 1, dtype=f"u{dtype.itemsize}") << (8 * dtype.itemsize - 16)
    numbers = np.nan_to_num(leading.view(dtype), nan=np.inf, posinf=np.inf)
    return np.searchsorted(THRESHOLDS, numbers.astype(np.float64), side="right").astype(np.int16)


def _from_above(counts: np.ndarray) -> np.ndarray:
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
