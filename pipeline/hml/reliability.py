"""Reliability curves: are events that get a probability of 0.3 observed three times in ten?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml.predictions import Predictions
from pipeline.hml.unknown import dense

# Bins of equal width over [0, 1]. A probability on an edge is in the lower bin, as in scikit-learn.
BINS = 10
# Entries (example, node) that are sorted into bins at a time: 8 MB for each work array.
_TOGETHER = 1_000_000


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
    labels = predictions.labels
    nodes = labels.shape[1]
    for name, mask in groups.items():
        if mask.shape != (nodes,):
            raise ValueError(f"group {name!r} must have shape ({nodes},). Got {mask.shape}")
    count, total, positive = np.zeros((3, nodes, BINS))
    step = max(1, _TOGETHER // max(nodes, 1))
    for rows, p in predictions:
        judged = predictions.judged(p)
        if judged.size and not (judged.min() >= 0 and judged.max() <= 1):
            raise ValueError(
                f"probabilities must lie in [0, 1]. Got {judged.min()} to {judged.max()}"
            )
        for first in range(0, len(judged), step):
            part = judged[first : first + step]
            cell = _bin(part) + np.arange(nodes) * BINS
            start = rows.start + first
            unknown = dense(predictions.unknown, slice(start, start + len(part)))
            if unknown is not None:
                cell, part = cell[~unknown], part[~unknown]
            count += _summed(cell, None, count.shape)
            total += _summed(cell, part, count.shape)
        within, score = predictions.at_positives(rows, judged)
        cell = _bin(score) + labels.indices[within].astype(np.int64) * BINS
        positive += _summed(cell, None, count.shape)
    counts, totals, positives = (
        np.array([part[mask].sum(axis=0) for mask in groups.values()]).reshape(-1, BINS)
        for part in (count, total, positive)
    )
    mean_p, observed = _ratio(totals, counts), _ratio(positives, counts)
    gap = np.where(counts > 0, np.abs(observed - mean_p), 0)
    error = _ratio((counts * gap).sum(axis=1), counts.sum(axis=1))
    return Reliability((*groups,), counts.astype(np.int64), mean_p, observed, error)


def _bin(p: np.ndarray) -> np.ndarray:
    edges = np.linspace(0, 1, BINS + 1)
    return np.searchsorted(edges[1:-1], p.astype(np.float64))


def _summed(cell: np.ndarray, weight: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    weights = None if weight is None else weight.ravel()
    size = int(np.prod(shape))
    return np.bincount(cell.ravel(), weights, minlength=size).reshape(shape)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
