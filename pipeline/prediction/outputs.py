"""Predictions in long form, a row for each example and node: Parquet, CSV or JSON lines."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import files
from pipeline.datasets.tables.files import shown
from pipeline.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv", ".jsonl")
Write = Callable[["pa.Table"], None]


def schema() -> "pa.Schema":
    """The columns."""
    import pyarrow as pa

    return pa.schema(
        [
            ("example", pa.string()),
            ("node", pa.string()),
            ("name", pa.string()),
            ("depth", pa.int32()),
            ("probability", pa.float32()),
            ("decision", pa.bool_()),
            ("uncertainty", pa.float32()),
            ("lifted_by", pa.string()),
        ]
    )


def check(path: Path, table: Path) -> None:
    """Refuse a name that is none of these formats, a folder that is not there, or the input.

    Raises:
        DatasetError: says what was expected.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            f"expected an --output that ends in {', '.join(SUFFIXES)}, found {shown(str(path))}"
        )
    try:
        if not path.parent.is_dir():
            raise DatasetError(f"expected a folder {path.parent} for --output, found none")
        if path.is_dir():
            raise DatasetError(f"expected a file as --output, found the folder {path}")
        if path.exists() and path.samefile(table):
            raise DatasetError(f"expected another file as --output than --input, found {path}")
    except OSError as error:
        found = f"{shown(str(path))}: {error.strerror}"
        raise DatasetError(
            f"expected a file that can be written as --output, found {found}"
        ) from None


@contextmanager
def writer(path: Path) -> Iterator[Write]:
    """What tables of `schema` are written with; the file is there only if all goes well."""
    kinds = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    files.clear(path)
    with (
        files.whole_file(path) as temporary,
        kinds[path.suffix.lower()](temporary) as write,
    ):
        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    from pyarrow import parquet

    # Names repeat: a dictionary holds each once.
    with parquet.ParquetWriter(path, schema(), compression="zstd") as opened:
        yield opened.write_table


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    from pyarrow import csv

    options = csv.WriteOptions(quoting_style="needed")
    with csv.CSVWriter(str(path), schema(), write_options=options) as opened:
        yield opened.write_table


@contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as opened:

        def write(table: Any) -> None:
            import pyarrow as pa

            # 0.3 of float32 is 0.30000001192092896 of Python's; Arrow knows how to write it.
            plain = [
                column.cast(pa.string()).cast(pa.float64())
                if column.type == pa.float32()
                else column
                for column in table.columns
            ]
            rows = pa.table(plain, table.schema.names).to_pylist()
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            opened.writelines(f"{line}\n" for line in lines)

        yield write
