import contextlib
import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.datasets import idx
from pipeline.errors import DatasetError
from tests.datasets import tiny_images

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
RAW = tiny_images.idx(IMAGES)
PACKED = gzip.compress(RAW, mtime=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "images.gz"


@given(
    array=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0)),
    level=st.integers(0, 9),
)
def test_what_was_written_is_read(array, level, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    path.write_bytes(gzip.compress(tiny_images.idx(array), level))
    found = idx.read(path, array.ndim)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def header(*shape: int, magic: bytes = b"\0\0\x08\x03") -> bytes:
    return magic + struct.pack(f">{len(shape)}I", *shape)


BROKEN = {
    "nothing": (b"", "begin with 00000803 in .*images.gz, found nothing"),
    "no gzip": (RAW, "a whole gzip file in .*images.gz, found Not a gzipped file"),
    "cut": (PACKED[:-12], "a whole gzip file in .*, found Compressed file ended"),
    "cut in the header": (PACKED[:5], "a whole gzip file in .*, found "),
    "another checksum": (PACKED[:-8] + b"0000" + PACKED[-4:], "a whole gzip .*CRC check failed"),
    "another length": (PACKED[:-4] + b"0000", "a whole gzip .*Incorrect length"),
    "damaged": (PACKED[:12] + b"\xff\xff" + PACKED[14:], "a whole gzip file in .*, found "),
    "more behind it": (PACKED + b"more", "a whole gzip .*Not a gzipped file"),
    "labels": (gzip.compress(tiny_images.idx(IMAGES[0, 0])), "with 00000803 .*found 00000801"),
    "floats": (gzip.compress(header(1, 1, 1, magic=b"\0\0\x0d\x03")), "found 00000d03"),
    "a header that ends": (gzip.compress(header(3, 4)), "3 dimensions of .*, found 8 bytes"),
    "too little": (gzip.compress(RAW[:-1]), "3 x 4 x 4 = 48 bytes after .*, found 47"),
    "too much": (gzip.compress(RAW + b"\0"), "3 x 4 x 4 = 48 bytes after .*, found more"),
    "a bomb": (
        gzip.compress(header(2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(10_000_000)),
        "at most 268,435,456 values in .*, found 4294967295 x ",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_refused_by_name(what: str, file: Path):
    content, message = BROKEN[what]
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        idx.read(file, 3)


@given(place=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_no_damage_raises_anything_else(place, bit, tmp_path_factory):
    damaged = bytearray(PACKED)
    damaged[place] ^= 1 << bit
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    path.write_bytes(damaged)
    with contextlib.suppress(DatasetError):  # else it is gzip's own header, such as the time
        np.testing.assert_array_equal(idx.read(path, 3), IMAGES)


def test_more_than_is_stated_is_never_inflated(file: Path, monkeypatch: pytest.MonkeyPatch):
    file.write_bytes(gzip.compress(header(1, 2, 2) + bytes(50_000_000)))
    asked: list[int] = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile, "read", lambda self, size=-1: (asked.append(size), read(self, size))[1]
    )
    with pytest.raises(DatasetError, match="found more"):
        idx.read(file, 3)
    assert asked == [4, 12, 5]


def test_what_is_no_file_is_refused(file: Path):
    with pytest.raises(DatasetError, match=r"raw file .*images.gz, found none\. Run the stage"):
        idx.read(file, 3)
    os.mkfifo(file)  # opening it would wait for a writer
    with pytest.raises(DatasetError, match=r"regular file .*images.gz, found something else"):
        idx.read(file, 3)
