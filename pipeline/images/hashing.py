"""The difference hash of an image: what it looks like in 256 bits."""

import numpy as np
from PIL import Image

SIDE = 16
BITS = SIDE * SIDE
# What counts as lighter: in standard deviations of the image, and at least in grey levels. Flat
# areas would get their bits from the noise of the encoder.
_SHARE = 0.2
_LEAST = 2.0


def difference_hash(pixels: np.ndarray) -> bytes:
    """Where the image gets clearly lighter from left to right, on a grid of 16 x 16.

    It survives another encoding, size and brightness, up to some bits.

    Args:
        pixels: (side, side, channel) uint8, one channel or three.

    Returns:
        32 bytes.
    """
    grey = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("L")
    small = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.BOX), dtype=np.int16)
    least = max(_LEAST, _SHARE * float(small.std()))
    return np.packbits(np.diff(small, axis=1) >= least).tobytes()


def hashes(pixels: np.ndarray) -> np.ndarray:
    """The hashes of images, (image, 32) uint8."""
    found = b"".join(difference_hash(image) for image in pixels)
    return np.frombuffer(found, np.uint8).reshape(len(pixels), BITS // 8)
