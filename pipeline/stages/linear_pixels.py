"""A baseline of data sets with images: linear models of the pixels, without any encoder."""

from dataclasses import replace

import numpy as np

from pipeline.artifacts.prepared import Prepared
from pipeline.hml import Settings
from pipeline.stages.learning import Problem

METHOD = "linear_pixels"
_MOST = 32  # pixels a side: a linear model makes no more of more
_BLOCK = 4096  # images that are read at a time


def problem(given: Problem) -> Problem:
    """The same problem with pixels for features, (example, side x side x channel) in [0, 1]."""
    data = given.data
    features = _pixels(data)
    names = tuple(f"pixel:{number}" for number in range(features.shape[1]))
    # No encoder has learnt anything: all examples may be judged.
    info = data.info | {"images": data.info.get("images", {}) | {"learnt_from": None}}
    pixels = replace(data, features=features, feature_names=names, encoder={}, info=info)
    return replace(given, data=pixels)


def settings(bce: Settings) -> Settings:
    """Logistic regressions of each node, as many as there are networks of `bce`; not tuned."""
    return replace(bce, layers=1, dropout=0.0, learning_rate=min(bce.learning_rate, 1e-3))


def _pixels(data: Prepared) -> np.ndarray:
    """Means over squares of pixels where there are more than `_MOST` a side."""
    assert data.images is not None
    pixels = data.images.pixels
    count, size, _, channels = pixels.shape
    step = -(-size // _MOST)
    side = size // step
    found = np.empty((count, side * side * channels), np.float32)
    for start in range(0, count, _BLOCK):
        block = np.asarray(pixels[start : start + _BLOCK, : side * step, : side * step], np.float32)
        squares = block.reshape(len(block), side, step, side, step, channels).mean((2, 4))
        found[start : start + _BLOCK] = squares.reshape(len(block), -1) / 255
    return found
