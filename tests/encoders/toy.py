"""Small images: each has a bright bar somewhere, and its nodes are where and how it lies."""

import numpy as np
from scipy import sparse

from pipeline.config.images import Encoder
from pipeline.encoders.build import build
from pipeline.encoders.encoder import ImageEncoder
from pipeline.hml.hierarchy import Hierarchy

SIZE = 16
HIERARCHY = Hierarchy.from_edges([("left", "upright"), ("right", "upright"), ("top", "lying")])


def encoder(
    *, channels: int = 1, features: int = 32, size: int = SIZE, seed: int = 0
) -> ImageEncoder:
    return build(Encoder(features=features), size=size, channels=channels, seed=seed)


def images(count: int, seed: int = 0, channels: int = 1) -> tuple[np.ndarray, sparse.csr_array]:
    """Pixels, and closed labels (image, node)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (count, SIZE, SIZE, channels)).astype(np.uint8)
    labels = np.zeros((count, len(HIERARCHY)), np.bool_)
    for image in range(count):
        kind = rng.choice(["left", "right", "top", "lying"])
        place = int(rng.integers(2, 6))
        if kind in ("left", "right"):
            column = place if kind == "left" else SIZE - 1 - place
            pixels[image, 2:-2, column] = 220
        else:
            line = place if kind == "top" else SIZE - 1 - place
            pixels[image, line, 2:-2] = 220
        labels[image, HIERARCHY.index[kind]] = True
    return pixels, HIERARCHY.close(sparse.csr_array(labels))
