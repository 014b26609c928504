"""Features as networks like them: no missing values, mean 0, standard deviation 1."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_BLOCK = 4096  # examples that are looked at at a time


@dataclass(frozen=True)
class Standardizer:
    """What was fitted on training data: a missing value takes the feature's mean.

    Attributes:
        mean: (feature,) float32.
        scale: (feature,) float32, the standard deviation; 1 where a feature is constant.
    """

    mean: Float[np.ndarray, " feature"]
    scale: Float[np.ndarray, " feature"]

    @classmethod
    def identity(cls, features: int) -> "Standardizer":
        """One that changes nothing but missing values, which become 0."""
        return cls(np.zeros(features, np.float32), np.ones(features, np.float32))

    @classmethod
    def fit(
        cls,
        features: Float[np.ndarray, "example feature"],
        rows: Int[np.ndarray, " row"] | None = None,
        *,
        weight: Float[np.ndarray, " row"] | None = None,
    ) -> "Standardizer":
        """Mean and standard deviation of the known values, in float64, streamed over examples.

        Args:
            features: memory-mapped or not.
            rows: the examples that count; None is all.
            weight: what each of them counts; None is 1.

        Raises:
            ValueError: there is no example, or a value is infinite.
        """
        if features.ndim != 2 or not len(features):
            raise ValueError(
                f"features must have shape (example, feature) with an example. Got {features.shape}"
            )
        rows = np.arange(len(features)) if rows is None else rows
        known = np.zeros(features.shape[1])
        total, squares = np.zeros_like(known), np.zeros_like(known)
        # Shifted by the first rows' mean: a large offset would cancel the squares away.
        shift = np.nan_to_num(np.asarray(features[rows[0]], dtype=np.float64))
        for start in range(0, len(rows), _BLOCK):
            block = np.asarray(features[rows[start : start + _BLOCK]], dtype=np.float64) - shift
            if np.isinf(block).any():
                raise ValueError("features must be finite or NaN (missing). Got an infinite value")
            if weight is None:
                known += (~np.isnan(block)).sum(0)
                total += np.nansum(block, 0)
                squares += np.nansum(block**2, 0)
            else:
                counts = weight[start : start + _BLOCK]
                known += counts @ ~np.isnan(block)
                block = np.nan_to_num(block, copy=False, nan=0.0)
                total += counts @ block
                squares += counts @ block**2
        count = np.where(known > 0, known, 1)
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0)
        # Rounding leaves a constant feature with a variance of about 1e-17 of its square.
        constant = variance <= 1e-12 * (squares / count)
        scale = np.where(constant, 1.0, np.sqrt(variance))
        return cls((mean + shift).astype(np.float32), scale.astype(np.float32))

    def transform(
        self, features: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example feature"]:
        """Standardised float32 features, a new array.

        Raises:
            ValueError: another number of features than was fitted, or a value is infinite.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(
                f"features must have shape (example, {len(self.mean)}). Got {features.shape}"
            )
        result = (np.asarray(features, dtype=np.float32) - self.mean) / self.scale
        if np.isinf(result).any():
            raise ValueError("features must be finite or NaN (missing). Got an infinite value")
        return np.nan_to_num(result, copy=False, nan=0.0)
