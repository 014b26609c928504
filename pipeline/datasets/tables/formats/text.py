"""Text with a delimiter that the header tells; whitespace around cells is none of theirs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.tables import delimited, plain, strings
from pipeline.datasets.tables.values import compute

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 1 << 22  # that are read at a time


def names(path: Path) -> tuple[str, ...]:
    """See `formats`."""
    return strings.header(path)


def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
    """See `formats`; all columns are text."""
    import pyarrow as pa

    header = strings.header(path)
    found = plain.plain(path)
    quick = found is not None and found.longest <= _BYTES
    trim = compute().utf8_trim_whitespace
    read = plain.batches(path, header, columns, _BYTES) if quick else _strict(path, header, columns)
    for table in read:
        trimmed = [trim(table.column(name)) for name in columns]
        yield pa.table(trimmed, names=list(columns))


def _strict(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator["pa.Table"]:
    import pyarrow as pa

    for block in delimited.blocks(path, [header.index(name) for name in columns]):
        yield pa.table([pa.array(cells, pa.string()) for cells in block], names=list(columns))
