"""Nodes of similar support pool what each of them alone has too few positives to tell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml.example_weights import Weight, support
from pipeline.hml.unknown import Unknown, dense

# Lowest supports of the pools.
_LOWEST = np.array([0, 10, 30, 100, 300, 1000, 10_000])
# Entries (example, node) that a pool is fitted on; beyond, negatives are sampled.
_ENTRIES = 1_000_000
_TINY = 1e-7  # probabilities nearer to 0 or 1 than float32 tells apart


@dataclass(frozen=True)
class Sample:
    """Entries (example, node) of a pool.

    Attributes:
        values: (variable, entry) float64.
        y: (entry,) bool.
        weight: (entry,) how many entries each stands for.
    """

    values: Float[np.ndarray, "variable entry"]
    y: Bool[np.ndarray, " entry"]
    weight: Float[np.ndarray, " entry"]


def pools_of(labels: sparse.csr_array, weight: Weight | None = None) -> Int[np.ndarray, " node"]:
    """The pool of each node, by its positives among labels (example, node), or their weight."""
    return np.searchsorted(_LOWEST, support(labels, weight), side="right") - 1


def sampled(
    blocks: Iterable[tuple[slice, Sequence[np.ndarray]]],
    labels: sparse.csr_array,
    pool: Int[np.ndarray, " node"],
    *,
    scored: Bool[np.ndarray, " node"],
    weight: Weight | None = None,
    unknown: Unknown | None = None,
    seed: int,
) -> dict[int, Sample]:
    """All positives of each pool and, where there are many entries, a sample of its negatives.

    Args:
        blocks: ranges of examples and their variables, each (example, node).
        labels: (example, node) boolean CSR of all examples, closed upward.
        pool: of each node.
        scored: the nodes whose entries count, if they have a positive.
        weight: (example,) what an example's entries count; None is 1.
        unknown: (example, node) entries that are left out; None: everything is known.
        seed: of the sample.

    Returns:
        Pool -> its entries; pools without any are left out.
    """
    counted = scored & (np.asarray(labels.sum(axis=0)) > 0)
    columns = {int(number): np.flatnonzero(counted & (pool == number)) for number in set(pool)}
    columns = {number: nodes for number, nodes in sorted(columns.items()) if len(nodes)}
    entries = np.full(len(pool), labels.shape[0])
    if unknown is not None:
        entries -= np.asarray(unknown.sum(axis=0))
    # A pool has a positive, and with it an entry.
    chance = {k: min(1.0, _ENTRIES / int(entries[n].sum())) for k, n in columns.items()}
    rng = np.random.default_rng([seed, 5])
    parts: dict[int, list[Sample]] = {number: [] for number in columns}
    for rows, variables in blocks:
        block: Any = labels[rows]
        positive, hidden = block.toarray(), dense(unknown, rows)
        for number, nodes in columns.items():
            y = positive[:, nodes]
            kept = y | (rng.random(y.shape) < chance[number])
            if hidden is not None:
                kept &= ~hidden[:, nodes]
            values = np.stack([part[:, nodes][kept] for part in variables]).astype(np.float64)
            stands = np.where(y[kept], 1.0, 1 / chance[number])
            if weight is not None:
                stands *= np.broadcast_to(weight[rows, None], y.shape)[kept]
            parts[number].append(Sample(values, y[kept], stands))
    return {number: _joined(samples) for number, samples in parts.items()}


def fit_logistic(
    sample: Sample,
    start: Float[np.ndarray, " variable"],
    prior: Callable[[np.ndarray], tuple[float, np.ndarray]],
) -> tuple[Float[np.ndarray, " variable"], float]:
    """Logistic regression with weights that are not negative.

    Args:
        sample: what is fitted.
        start: weights to begin with.
        prior: from the weights to what is added to the logarithmic loss, and its gradient.

    Returns:
        Weights and bias.
    """
    from scipy.optimize import minimize  # it takes a while to import

    def loss(solution: np.ndarray) -> tuple[float, np.ndarray]:
        score = solution[:-1] @ sample.values + solution[-1]
        miss = (sigmoid(score) - sample.y) * sample.weight
        entries = np.logaddexp(0, score) - np.where(sample.y, score, 0)
        penalty, slope = prior(solution[:-1])
        gradient = np.append(sample.values @ miss + slope, miss.sum())
        return float(sample.weight @ entries) + penalty, gradient

    bounds = [(0.0, None)] * len(start) + [(None, None)]
    found: Any = minimize(loss, np.append(start, 0.0), jac=True, bounds=bounds, method="L-BFGS-B")
    return found.x[:-1], float(found.x[-1])


def logit(p: np.ndarray) -> np.ndarray:
    """Of probabilities, finite at 0 and 1."""
    inside = np.clip(p, _TINY, 1 - _TINY)
    return np.log(inside / (1 - inside))


def sigmoid(score: np.ndarray) -> np.ndarray:
    """Without overflow at any score, and as exact near 0, where rare nodes live, as elsewhere."""
    return 1 / (1 + np.exp(np.minimum(-score, 80)))


def _joined(parts: Sequence[Sample]) -> Sample:
    return Sample(
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )
