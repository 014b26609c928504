"""Bayesian bootstrap: intervals without losing the nodes that have one positive.

Plain resampling leaves an example out with probability 1/e, and with it the only positive of a rare
node. Exponential weights (Rubin, "The Bayesian bootstrap", 1981) keep every example.
"""

from typing import Any

import numpy as np
from jaxtyping import Float


def group_weights(
    groups: Any, replicates: int, *, seed: int
) -> Float[np.ndarray, "replicate example"]:
    """Random example weights with mean 1 in each replicate; examples of a group share theirs.

    Args:
        groups: (example,) anything that can be compared; what belongs together is weighted
            together.
        replicates: how many.
        seed: the same seed gives the same weights, which is what pairs the differences of methods.
    """
    _, position = np.unique(np.asarray(groups), return_inverse=True)
    draws = np.random.default_rng(seed).standard_exponential((replicates, position.max() + 1))
    weights = draws[:, position]
    weights /= weights.mean(axis=1, keepdims=True)
    return weights


def interval(values: Any, level: float = 0.95) -> tuple[float, float]:
    """The central interval of replicates; (NaN, NaN) if one of them is NaN."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [tail, 1 - tail])
    return float(low), float(high)
