"""How far two images show the same: what a hash only suggests is looked up in the pixels."""

import math

import numpy as np

_SIDE = 32  # pixels a side, at most, of what is compared
_FLAT = 1.0  # grey levels of detail, root mean square: with less there is nothing to compare
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # what encoders take for grey
_THUMB = 16  # pixels a side, about, of what pairs are looked at first


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The lower of two correlations, of the coarse picture and of its details.

    The details are what a blur takes away of the grey image, without the finest, which encoders
    change. Images of
    one kind (trousers) agree in the coarse picture, copies in the details, too. Neither depends on
    brightness or contrast.

    Args:
        first: (pair, side, side, channel) uint8.
        second: likewise.

    Returns:
        (pair,) float32, at most 1; 0 where an image has hardly any detail.
    """
    coarse_1, coarse_2 = _blurred(_reduced(first, _SIDE)), _blurred(_reduced(second, _SIDE))
    fine = _correlation(_details(coarse_1), _details(coarse_2), _FLAT)
    return np.minimum(fine, _correlation(_blurred(coarse_1), _blurred(coarse_2), _FLAT))


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """Images as small as they are compared, (image, side, side, channel) uint8."""
    if pixels.shape[1] < 2 * _SIDE:
        return pixels
    side = pixels.shape[1] // -(-pixels.shape[1] // _SIDE)
    made = np.empty((len(pixels), side, side, pixels.shape[3]), np.uint8)
    for row in range(len(pixels)):
        made[row] = np.rint(_reduced(pixels[row : row + 1], _SIDE)[0])
    return made


def thumbs(pixels: np.ndarray) -> np.ndarray:
    """Images small and grey, without brightness and contrast: (image, value) int8."""
    flat = _centred(_grey(_reduced(pixels, _THUMB)))
    return np.rint(flat * (127 / np.maximum(np.abs(flat).max(1, keepdims=True), 1e-6))).astype(
        np.int8
    )


def resemblance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The correlation of thumbs, (pair,) float32: a tenth of the time of `agreement`, or less."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    norms = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
    return np.einsum("ij,ij->i", a, b) / np.sqrt(np.maximum(norms, 1e-12))


def _reduced(pixels: np.ndarray, most: int) -> np.ndarray:
    factor = max(1, -(-pixels.shape[1] // most))
    side = pixels.shape[1] // factor
    whole = pixels[:, : side * factor, : side * factor].astype(np.float32)
    if factor == 1:
        return whole
    parts = whole.reshape(len(pixels), side, factor, side, factor, pixels.shape[-1])
    return parts.mean((2, 4))


def _blurred(images: np.ndarray) -> np.ndarray:
    """With 1 2 1 along both sides, edges repeated."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (padded[:, :-2] + padded[:, 2:] + 2 * padded[:, 1:-1]) / 4
    return (rows[:, :, :-2] + rows[:, :, 2:] + 2 * rows[:, :, 1:-1]) / 4


def _grey(images: np.ndarray) -> np.ndarray:
    return images @ _LUMA if images.shape[3] == 3 else images[..., 0]


def _details(blurred: np.ndarray) -> np.ndarray:
    grey = _grey(blurred)[..., None]  # encoders halve the resolution of colour
    return grey - _blurred(_blurred(grey))


def _correlation(first: np.ndarray, second: np.ndarray, least: float) -> np.ndarray:
    """Of each pair; 0 where the deviation of one is less than `least`."""
    first, second = _centred(first), _centred(second)
    norms = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    products = (first * second).sum(1)
    shown = np.minimum((first**2).mean(1), (second**2).mean(1)) >= least**2
    return np.where(shown, products / np.maximum(norms, 1e-12), 0).astype(np.float32)


def _centred(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    return flat - flat.mean(1, keepdims=True)
