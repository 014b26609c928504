"""All figures of a method on a test set, under the observed and under bootstrap weights at once.

Row 0 of the weights is the observed sample, the others are replicates: one computation gives a
figure and its spread, and the difference of two methods under the same weights is paired.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pipeline.hml import bootstrap
from pipeline.hml.metrics import Counts, average_precision_replicates

Rows = Float[np.ndarray, " row"]


@dataclass(frozen=True)
class Evaluation:
    """Figures of one method.

    Attributes:
        figures: name -> (row,) values: "micro_ap", "macro_ap", "brier_skill", "macro_f1/<rule>" and
            its like, and each of the macro figures as "<name>/<slice>". NaN where a slice is empty.
        node_ap: (node,) average precision of each scored node; NaN without a positive.
        node_recall: rule -> (node,) recall of each scored node; NaN without a positive.
    """

    figures: dict[str, Rows]
    node_ap: np.ndarray
    node_recall: dict[str, np.ndarray]

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
    y: Bool[np.ndarray, "example node"],
    p: Float[np.ndarray, "example node"],
    decisions: Mapping[str, Bool[np.ndarray, "example node"]],
    prior: Float[np.ndarray, " node"],
    weights: Float[np.ndarray, "row example"],
    slices: Mapping[str, Bool[np.ndarray, " node"]],
) -> Evaluation:
    """Evaluate probabilities and decisions; all arrays hold the scored nodes only.

    Macro average precision runs over the nodes with a test positive; the macro figures of a rule
    run over all scored nodes, a node without a test positive counts as 0.

    Args:
        y: closed labels.
        p: coherent probabilities.
        decisions: rule -> decisions.
        prior: shares of positives in the training data, the reference of `brier_skill`.
        weights: see `row_weights`.
        slices: name -> nodes.
    """
    examples, nodes = y.shape
    owner = np.repeat(np.arange(examples), nodes)
    node_ap = np.stack(
        [average_precision_replicates(a, b, weights) for a, b in zip(y.T, p.T, strict=True)], axis=1
    )
    error, reference = ((y - p.astype(np.float64)) ** 2).mean(1), ((y - prior) ** 2).mean(1)
    figures = {
        "micro_ap": average_precision_replicates(
            y.reshape(-1), p.reshape(-1), weights, example=owner
        ),
        "macro_ap": _mean_of_known(node_ap),
        # No skill is to be had over a reference that is right everywhere.
        "brier_skill": 1 - (weights @ error) / (weights @ reference if reference.any() else np.nan),
    }
    figures |= {f"macro_ap/{name}": _mean_of_known(node_ap[:, s]) for name, s in slices.items()}
    positive = y.any(0)
    recall: dict[str, np.ndarray] = {}
    for rule, decided in decisions.items():
        counts = Counts.of(y, decided, weights)
        figures |= {f"{name}/{rule}": values for name, values in counts.scores().items()}
        for part, chosen in slices.items():
            scores = counts.of_nodes(chosen).scores()
            figures |= {f"{name}/{rule}/{part}": values for name, values in scores.items()}
        found = np.full(nodes, np.nan)
        found[positive] = counts.hit[0, positive] / counts.positive[0, positive]
        recall[rule] = found
    return Evaluation(figures, node_ap[0], recall)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over nodes (row, node) that are known in row 0; every replicate keeps every positive."""
    known = values[:, ~np.isnan(values[0])]
    return known.mean(1) if known.shape[1] else np.full(len(values), np.nan)
