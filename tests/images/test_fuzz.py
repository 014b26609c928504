"""Any damage to an image file: it is read or refused, soon, and nothing else happens."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import DatasetError
from tests.images.made import SIZE, bmp, encoded, photo, read

_SMALL = photo(24)
_EXIF = Image.Exif()
_EXIF[0x0112] = 6
VALID = {
    "JPEG": encoded(_SMALL, "JPEG", exif=_EXIF),
    "progressive JPEG": encoded(_SMALL, "JPEG", progressive=True),
    "CMYK JPEG": encoded(_SMALL.convert("CMYK"), "JPEG"),
    "PNG": encoded(_SMALL.convert("RGBA"), "PNG", exif=_EXIF),
    "APNG": encoded(_SMALL, "PNG", save_all=True, append_images=[photo(24, seed=1)]),
    "GIF": encoded(_SMALL, "GIF", save_all=True, append_images=[photo(24, seed=1)]),
    "BMP": encoded(_SMALL, "BMP"),
    "small BMP": bmp(4, -2, bytes(range(24))),
    "TIFF": encoded(_SMALL, "TIFF", save_all=True, append_images=[photo(24, seed=1)]),
    "LZW TIFF": encoded(_SMALL, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": encoded(_SMALL, "TIFF", compression="jpeg"),
    "WEBP": encoded(_SMALL, "WEBP"),
    "lossless WEBP": encoded(_SMALL.convert("RGBA"), "WEBP", lossless=True),
    "PPM": encoded(_SMALL, "PPM"),
    "PGM": encoded(Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24)), "PPM"),
}
NUMBERS = st.sampled_from(
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\0\0\xff\x7f",
        b"\x80",
        b"\xff",
        b"\0",
    ]
)
# Headers are where damage does most.
PLACES = st.integers(0, 120) | st.integers(0, 10**6)
DAMAGE = st.lists(st.tuples(PLACES, NUMBERS | st.binary(min_size=1, max_size=4)), max_size=6)


def damaged(content, damage, kept):
    found = bytearray(content)
    for place, put in damage:
        place %= len(found)
        found[place : place + len(put)] = put
    return bytes(found[: max(1, round(len(found) * kept))])


def tried(path):
    """The pixels, or why there are none."""
    try:
        return read(path, max_pixels=10**6).pixels
    except DatasetError as error:
        return str(error)


@pytest.mark.parametrize("kind", VALID)
@given(damage=DAMAGE, kept=st.just(1.0) | st.floats(0, 1))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_or_refused(tmp_path, kind, damage, kept):
    path = tmp_path / "x.img"
    path.write_bytes(damaged(VALID[kind], damage, kept))
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = tried(path)
    if isinstance(outcome, str):
        assert outcome.startswith("x.img: expected ")
    else:
        assert outcome.shape == (SIZE, SIZE, 3)
    assert time.monotonic() - start < 5


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything(tmp_path, content):
    path = tmp_path / "x.img"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"^x\.img: expected "):
        read(path)
