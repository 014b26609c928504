"""From what Pillow decoded to a square of 8 bits a channel."""

import numpy as np
from PIL import Image

_RANGE_16 = ("I;16", "I;16B", "I;16L", "I;16N")
_PLAIN = ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr")
_BECOME = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
_ROWS = 256  # at a time: indices take eight times the memory of 8-bit pixels


def eight_bits(image: Image.Image) -> Image.Image | None:
    """The image in a mode that can be scaled, None for one without a range (`F`, `LAB`).

    16 bits are scaled by their whole range, not by what the image uses of it: each value means the
    same in all images.
    """
    if image.mode in _RANGE_16 or (image.mode == "I" and image.format == "PPM"):
        return _scaled_down(image)
    if image.has_transparency_data:
        return image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
    if image.mode in _BECOME:
        return image.convert(_BECOME[image.mode])
    return image if image.mode in _PLAIN else None


def fitting(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height with the longer side `size`."""
    longer = max(width, height)
    return max(1, round(width * size / longer)), max(1, round(height * size / longer))


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The whole image in a square, its sides in their proportion.

    What is left is filled with the mean colour of the edges beside it: a white or black frame
    would be an edge that the encoder sees. Transparent pixels are white.

    Returns:
        (size, size, channel) uint8.
    """
    if image.mode in ("RGBA", "LA"):
        image = _on_white(image.convert("RGBA"))
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], channels)
    high, wide = pixels.shape[:2]
    if high == wide:
        return pixels
    edges = pixels[:, [0, -1]] if wide < high else pixels[[0, -1]]
    filled = np.empty((size, size, channels), np.uint8)
    filled[:] = np.rint(edges.mean((0, 1), dtype=np.float64)).astype(np.uint8)
    top, left = (size - high) // 2, (size - wide) // 2
    filled[top : top + high, left : left + wide] = pixels
    return filled


def _scaled_down(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})
    most = 4095 if tags.get(258) == (12,) else 65535
    levels = np.rint(np.arange(65536) * 255 / most).clip(0, 255).astype(np.uint8)
    values = np.asarray(image)
    pixels = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):
        rows = values[start : start + _ROWS]
        pixels[start : start + _ROWS] = levels[np.clip(rows, 0, 65535)]
    return Image.fromarray(pixels)


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image)
