"""All figures of a method on a test set, under the observed and under bootstrap weights at once.

Row 0 of the weights is the observed sample, the others are replicates: one computation gives a
figure and its spread, and the difference of two methods under the same weights is paired.

Nothing here holds an example x node array. Predictions are streamed in two passes: the first finds
the scores of the positives, the second counts what lies between them (see `ranking`). Each row is
computed alone, so where the counts of all rows would not fit into memory, the rows are taken in
turns, with a pass for each turn.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml import bootstrap, score_kernels
from pipeline.hml.metrics import Counts, decisions, shares
from pipeline.hml.predictions import BLOCK, Labels, Predict, Predictions, Scores
from pipeline.hml.ranking import ByNode, Pooled
from pipeline.hml.unknown import Unknown, rankable

Rows = Float[np.ndarray, " row"]
Decide = Callable[[Any], Any]
Objective = Literal["macro_ap", "micro_ap"]

# Counts that are held at a time: 800 MB in float64.
SUMS = 100_000_000
# Rows whose (row, node) figures are worked out at a time.
_TOGETHER = 16


@dataclass(frozen=True)
class Evaluation:
    """Figures of one method.

    Attributes:
        figures: name -> (row,) values: "micro_ap", "macro_ap", "brier_skill", "macro_f1/<rule>" and
            its like, and each of the macro figures as "<name>/<slice>". NaN where a slice is empty.
        node_ap: (node,) average precision of each scored node; NaN without a positive, and where
            all other labels are unknown.
        node_recall: rule -> (node,) recall of each scored node; NaN without a positive.
        ap_error: how far "micro_ap" may be from the exact value in any row; 0 means that it is
            exact, as all other figures are. See `ranking`.
    """

    figures: dict[str, Rows]
    node_ap: np.ndarray
    node_recall: dict[str, np.ndarray]
    ap_error: float = 0.0

    def point(self, name: str) -> float:
        """The figure on the observed sample."""
        return float(self.figures[name][0])

    def interval(self, name: str) -> tuple[float, float]:
        """Its central 95 % interval over the replicates."""
        return bootstrap.interval(self.figures[name][1:])

    def difference(self, other: "Evaluation", name: str) -> tuple[float, tuple[float, float]]:
        """How much higher the figure is here than in `other`, with the paired 95 % interval."""
        gap = self.figures[name] - other.figures[name]
        return float(gap[0]), bootstrap.interval(gap[1:])


def row_weights(groups: np.ndarray, replicates: int, *, seed: int) -> np.ndarray:
    """(row, example) weights: ones, then Bayesian bootstrap replicates by group."""
    drawn = bootstrap.group_weights(groups, replicates, seed=seed)
    return np.concatenate([np.ones((1, drawn.shape[1])), drawn])


def evaluate(
    predictions: Predictions,
    decide: Mapping[str, Decide],
    prior: Float[np.ndarray, " node"],
    weights: Float[np.ndarray, "row example"],
    slices: Mapping[str, Bool[np.ndarray, " scored"]],
    *,
    scores: Scores | None = None,
) -> Evaluation:
    """Evaluate probabilities and decisions on the scored nodes.

    Macro average precision runs over the nodes with a test positive, unless all of their other
    labels are unknown, so that there is nothing to rank them against. The macro figures of a rule
    run over all scored nodes, a node without a test positive counts as 0.

    Args:
        predictions: of the test examples; two passes are made, or more, see above.
        decide: rule -> from a block of probabilities to its decisions (example, node).
        prior: shares of positives among the known training labels, the reference of `brier_skill`.
        weights: see `row_weights`.
        slices: name -> some of the scored nodes.
        scores: what the first pass has found, where it is made already: see `Predictions.scores`.

    Raises:
        ValueError: shapes do not fit, a probability is NaN, or a decision is neither 0 nor 1.
    """
    examples = predictions.shape[0]
    if weights.ndim != 2 or weights.shape[1] != examples:
        raise ValueError(f"weights must have shape (row, {examples}). Got {weights.shape}")
    share = predictions.judged(shares(prior, predictions.shape[1])[None])[0]
    predictions.masks(slices)
    score, squares = predictions.scores() if scores is None else scores
    if (expected := ((predictions.labels.nnz,), (examples,))) != (score.shape, squares.shape):
        raise ValueError(
            f"scores must have the shapes {expected[0]} and {expected[1]}, of these predictions. "
            f"Got {score.shape} and {squares.shape}"
        )
    rankings = ByNode.of(predictions.labels, score), Pooled.of(predictions.labels, score)
    nodes = predictions.labels.shape[1]
    held = sum(len(ranking.threshold) for ranking in rankings) + len(decide) * nodes
    parts: list[Evaluation] = []
    for rows in _ranges(len(weights), SUMS // max(held, 1)):
        parts += _of_rows(predictions, *rankings, decide, weights[rows], slices)
    joined = {
        name: np.concatenate([part.figures[name] for part in parts]) for name in parts[0].figures
    }
    skill = _brier_skill(predictions, score, squares, share, weights)
    # Figures over all nodes come first.
    overall = {name: joined.pop(name) for name in ("micro_ap", "macro_ap")}
    figures = overall | {"brier_skill": skill} | joined
    error = max(part.ap_error for part in parts)
    return Evaluation(figures, parts[0].node_ap, parts[0].node_recall, error)


def average_precision(
    labels: sparse.csr_array,
    predict: Predict,
    name: Objective,
    *,
    scored: Bool[np.ndarray, " node"] | None = None,
    unknown: Unknown | None = None,
) -> float:
    """One of the two figures alone, on the observed sample; see `evaluate`."""
    predictions = Predictions(labels, predict, scored, unknown)
    kind = {"macro_ap": ByNode, "micro_ap": Pooled}[name]
    ranking = kind.of(predictions.labels, predictions.scores()[0])
    weights, sums = np.ones((labels.shape[0], 1)), np.zeros((len(ranking.threshold), 1))
    for rows, p in predictions:
        judged = predictions.hidden(rows, predictions.judged(p))
        ranking.count(judged, weights[rows], sums)
    low, high = ranking.bounds(weights, sums, slice(1))
    ranked = ~np.isnan(low[:, 0])
    if kind is ByNode:
        ranked &= _ranked(predictions)
    return float(((low + high) / 2)[ranked].mean()) if ranked.any() else float("nan")


def _of_rows(
    predictions: Predictions,
    by_node: ByNode,
    pooled: Pooled,
    decide: Mapping[str, Decide],
    weights: np.ndarray,
    slices: Mapping[str, np.ndarray],
) -> Iterator[Evaluation]:
    """One pass: all but the Brier skill under weights (row, example), some rows at a time."""
    labels, transposed = predictions.labels, np.ascontiguousarray(weights.T)
    nodes = labels.shape[1]
    between = [np.zeros((len(ranking.threshold), len(weights))) for ranking in (by_node, pooled)]
    predicted = {rule: np.zeros((nodes, len(weights))) for rule in decide}
    hit = {rule: np.zeros(labels.nnz) for rule in decide}
    for examples, p in predictions:
        judged = predictions.hidden(examples, predictions.judged(p))
        line = transposed[examples]
        by_node.count(judged, line, between[0])
        pooled.count(judged, line, between[1])
        for rule, decision in decide.items():
            chosen = decisions(decision(p))
            if chosen.shape != p.shape:
                raise ValueError(
                    f"rule {rule!r} must return the shape {p.shape}. Got {chosen.shape}"
                )
            decided = predictions.judged(chosen)
            within, found = predictions.at_positives(examples, decided)
            hit[rule][within] = found
            counted = predictions.hidden(examples, decided, 0.0)
            score_kernels.count_decided(counted, line, predicted[rule])

    known, ranked = np.bincount(labels.indices, minlength=nodes) > 0, _ranked(predictions)
    for rows in _ranges(len(weights), _TOGETHER):
        node_ap = np.ascontiguousarray(by_node.bounds(transposed, between[0], rows)[0].T)
        node_ap[:, ~ranked] = np.nan
        low, high = (bound[0] for bound in pooled.bounds(transposed, between[1], rows))
        figures = {"micro_ap": (low + high) / 2, "macro_ap": _mean(node_ap[:, ranked])}
        for part, chosen in slices.items():
            figures[f"macro_ap/{part}"] = _mean(node_ap[:, ranked & chosen])
        recall: dict[str, np.ndarray] = {}
        positive = _per_node(weights[rows], labels, np.ones(labels.nnz))
        for rule in decide:
            counts = Counts(
                _per_node(weights[rows], labels, hit[rule]),
                np.ascontiguousarray(predicted[rule][:, rows].T),
                positive,
            )
            figures |= _rule_figures(rule, counts, slices)
            recall[rule] = np.full(nodes, np.nan)
            recall[rule][known] = counts.hit[0, known] / positive[0, known]
        error = float(np.fmax.reduce((high - low) / 2, initial=0))
        yield Evaluation(figures, node_ap[0], recall, error)


def _ranked(predictions: Predictions) -> Bool[np.ndarray, " node"]:
    """The nodes with a positive, unless all else is unknown."""
    positive = np.bincount(predictions.labels.indices, minlength=predictions.labels.shape[1])
    if predictions.unknown is None:
        return positive > 0
    missing = np.asarray(predictions.unknown.sum(axis=0))
    return rankable(positive, missing, predictions.shape[0])


def _rule_figures(
    rule: str, counts: Counts, slices: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    figures = {f"{name}/{rule}": values for name, values in counts.scores().items()}
    for part, chosen in slices.items():
        scores = counts.of_nodes(chosen).scores()
        figures |= {f"{name}/{rule}/{part}": values for name, values in scores.items()}
    return figures


def _brier_skill(
    predictions: Predictions,
    score: np.ndarray,
    squares: np.ndarray,
    share: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """From each example's sum of squares: (1 - p)^2 of a positive is p^2 + 1 - 2 p."""

    def error(total: np.ndarray, at_positives: np.ndarray) -> np.ndarray:
        return total + _at(predictions.labels, 1 - 2 * at_positives).sum(axis=1)

    line = np.asarray(share, np.float64)[None]
    # Those of unknown labels are not taken off again: rounding would be left where all is right.
    examples, nodes = (1, 1) if predictions.unknown is None else predictions.shape
    total = np.empty(examples)
    for rows in _ranges(examples, BLOCK // max(nodes, 1)):
        score_kernels.squares(predictions.hidden(rows, line, 0.0), total[rows])
    reference = error(total, share[predictions.labels.indices])
    # No skill is to be had over a reference that is right everywhere.
    base = weights @ reference if reference.any() else np.nan
    return 1 - (weights @ error(squares, score)) / base


def _per_node(weights: np.ndarray, labels: Labels, counted: np.ndarray) -> np.ndarray:
    """Weights (row, example) of the labels that count, summed per node: (row, node)."""
    return np.ascontiguousarray(weights @ _at(labels, counted))


def _at(labels: Labels, values: np.ndarray) -> Labels:
    """Values (positive,) in the place of the labels."""
    return sparse.csr_array((values, labels.indices, labels.indptr), shape=labels.shape)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over nodes (row, node)."""
    return values.mean(1) if values.shape[1] else np.full(len(values), np.nan)


def _ranges(length: int, size: int) -> list[slice]:
    step = max(1, size)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
