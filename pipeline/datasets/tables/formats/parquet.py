"""Parquet; its types count."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.tables.refusals import problem, refuse

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 14  # of a block


def names(path: Path) -> tuple[str, ...]:
    """See `formats`."""
    return tuple(_file(path).schema_arrow.names)


def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
    """See `formats`."""
    import pyarrow as pa

    file = _file(path)
    try:
        for batch in file.iter_batches(_ROWS, columns=list(columns)):
            batch.validate(full=True)  # or text that is no UTF-8 would be found too late
            yield pa.Table.from_batches([batch]).select(list(columns))
    except (pa.ArrowException, OSError) as error:
        refuse(path, "a Parquet file", problem(error))


def _file(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        refuse(path, "a Parquet file", problem(error))
