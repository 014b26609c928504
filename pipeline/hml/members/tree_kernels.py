"""Walks through decision trees, compiled."""

import numpy as np

from pipeline.hml.kernels import compiled


@compiled
def leaves(
    x: np.ndarray,
    root: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    leaf: np.ndarray,
) -> None:
    """The leaf that each example (example, feature) reaches in each tree, into (example, tree)."""
    # Tree by tree: one of them stays in the cache while the examples walk through it.
    for tree in range(len(root)):
        for example in range(len(x)):
            place = root[tree]
            while left[place] >= 0:
                inner = x[example, feature[place]] <= threshold[place]
                place = left[place] if inner else right[place]
            leaf[example, tree] = place
