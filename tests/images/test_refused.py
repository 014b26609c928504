"""Images that are damaged or hostile: one DatasetError, which names the file, and no waiting."""

import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from pipeline.errors import DatasetError
from tests.images import made
from tests.images.made import encoded, photo, read

JPEG = encoded(photo(), "JPEG")
PNG = encoded(photo(), "PNG")
GIF = encoded(photo(), "GIF")
TIFF = encoded(photo(), "TIFF")
WEBP = encoded(photo(), "WEBP")
BMP = encoded(photo(), "BMP")
PPM = encoded(photo(), "PPM")

HUGE = made.png(30_000, 30_000)
DAMAGED = "a whole image, found a damaged one"
BOMB = made.chunk(b"zTXt", b"note\0\0" + zlib.compress(b"x" * 70_000_000))


def text(content):
    return content.encode() * 20


PARTS = (1, 5, 30, 60, 95)
REFUSED = {
    # What is cut off.
    **{
        f"JPEG of {share} %": (JPEG[: len(JPEG) * share // 100], "") for share in (1, 5, 30, 60, 95)
    },
    "JPEG without the end": (JPEG[:-30], DAMAGED),
    **{f"PNG of {share} %": (PNG[: len(PNG) * share // 100], "") for share in PARTS},
    "GIF of half": (GIF[: len(GIF) // 2], DAMAGED),
    "TIFF of half": (TIFF[: len(TIFF) // 2], "damaged"),
    "WEBP of half": (WEBP[: len(WEBP) // 2], "damaged"),
    "BMP of half": (BMP[: len(BMP) // 2], DAMAGED),
    "PPM of half": (PPM[: len(PPM) // 2], DAMAGED),
    "start of a JPEG": (b"\xff\xd8\xff\xe0", "found a damaged JPEG"),
    "start of a PNG": (b"\x89PNG\r\n\x1a\n", "found a damaged PNG"),
    # What is damaged.
    "PNG with a wrong sum": (PNG.replace(PNG[29:33], b"\0\0\0\0"), "damaged PNG"),
    "PNG without pixels": (made.png(8, 8), "damaged"),
    "PNG of no width": (made.png(0, 8, b"\0"), "damaged"),
    "PNG of an unknown depth": (made.png(8, 8, b"\0" * 72, depth=3), "damaged"),
    "PNG of zeros behind the start": (PNG[:40] + b"\0" * 400, "damaged"),
    "BMP of no height": (made.bmp(4, 0, b""), "damaged"),
    "BMP of the least height": (made.bmp(4, -(2**31), b"\0" * 12), "at most 10,000,000 pixels"),
    "TIFF without directory": (b"II*\0" + struct.pack("<I", 10**9), "damaged TIFF"),
    "TIFF of unknown compression": (made.tiff([(259, 2, 60_000)], 0), "damaged"),
    # What claims too much.
    "header of 30,000 x 30,000": (HUGE, "at most 10,000,000 pixels, found far more"),
    "header of 9,000 x 9,000": (made.png(9000, 9000), "pixels, found 9,000 x 9,000"),
    "GIF of a huge canvas": (made.gif(65_535, 65_535), "at most 10,000,000 pixels"),
    "GIF of a large canvas": (made.gif(5_000, 5_000), "found 5,000 x 5,000"),
    "TIFF of huge sides": (made.tiff([(256, 4, 60_000), (257, 4, 60_000)], 0), "pixels"),
    "BMP of huge sides": (made.bmp(2**30, 2**30, b"\0" * 12), "at most 10,000,000 pixels"),
    "PPM of huge sides": (b"P6 99999 99999 255\n", "at most 10,000,000 pixels"),
    "PPM of endless digits": (b"P6 " + b"9" * 5000, "damaged"),
    "WEBP of a large canvas": (
        b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x1f\0" + b"\0" * 34,
        "found 16,384 x 8,192",
    ),
    "PNG of much text": (made.png(8, 8, b"\0" * 72, extra=BOMB), DAMAGED),
    "slow PPM of digits": (b"P3 2500 2000 255\n" + b"1 " * 15_000_000, "at most 4,000,000 pixels"),
    # What has no range.
    "TIFF of floats": (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "the mode F"),
    "TIFF of 32 bits": (encoded(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"), "the mode I"),
    "TIFF of another space": (encoded(Image.new("LAB", (4, 4)), "TIFF"), "the mode LAB"),
    # What is no image.
    "nothing": (b"", "found an empty file"),
    "zeros": (bytes(5000), "found zero bytes only"),
    "text": (text("What a nice picture. "), "found text"),
    "text with umlauts": (text("Schönes Bäumchen "), "found text"),
    "web page": (b"\n<!DOCTYPE html><html><body>404", "found a web page"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "found SVG"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "found PostScript"),
    "EPS of DOS": (b"\xc5\xd0\xd3\xc6" + bytes(28), "found PostScript"),
    "PDF": (b"%PDF-1.7\n", "found a PDF"),
    "ZIP": (b"PK\x03\x04" + bytes(40), "found a ZIP archive"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "found heic (HEIC, AVIF or a video)"),
    "icon": (encoded(photo(), "ICO"), "found an icon"),
    "pickle": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x08builtins", "found something else"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "noise": (np.random.default_rng(0).bytes(5000), "found something else"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_name_and_at_once(tmp_path, what, capfd):
    content, expected = REFUSED[what]
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(DatasetError) as refused:
        read(path)
    assert time.monotonic() - start < 5
    message = str(refused.value)
    assert message.startswith("holiday.jpg: expected ")
    assert expected in message
    assert ", found" in message
    assert "\n" not in message
    assert "0x" not in message  # no addresses of objects
    assert refused.value.__cause__ is None
    assert capfd.readouterr() == ("", "")


def test_large_files_are_not_read(tmp_path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(201_000_000)  # takes no room
    with pytest.raises(DatasetError, match=r"^a\.png: expected at most 200,000,000 bytes, found"):
        read(path)


def test_limit_of_pixels_is_the_callers(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    read(path, max_pixels=64 * 64)
    with pytest.raises(DatasetError, match="expected at most 4,095 pixels, found 64 x 64"):
        read(path, max_pixels=64 * 64 - 1)


def test_what_is_cut_off_stays_refused():
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_full_memory_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    monkeypatch.setattr("pipeline.images.scaling.eight_bits", full)
    with pytest.raises(DatasetError, match=r"^a\.png: expected an image that fits into memory"):
        read(path)
