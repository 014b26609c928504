"""Attributes of an ARFF file, which is read as a whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets import arff
from pipeline.datasets.tables.remembered import Last

if TYPE_CHECKING:
    import pyarrow as pa

_read = Last(
    lambda path: arff.read(path, classes=False),
    lambda file: 32 * len(file.attributes) * len(file.lines),  # a float of Python, and its place
)


def names(path: Path) -> tuple[str, ...]:
    """See `formats`."""
    return tuple(attribute.name for attribute in _read(path).attributes)


def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
    """See `formats`; attributes with listed values are text."""
    import pyarrow as pa

    file = _read(path)
    place = {attribute.name: number for number, attribute in enumerate(file.attributes)}
    yield pa.table(
        {
            name: pa.array(
                file.columns[place[name]],
                pa.float64() if file.attributes[place[name]].values is None else pa.string(),
            )
            for name in columns
        }
    )
