"""Figures with intervals: over seeds, and over test examples."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t


@dataclass(frozen=True)
class Estimate:
    """A figure, or a difference or ratio of two: over seeds, and over test examples.

    Attributes:
        mean: over seeds.
        half: half of the 95 % interval; None where one seed and no replicates leave nothing.
    """

    mean: float
    half: float | None

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - (self.half or 0)

    def __str__(self) -> str:
        return f"{self.mean:.4f}" + ("" if self.half is None else f" ± {self.half:.4f}")


def number(values: Iterable[float | None], digits: int) -> str:
    """Mean and half the width of the 95 % t interval over seeds; one value stands alone."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    half = _of_seeds(known)
    text = f"{statistics.fmean(known):.{digits}f}"
    return text if half is None else f"{text} ± {half:.{digits}f}"


def estimate(values: list[float], replicates: np.ndarray | None) -> Estimate:
    """The mean of a figure, or of a difference, with its interval.

    The intervals over seeds and over test examples are independent: their halves add up so.

    Args:
        values: of each seed.
        replicates: (replicate,) the mean over seeds under other weights of the test examples; None
            where there are none.
    """
    if not values:
        return Estimate(math.nan, None)
    halves = [_of_seeds(values)]
    if replicates is not None and np.isfinite(replicates).all():
        halves.append(1.96 * float(replicates.std(ddof=1)))
    known = [half for half in halves if half is not None]
    return Estimate(statistics.fmean(values), math.hypot(*known) if known else None)


def _of_seeds(values: list[float]) -> float | None:
    """Half of the 95 % t interval of the mean."""
    if len(values) < 2:
        return None
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return float(t.ppf(0.975, len(values) - 1)) * spread
