"""Curves of methods on the test split, by rarity: reliability, and precision against recall."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import files
from pipeline.hml.evaluation import Decide
from pipeline.hml.precision_recall import Counts, PrecisionRecallTally
from pipeline.hml.predictions import Predictions
from pipeline.hml.reliability import Reliability, ReliabilityTally, reliability

SCHEMA = 1
_ALL = "all"


class Curves:
    """Counts the curves of one method while its predictions pass.

    Args:
        predictions: of the test split.
        decide: its rules.
        cuts: of each rule, one for each scored node.
        slices: masks over the scored nodes; those by rarity are `rarity=BIN`.
    """

    def __init__(
        self,
        predictions: Predictions,
        decide: Mapping[str, Decide],
        cuts: Mapping[str, np.ndarray],
        slices: Mapping[str, np.ndarray],
    ) -> None:
        bins = _bins(slices)
        self._cuts = {
            name: {rule: _quartiles(values[mask]) for rule, values in cuts.items()}
            for name, mask in bins.items()
        }
        self._reliability = ReliabilityTally(predictions, bins)
        del bins[_ALL]  # it is the sum: the bins share no node, and leave none out
        self._precision_recall = PrecisionRecallTally(predictions, decide, bins)

    def add(self, rows: slice, p: np.ndarray) -> None:
        """Count a block of probabilities (example, node)."""
        self._reliability.add(rows, p)
        self._precision_recall.add(rows, p)

    def result(self) -> dict[str, dict[str, Any]]:
        """What the files of these names say of the method: name -> bin -> columns."""
        return {
            "reliability.json": {
                name: columns | {"cuts": self._cuts[name]}
                for name, columns in _reliability(self._reliability.result()).items()
            },
            "precision_recall.json": _precision_recall(self._precision_recall.result()),
        }


def write(methods: Mapping[str, dict[str, dict[str, Any]]], folder: Path) -> list[str]:
    """Write reliability.json and precision_recall.json, each `methods`: name -> bin -> columns.

    Args:
        methods: name -> what `Curves` has found.
        folder: of the files.

    Returns:
        Their names.
    """
    names = ["reliability.json", "precision_recall.json"]
    for name in names:
        document = {method: found[name] for method, found in methods.items()}
        files.write_json(folder / name, {"schema": SCHEMA, "methods": document})
    return names


def reliability_curves(
    predictions: Predictions, slices: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Reliability curves on the test split: rarity bin or "all" -> columns."""
    return _reliability(reliability(predictions, _bins(slices)))


def number(value: float) -> float | None:
    """Six digits; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else float(f"{value:.6g}")


def _bins(slices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All scored nodes, and those of each rarity bin."""
    bins = {name.removeprefix("rarity="): m for name, m in slices.items() if "rarity=" in name}
    return {_ALL: np.ones(len(next(iter(slices.values()))), bool)} | bins


def _quartiles(cuts: np.ndarray) -> list[float | None]:
    """The quartiles of nodes' cuts, each that of a node; None for one that predicts nothing."""
    if not cuts.size:
        return [None] * 3
    # Not interpolated: between a cut and an infinite one lies nothing.
    found = np.quantile(cuts, [0.25, 0.5, 0.75], method="inverted_cdf")
    return [number(float(value)) if np.isfinite(value) else None for value in found]


def _reliability(found: Reliability) -> dict[str, dict[str, Any]]:
    return {
        group: {
            "entries": found.count[i].tolist(),
            "mean_p": [number(v) for v in found.mean_p[i]],
            "observed": [number(v) for v in found.observed[i]],
            "error": number(found.error[i]),
        }
        for i, group in enumerate(found.groups)
    }


def _and_all(counts: np.ndarray, axis: int) -> np.ndarray:
    """The sum over the groups, and the groups."""
    return np.concatenate([counts.sum(axis=axis, keepdims=True), counts], axis=axis)


def _precision_recall(counts: Counts) -> dict[str, dict[str, Any]]:
    """The curve and the rules of each bin with a positive; a rule that predicts nothing is None.

    `decided` has of each rule how many entries it predicts, and how many of these are right.
    """
    counts = Counts(
        (_ALL, *counts.groups),
        _and_all(counts.positive, 0),
        _and_all(counts.predicted, 0),
        _and_all(counts.hit, 0),
        {rule: _and_all(part, 1) for rule, part in counts.rules.items()},
    )
    precision, recall = counts.precision(), counts.recall()
    found: dict[str, dict[str, Any]] = {}
    for i, group in enumerate(counts.groups):
        if not counts.positive[i]:
            continue
        # Thresholds between two scores are the same point.
        steps = np.flatnonzero(np.diff(counts.predicted[i], prepend=-1))
        steps = steps[counts.predicted[i][steps] > 0]
        found[group] = {
            "positives": int(counts.positive[i]),
            "recall": [number(v) for v in recall[i][steps]],
            "precision": [number(v) for v in precision[i][steps]],
            "rules": {
                rule: [number(hit[i] / counts.positive[i]), number(hit[i] / predicted[i])]
                if predicted[i]
                else None
                for rule, (predicted, hit) in counts.rules.items()
            },
            "decided": {
                rule: [int(predicted[i]), int(hit[i])]
                for rule, (predicted, hit) in counts.rules.items()
            },
        }
    return found
