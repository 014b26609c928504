"""Rare nodes against rare observations, two by two.

Rare nodes are not the nodes of rare examples: most examples that hold a rare node hold common ones,
too, and a method that favours rare examples need not find rare nodes (Xu et al., TMLR 2026). So the
test examples are halved by how rare they are, and nodes by their support, and each quarter is
judged by itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.hml.evaluation import evaluate
from pipeline.hml.predictions import Predictions
from pipeline.stages.evaluate import Model, deciders, number
from pipeline.stages.learning import Problem

RARE = 30  # positives that make a node common


def measure(model: Model, p: np.ndarray, problem: Problem) -> dict[str, dict[str, Any]]:
    """Figures of each quarter on the test split: "rare" or "common" examples -> nodes -> figures.

    Macro AP and macro recall at each rule, over the nodes of the quarter that have a positive there
    (`with_positive`): most rare nodes have none among common examples.

    Args:
        model: that the probabilities are of.
        p: (test example, node).
        problem: the data.
    """
    test, support = problem.data.rows("test"), problem.support()[problem.scored]
    labels = problem.labels[test]
    slices = {"rare": (support > 0) & (support < RARE), "common": support >= RARE}
    information = _information(problem, test)
    rare = information > np.median(information)
    found: dict[str, dict[str, Any]] = {}
    for name, examples in {"rare": np.flatnonzero(rare), "common": np.flatnonzero(~rare)}.items():
        result = evaluate(
            Predictions(labels[examples], lambda rows, of=examples: p[of[rows]], problem.scored),
            deciders(model),
            model.share,
            np.ones((1, len(examples))),
            slices,
        )
        positive = labels[examples].sum(axis=0)[problem.scored] > 0
        found[name] = {"examples": len(examples)} | {
            nodes: _of_slice(result.figures, nodes, int(of.sum()), int((of & positive).sum()))
            for nodes, of in slices.items()
        }
    return found


def _of_slice(
    figures: Mapping[str, Any], nodes: str, total: int, positive: int
) -> dict[str, float | int | None]:
    """Macro recall runs over all nodes of a slice, and counts one without a positive as 0."""
    found: dict[str, float | int | None] = {"with_positive": positive}
    for figure, value in figures.items():
        name, *parts = figure.split("/")
        if name == "macro_ap" and parts == [nodes]:
            found[name] = number(value[0])
        elif name == "macro_recall" and parts[1:] == [nodes] and positive:
            found[f"recall/{parts[0]}"] = number(value[0] * total / positive)
    return found


def _information(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """(row,) how rare an example is: the mean of -log2 of its nodes' shares of the training data.

    A node without a training positive counts as if it had half a one.
    """
    trained = len(problem.data.rows("train", "valid"))
    bits = -np.log2(np.maximum(problem.support(), 0.5) / trained) * problem.scored
    labels = problem.labels[rows]
    return (labels @ bits) / np.maximum(labels @ problem.scored.astype(np.float64), 1)
