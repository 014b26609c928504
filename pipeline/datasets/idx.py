"""Gzip'd IDX files: arrays of bytes, in the format of MNIST.

Two zero bytes, a type (8: unsigned bytes), the number of dimensions, each dimension as a big-endian
32-bit integer, then the values, the last dimension fastest.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import NoReturn

import numpy as np

from pipeline.errors import DatasetError

MOST_BYTES = 1 << 28  # of values in a file, 256 MiB: Fashion-MNIST's largest has 47,040,000
_UNSIGNED_BYTES = 8


def read(path: Path, dimensions: int) -> np.ndarray:
    """Read a file.

    What the file inflates to is never read beyond what its dimensions say, nor beyond `MOST_BYTES`.

    Args:
        path: the file.
        dimensions: how many it has to have.

    Returns:
        uint8, of the shape that the file states; it cannot be written.

    Raises:
        DatasetError: names the file, what was expected and what was found.
    """
    if not path.exists():
        raise DatasetError(f"expected the raw file {path}, found none. Run the stage `fetch`.")
    if not path.is_file():  # a pipe need not end
        raise DatasetError(f"expected a regular file {path}, found something else")
    try:
        with gzip.GzipFile(path) as stream:
            return _values(path, stream, dimensions)
    except (EOFError, zlib.error) as error:
        _refuse(path, "a whole gzip file", str(error).strip())
    except OSError as error:  # gzip.BadGzipFile is one, without `strerror`
        _refuse(path, "a whole gzip file", error.strerror or str(error))


def _values(path: Path, stream: gzip.GzipFile, dimensions: int) -> np.ndarray:
    wanted = bytes((0, 0, _UNSIGNED_BYTES, dimensions))
    magic = stream.read(len(wanted))
    if magic != wanted:
        _refuse(path, f"IDX data that begin with {wanted.hex()}", magic.hex() or "nothing")
    header = stream.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        _refuse(path, f"{dimensions} dimensions of 4 bytes each", f"{len(header)} bytes")
    shape = struct.unpack(f">{dimensions}I", header)
    stated, count = " x ".join(map(str, shape)), math.prod(shape)
    if count > MOST_BYTES:
        _refuse(path, f"at most {MOST_BYTES:,} values", f"{stated} = {count:,}")
    content = stream.read(count + 1)  # one more: only at its end does gzip compare its checksum
    if len(content) != count:
        found = "more" if len(content) > count else f"{len(content):,}"
        _refuse(path, f"{stated} = {count:,} bytes after the header", found)
    return np.frombuffer(content, np.uint8).reshape(shape)


def _refuse(path: Path, expected: str, found: str) -> NoReturn:
    raise DatasetError(f"expected {expected} in {path}, found {found}")
