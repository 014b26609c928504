"""Which rows are looked at where looking at all of them would take too long."""

import numpy as np

CELLS = 40_000_000  # values of features: some seconds of sorting, 160 MB of float32


def rows(candidates: np.ndarray, features: int) -> np.ndarray:
    """All of `candidates`, or as many evenly spaced ones as have `CELLS` values, at least one.

    Evenly spaced rather than drawn: the same data give the same rows, and their order stays.
    """
    most = max(1, CELLS // max(features, 1))
    if len(candidates) <= most:
        return candidates
    return candidates[np.linspace(0, len(candidates) - 1, most).astype(np.int64)]
