"""Parquet tables as text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.tables import files

if TYPE_CHECKING:  # half a second that only those who have Parquet files wait for
    import pyarrow as pa

_ROWS = 65_536  # at a time


def names(path: Path) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DatasetError: the file is missing, or no Parquet file.
    """
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def read(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Columns as text, surrounding whitespace stripped; null and NaN are "".

    Integers are their digits, as are whole floats (pandas makes floats of integers where some are
    missing); booleans are "true" and "false".

    Raises:
        DatasetError: the file is damaged, or a column is nested or no text.
    """
    result: list[list[str]] = [[] for _ in columns]
    with _opened(path) as file:
        for name in columns:
            _check_flat(path, name, file.schema_arrow.field(name).type)
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            for name, values in zip(columns, result, strict=True):
                values.extend(_texts(batch.column(name)))
    return result


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; whatever pyarrow finds wrong with it becomes a DatasetError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files.check(path)
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = files.cut(str(error).partition("\n")[0] or type(error).__name__, 200)
        files.refuse(path, "content", "a sound Parquet file", f"a damaged one: {problem}")


def _check_flat(path: Path, name: str, kind: "pa.DataType") -> None:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind):
        where = f"column {files.shown(name)}"
        files.refuse(path, where, "a text or a number in each row", f"the nested type {kind}")


def _texts(values: "pa.Array") -> list[str]:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    missing = values.is_null(nan_is_null=True).to_pylist()
    texts = values.cast(pa.large_string()).to_pylist()
    shared: dict[str, str] = {"": ""}
    return [
        "" if none else shared.setdefault(text, text.strip())
        for none, text in zip(missing, texts, strict=True)
    ]
