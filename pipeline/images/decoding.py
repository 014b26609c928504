"""One image file, which may be damaged or hostile, as pixels of one size."""

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from pipeline.datasets.tables.refusals import problem
from pipeline.errors import DatasetError
from pipeline.images import kinds, places, scaling
from pipeline.images.hashing import difference_hash

_GAP = 2  # times the wanted size that a JPEG is decoded at, or a large image reduced to, at least
# Decoders in Python: an image that takes C a second takes them minutes.
_SLOW = ("ppm", "ppm_plain", "bmp_rle")
_SLOW_PIXELS = 4_000_000
_SLOW_BYTES = 16_000_000
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Facts:
    """What is known of an image file.

    Attributes:
        sha256: of its bytes, in hex.
        format: one of `kinds.FORMATS`, or MPO, a JPEG of several images.
        mode: Pillow's name for how pixels are kept, such as RGB or I;16.
        width: in pixels, as one looks at it: EXIF may turn it.
        height: likewise.
        frames: at most `kinds.MOST_FRAMES`; the first one is taken.
        hash: `difference_hash` of the pixels, in hex.
    """

    sha256: str
    format: str
    mode: str
    width: int
    height: int
    frames: int
    hash: str


@dataclass(frozen=True)
class Decoded:
    """An image.

    Attributes:
        pixels: (size, size, channel) uint8.
        facts: of the file.
    """

    pixels: np.ndarray
    facts: Facts


def decode(
    path: Path, *, root: Path | None, size: int, channels: int, max_pixels: int, name: str
) -> Decoded:
    """Read an image file.

    The format is told by the content, not by the ending. The longer side is scaled to `size` and
    the rest filled (`scaling.square`); EXIF's orientation is applied. Colour profiles are ignored:
    numbers are taken for sRGB, CMYK is converted without its inks. Pillow's own limit of
    178,956,970 pixels stands beside `max_pixels`. A file that is cut off is refused; rows that a
    well-formed one lacks are what the decoder fills them with. Safe to call in several threads.

    Args:
        path: the file.
        root: the folder that it must lie in, links followed, and `name` be relative to; None for
            any place.
        size: pixels a side.
        channels: 1, grey, or 3, red, green and blue.
        max_pixels: a header that claims more is refused before anything is decoded.
        name: what the file is called in messages.

    Raises:
        DatasetError: it lies outside the root, is no regular file, or no whole image of
            `kinds.FORMATS` with 8 or 16 bits a channel.
    """
    content = places.contents(path, root=root, name=name)
    try:
        with _quiet():
            return _decoded(content, size, channels, max_pixels, name)
    except DatasetError:
        raise
    except Image.UnidentifiedImageError:
        places.refuse(name, f"an image ({', '.join(kinds.FORMATS)})", kinds.seems(content))
    except Image.DecompressionBombError:
        places.refuse(name, f"at most {max_pixels:,} pixels", "far more")
    except MemoryError:
        places.refuse(name, "an image that fits into memory", "a larger one")
    except Exception as error:  # decoders raise whatever comes: SyntaxError, struct.error, …
        places.refuse(name, "a whole image", f"a damaged one ({problem(error)})")


def _decoded(content: bytes, size: int, channels: int, max_pixels: int, name: str) -> Decoded:
    _limit(kinds.webp_size(content) if content[8:12] == b"WEBP" else (0, 0), max_pixels, name)
    with Image.open(io.BytesIO(content), formats=kinds.FORMATS) as image:
        mode, (width, height) = image.mode, image.size
        kind = image.format or ""
        _limit((width, height), max_pixels, name)
        if any(tile[0] in _SLOW for tile in image.tile) and (
            width * height > _SLOW_PIXELS or len(content) > _SLOW_BYTES
        ):
            wanted = f"at most {_SLOW_PIXELS:,} pixels in this variant of {kind}"
            places.refuse(name, wanted, f"{width * height:,} in {len(content):,} bytes")
        wide, high = scaling.fitting(width, height, size)
        image.draft(None, (_GAP * wide, _GAP * high))  # of a JPEG: fewer coefficients
        image.load()
        turn = _orientation(image)
        said = 1 if kind in ("GIF", "TIFF") else getattr(image, "n_frames", 1)  # those two count
        frames = kinds.frames(content, kind, said)
        plain = scaling.eight_bits(image)
    if plain is None:
        places.refuse(name, "8 or 16 bits a channel, grey, RGB or CMYK", f"the mode {mode}")
    if plain.size != (wide, high):
        bicubic = Image.Resampling.BICUBIC
        plain = plain.resize((wide, high), bicubic, reducing_gap=float(_GAP))
    if turn in _TURNS:
        plain = plain.transpose(_TURNS[turn])
    pixels = np.ascontiguousarray(scaling.square(plain, size, channels))
    if turn >= 5:
        width, height = height, width
    facts = Facts(
        sha256=hashlib.sha256(content).hexdigest(),
        format=kind,
        mode=mode,
        width=width,
        height=height,
        frames=frames,
        hash=difference_hash(pixels).hex(),
    )
    return Decoded(pixels, facts)


def _limit(claimed: tuple[int, int], max_pixels: int, name: str) -> None:
    if claimed[0] * claimed[1] > max_pixels:
        found = f"{claimed[0]:,} x {claimed[1]:,}"
        places.refuse(name, f"at most {max_pixels:,} pixels", found)


def _orientation(image: Image.Image) -> int:
    """1 for upright, up to 8."""
    try:
        found: Any = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF leaves the pixels as they are, as in every viewer
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


_lock = threading.Lock()
_silent: list[Any] = []
_threads = 0


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings while any thread is in the block: filters belong to the process.

    A `catch_warnings` in each thread would restore what another one had set.
    """
    global _threads
    with _lock:
        if _threads == 0:
            _silent.append(warnings.catch_warnings())
            _silent[0].__enter__()
            warnings.simplefilter("ignore")
        _threads += 1
    try:
        yield
    finally:
        with _lock:
            _threads -= 1
            if _threads == 0:
                _silent.pop().__exit__(None, None, None)
