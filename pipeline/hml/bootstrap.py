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

    Examples:
        Resampling would leave each example out of more than a third of the replicates. Here none is
        left out, and what is of one group has one weight:

        >>> from pipeline.hml.bootstrap import group_weights
        >>> weights = group_weights(["Ann", "Ann", "Bob", "Eve"], 1000, seed=0)
        >>> weights.shape, bool((weights > 0).all())
        ((1000, 4), True)
        >>> bool((weights[:, 0] == weights[:, 1]).all())
        True
    """
    _, position = np.unique(np.asarray(groups), return_inverse=True)
    draws = np.random.default_rng(seed).standard_exponential((replicates, position.max() + 1))
    weights = draws[:, position]
    weights /= weights.mean(axis=1, keepdims=True)
    return weights


def interval(values: Any, level: float = 0.95) -> tuple[float, float]:
    """The central interval of replicates; (NaN, NaN) if one of them is NaN.

    Args:
        values: (replicate,) of a figure.
        level: the share of replicates that lies within.

    Returns:
        Its lower and its upper end.

    Examples:
        What 40 examples, 4 of them positive, say of an average precision:

        >>> from pipeline.hml.bootstrap import group_weights, interval
        >>> from pipeline.hml.metrics import average_precision, average_precision_replicates
        >>> y, score = [i in (0, 2, 5, 9) for i in range(40)], [-i for i in range(40)]
        >>> weights = group_weights(range(40), 1000, seed=0)
        >>> replicates = average_precision_replicates(y, score, weights)
        >>> low, high = interval(replicates)
        >>> round(average_precision(y, score), 1), round(low, 1), round(high, 1)
        (0.6, 0.3, 0.9)
    """
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [tail, 1 - tail])
    return float(low), float(high)
