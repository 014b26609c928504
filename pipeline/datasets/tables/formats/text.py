"""Text with a delimiter that the header tells; whitespace around cells is none of theirs.

Arrow reads what can only be read in one way. It is quick, but takes quotes wherever they stand, and
what it refuses it refuses in the middle: all else is read by Python's reader throughout.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.tables import arrow, delimited, plain, strings
from pipeline.datasets.tables.refusals import problem, refuse

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
    trim = arrow.compute().utf8_trim_whitespace
    for table in (_quick if quick else _strict)(path, header, columns):
        trimmed = [trim(table.column(name)) for name in columns]
        yield pa.table(trimmed, names=list(columns))


def _strict(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator["pa.Table"]:
    import pyarrow as pa

    for block in delimited.blocks(path, [header.index(name) for name in columns]):
        yield pa.table([pa.array(cells, pa.string()) for cells in block], names=list(columns))


def _quick(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator["pa.Table"]:
    import pyarrow as pa
    from pyarrow import csv

    try:
        reader = csv.open_csv(
            path,
            csv.ReadOptions(block_size=_BYTES, column_names=header, skip_rows_after_names=1),
            csv.ParseOptions(delimiter=delimited.delimiter(path), newlines_in_values=True),
            csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        refuse(path, "text that stays as it is while it is read", problem(error))
