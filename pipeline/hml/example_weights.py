"""What training examples count: one of weight w counts as w copies of it, which belong together.

So weights are numbers of examples, and not only their proportions matter: what draws towards the
prior (kernel regressions, calibration, mixing) draws less where there are more. Weights that sum to
1 say that there is one example.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

Weight = Float[np.ndarray, " example"]


def checked(weight: Any, examples: int) -> Weight:
    """Weights as float64 (example,).

    Raises:
        ValueError: another shape, one that is negative, not finite or no number, or nothing but
            zeros.
    """
    values = np.asarray(weight, dtype=np.float64)
    if values.shape != (examples,):
        raise ValueError(
            f"sample_weight must have shape ({examples},), one per example. Got {values.shape}"
        )
    wrong = values[~((values >= 0) & np.isfinite(values))]
    if len(wrong):
        raise ValueError(f"sample_weight must be finite and not negative. Got {wrong[0]}")
    if not values.any():
        raise ValueError("sample_weight must not be zero for every example")
    return values


def support(closed: sparse.csr_array, weight: Weight | None) -> Float[np.ndarray, " node"]:
    """Weight of each node's positives (node,), at most that of all examples.

    Args:
        closed: (example, node) boolean CSR, closed upward.
        weight: (example,); None is 1.
    """
    counts = np.asarray(closed.astype(np.int64).sum(axis=0), dtype=np.float64)
    if weight is None:
        return counts
    total = float(weight.sum())
    found: Any = closed.astype(np.float64).T @ weight
    # Sums in another order differ in their last bits: all is all, and nothing is more.
    return np.where(counts == closed.shape[0], total, np.minimum(found, total))


def total(weight: Weight | None, examples: int) -> int | float:
    """The weight of all examples."""
    return examples if weight is None else float(weight.sum())


def per_member(
    weight: Weight, learns: Bool[np.ndarray, "member example"], *, relative: bool
) -> Float[np.ndarray, "member example"]:
    """What each example counts in each member's loss; 0 where the member does not learn from it.

    Args:
        weight: (example,), above 0.
        learns: (member, example) bool.
        relative: to the mean over the examples that the member learns from, for the mean of a
            batch: in expectation over batches its gradient is then that of the weighted mean.

    Returns:
        (member, example) float32.
    """
    counts = np.where(learns, weight, 0.0)
    if relative:
        counts *= learns.sum(1, keepdims=True) / counts.sum(1, keepdims=True)
    return counts.astype(np.float32)
