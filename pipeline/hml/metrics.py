"""Metrics over nodes, also under example weights (which is what a Bayesian bootstrap needs).

Average precision is the step-wise sum over distinct scores, as scikit-learn defines it. Axes:
example, node; `scored` (node,) bool restricts the nodes, None takes all. Replicates come first
where weights do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

# Entries of a (replicate, entry) work array: 32 MB in float64.
_WORK = 4_000_000


def average_precision(y: Any, score: Any, weight: Any = None) -> float:
    """Average precision of one ranking; NaN without a positive.

    Args:
        y: (example,) zeros and ones.
        score: (example,) higher means more likely.
        weight: (example,) not negative; None is 1.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Examples:
        Equal scores are one threshold, so their order does not matter, and nothing is gained by a
        score that is the same for all:

        >>> from pipeline.hml.metrics import average_precision
        >>> average_precision([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6])  # (1 / 1 + 2 / 4) / 2
        0.75
        >>> average_precision([1, 0, 0, 1], [0.3, 0.3, 0.3, 0.3])  # the share of positives
        0.5
        >>> average_precision([0, 0], [0.9, 0.8])
        nan
    """
    weights = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    return float(average_precision_replicates(y, score, weights[None])[0])


def average_precision_replicates(
    y: Any, score: Any, weights: Any, *, example: np.ndarray | None = None
) -> Float[np.ndarray, " replicate"]:
    """Average precision of one ranking under each row of weights; NaN where no positive has weight.

    Args:
        y: (entry,) zeros and ones.
        score: (entry,).
        weights: (replicate, example).
        example: (entry,) the example that each entry belongs to; None if entries are examples.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Examples:
        Without its second example the ranking is perfect; without its positives there is none:

        >>> from pipeline.hml.metrics import average_precision_replicates
        >>> weights = [[1, 1, 1], [1, 0, 1], [0, 1, 0]]
        >>> average_precision_replicates([1, 0, 1], [0.9, 0.8, 0.7], weights).round(2).tolist()
        [0.83, 1.0, nan]
    """
    positive, scores, weights = (
        np.asarray(y, bool),
        np.asarray(score),
        np.asarray(weights, np.float64),
    )
    if scores.dtype.kind != "f":
        scores = scores.astype(np.float64)  # unsigned integers and booleans have no minus
    owner = np.arange(len(positive)) if example is None else example
    if positive.ndim != 1 or scores.shape != positive.shape or owner.shape != positive.shape:
        raise ValueError(
            "y and score must have the same shape (example,). "
            f"Got {positive.shape} and {scores.shape}"
        )
    if weights.ndim != 2 or (example is None and weights.shape[1] != len(positive)):
        raise ValueError(f"weights must have shape (replicate, example). Got {weights.shape}")
    if np.isnan(scores).any():
        raise ValueError("score must not be NaN")
    result = np.full(len(weights), np.nan)
    if not positive.any():
        return result
    order = np.argsort(-scores, kind="stable")
    owner, positive = owner[order], positive[order]
    # A threshold lies behind the last of equal scores. Only those that gain a positive add to the
    # sum.
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    gains = np.diff(np.cumsum(positive)[last], prepend=0) > 0
    last = last[gains]
    for rows in _chunks(len(weights), len(order)):
        weight = weights[rows][:, owner]
        everything = np.cumsum(weight, axis=1)[:, last]
        found = np.cumsum(np.where(positive, weight, 0), axis=1)[:, last]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(everything > 0, found / everything, 0)
            recall = found / found[:, -1:]
        result[rows] = (np.diff(recall, axis=1, prepend=0) * precision).sum(1)
    return result


def node_average_precision(y: Any, score: Any) -> Float[np.ndarray, " node"]:
    """Average precision of each node; NaN for a node without a positive.

    Args:
        y: (example, node) zeros and ones.
        score: (example, node) higher means more likely.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Examples:
        >>> from pipeline.hml.metrics import node_average_precision
        >>> y, p = [[0, 1, 0], [1, 0, 0]], [[0.9, 0.7, 0.1], [0.8, 0.6, 0.1]]
        >>> node_average_precision(y, p).tolist()  # nothing can be said of the last node
        [0.5, 1.0, nan]
    """
    labels, scores = _aligned(y, score)
    return np.array([average_precision(a, b) for a, b in zip(labels.T, scores.T, strict=True)])


def macro_average_precision(y: Any, score: Any, scored: Any = None) -> float:
    """Mean average precision of the scored nodes that have a positive; NaN if there is none.

    Args:
        y: (example, node) zeros and ones.
        score: (example, node) higher means more likely.
        scored: (node,) bool; None takes all.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Examples:
        A node without a positive is left out, not counted as 0:

        >>> from pipeline.hml.metrics import macro_average_precision
        >>> y, p = [[0, 1, 0], [1, 0, 0]], [[0.9, 0.7, 0.1], [0.8, 0.6, 0.1]]
        >>> macro_average_precision(y, p)  # (0.5 + 1) / 2
        0.75
        >>> macro_average_precision(y, p, scored=[True, False, True])
        0.5
    """
    labels, scores = _aligned(y, score, scored)
    return _mean(node_average_precision(labels, scores))


def micro_average_precision(y: Any, score: Any, scored: Any = None) -> float:
    """Average precision over all (example, scored node) entries at once; NaN without a positive.

    Args:
        y: (example, node) zeros and ones.
        score: (example, node) higher means more likely.
        scored: (node,) bool; None takes all.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Examples:
        Both nodes are ranked without a mistake, but the rare one's positive has a lower score than
        a negative of the common one:

        >>> from pipeline.hml.metrics import macro_average_precision, micro_average_precision
        >>> y = [[1, 0], [1, 0], [0, 1], [0, 0]]
        >>> p = [[0.9, 0.0], [0.8, 0.0], [0.3, 0.1], [0.2, 0.0]]
        >>> macro_average_precision(y, p), round(micro_average_precision(y, p), 2)
        (1.0, 0.87)
    """
    labels, scores = _aligned(y, score, scored)
    return average_precision(labels.reshape(-1), scores.reshape(-1))


def rule_scores(y: Any, decision: Any, scored: Any = None) -> dict[str, float]:
    """macro_f1, macro_precision, macro_recall and micro_f1 of decisions (example, node).

    Macro figures run over all scored nodes: a node without a positive, or without a correct
    prediction, counts as 0 (comparable with the literature).

    Args:
        y: (example, node) zeros and ones.
        decision: (example, node) zeros and ones, or bool.
        scored: (node,) bool; None takes all.

    Raises:
        ValueError: shapes do not fit, or a decision is neither 0 nor 1 (as a probability is).

    Examples:
        A common node is decided right, and a rare one never predicted, which micro figures hardly
        show:

        >>> from pipeline.hml.metrics import rule_scores
        >>> y, decision = [[1, 1], [1, 0], [1, 0], [1, 0]], [[1, 0], [1, 0], [1, 0], [1, 0]]
        >>> scores = rule_scores(y, decision)
        >>> round(scores["macro_f1"], 2), round(scores["micro_f1"], 2)
        (0.5, 0.89)
    """
    labels, decided = _aligned(y, decision, scored)
    counts = Counts.of(labels, decisions(decided), np.ones((1, len(labels))))
    return {name: float(values[0]) for name, values in counts.scores().items()}


def brier_skill(y: Any, p: Any, prior: Any, scored: Any = None) -> float:
    """1 - Brier(p) / Brier(prior) over (example, scored node) entries; NaN if the prior is exact.

    Args:
        y: (example, node) zeros and ones.
        p: (example, node) probabilities.
        prior: (node,) shares of positives in the training data.
        scored: (node,) bool; None takes all.

    Raises:
        ValueError: shapes do not fit.

    Examples:
        The prior itself has none, and to be sure that a rare node never occurs is worse than the
        prior:

        >>> from pipeline.hml.metrics import brier_skill
        >>> y, prior = [[1], [0], [0], [0]], [0.25]
        >>> for p in (0.25, 0.0):
        ...     print(round(brier_skill(y, [[p]] * 4, prior), 2))
        0.0
        -0.33
        >>> round(brier_skill(y, [[0.7], [0.1], [0.1], [0.1]], prior), 2)
        0.84
    """
    labels, probability = _aligned(y, p, scored)
    share = shares(prior, np.shape(y)[1])
    share = share if scored is None else share[np.asarray(scored, bool)]
    reference = float(((labels - share) ** 2).mean()) if labels.size else 0.0
    if not reference:
        return float("nan")
    return 1 - float(((labels - probability.astype(np.float64)) ** 2).mean()) / reference


def shares(prior: Any, nodes: int) -> Float[np.ndarray, " node"]:
    """A prior as float64.

    Raises:
        ValueError: it has not one share for each of the nodes.

    Examples:
        >>> from pipeline.hml.metrics import shares
        >>> shares([0.5], nodes=2)
        Traceback (most recent call last):
        ValueError: prior must have shape (2,). Got (1,)
    """
    share = np.asarray(prior, np.float64)
    if share.shape != (nodes,):
        raise ValueError(f"prior must have shape ({nodes},). Got {share.shape}")
    return share


def decisions(values: Any) -> np.ndarray:
    """Zeros and ones as bool.

    Raises:
        ValueError: one is neither 0 nor 1 (as a probability is).

    Examples:
        >>> from pipeline.hml.metrics import decisions
        >>> decisions([[1, 0]]).tolist()
        [[True, False]]
        >>> decisions([[0.7, 0]])
        Traceback (most recent call last):
        ValueError: decisions must be 0 or 1. Got 0.7: decide by a rule first
    """
    decided = np.asarray(values)
    if decided.dtype == bool:
        return decided
    chosen = decided.astype(bool)
    if not np.array_equal(chosen, decided):
        wrong = decided[chosen != decided][0]
        raise ValueError(f"decisions must be 0 or 1. Got {wrong}: decide by a rule first")
    return chosen


@dataclass(frozen=True)
class Counts:
    """True positives, predictions and positives per node under each row of example weights.

    Attributes:
        hit: (replicate, node) weight of predicted positives.
        predicted: (replicate, node).
        positive: (replicate, node).

    Examples:
        Precision as it is, and as it would be without the second example, which is predicted
        wrongly:

        >>> import numpy as np
        >>> from pipeline.hml.metrics import Counts
        >>> labels, decided = np.array([[1], [0], [1]], bool), np.array([[1], [1], [0]], bool)
        >>> counts = Counts.of(labels, decided, np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]))
        >>> counts.hit.tolist(), counts.predicted.tolist()
        ([[1.0], [1.0]], [[2.0], [1.0]])
        >>> counts.scores()["macro_precision"].tolist()
        [0.5, 1.0]
    """

    hit: np.ndarray
    predicted: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, decided: np.ndarray, weights: np.ndarray) -> "Counts":
        """Count decisions (example, node) under weights (replicate, example)."""
        both = (labels & decided).astype(np.float64)
        return cls(
            weights @ both,
            weights @ decided.astype(np.float64),
            weights @ labels.astype(np.float64),
        )

    def of_nodes(self, nodes: np.ndarray) -> "Counts":
        """The counts of some nodes, by mask or columns."""
        return Counts(self.hit[:, nodes], self.predicted[:, nodes], self.positive[:, nodes])

    def scores(self) -> dict[str, Float[np.ndarray, " replicate"]]:
        """macro_f1, macro_precision, macro_recall, micro_f1; NaN where there is no node."""
        if not self.hit.shape[1]:
            nothing = np.full(len(self.hit), np.nan)
            names = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
            return dict.fromkeys(names, nothing)
        return {
            "macro_f1": _ratio(2 * self.hit, self.predicted + self.positive).mean(1),
            "macro_precision": _ratio(self.hit, self.predicted).mean(1),
            "macro_recall": _ratio(self.hit, self.positive).mean(1),
            "micro_f1": _ratio(2 * self.hit.sum(1), (self.predicted + self.positive).sum(1)),
        }


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """0 / 0 is 0: nothing was found."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _aligned(y: Any, other: Any, scored: Any = None) -> tuple[np.ndarray, np.ndarray]:
    labels, values = np.asarray(y, bool), np.asarray(other)
    if labels.ndim != 2 or values.shape != labels.shape:
        raise ValueError(
            "both arguments must have the same shape (example, node). "
            f"Got {labels.shape} and {values.shape}"
        )
    if scored is None:
        return labels, values
    nodes = np.asarray(scored, bool)
    if nodes.shape != (labels.shape[1],):
        raise ValueError(f"scored must have shape ({labels.shape[1]},). Got {nodes.shape}")
    return labels[:, nodes], values[:, nodes]


def _chunks(replicates: int, entries: int) -> list[slice]:
    size = max(1, _WORK // max(entries, 1))
    return [slice(start, start + size) for start in range(0, replicates, size)]
