"""Groups of nodes that figures are sliced by: rarity bins (support in the training data)."""

from typing import Any

import numpy as np

RARITY_BINS = ("0", "1-9", "10-29", "30-99", "100+")
_LOWER_BOUNDS = np.array([0, 1, 10, 30, 100])


def rarity_bins(support: Any) -> np.ndarray:
    """The bin of each node, as named in `RARITY_BINS`; support (node,) counts its positives.

    Examples:
        >>> from pipeline.hml.slices import rarity_bins
        >>> rarity_bins([0, 1, 9, 10, 100]).tolist()
        ['0', '1-9', '1-9', '10-29', '100+']
    """
    position = np.searchsorted(_LOWER_BOUNDS, np.asarray(support), side="right") - 1
    return np.array(RARITY_BINS, dtype=object)[position]
