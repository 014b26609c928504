"""Tables of features as a stream of blocks: CSV, TSV, Parquet, NPZ and ARFF.

A block is an Arrow table. Columns of text files are text, since what stands in them is decided over
the whole file (`kinds`); columns of the others have the types that the file says.
"""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from pipeline.datasets import arff
from pipeline.datasets.tables import delimited, files, strings
from pipeline.datasets.tables.files import shown
from pipeline.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

TEXT = {".csv", ".tsv", ".tab", ".txt"}
PARQUET = {".parquet", ".pq"}
SUFFIXES = (*sorted(TEXT), *sorted(PARQUET), ".npz", ".arff")
_BYTES = 1 << 22  # of a text file that are read at a time
_ROWS = 1 << 14  # of a block that is cut from something in memory
_KEPT = 1 << 28  # bytes of a file's content that stay in memory for the next question
_SETTLED = 2_000_000_000  # nanoseconds: no file system's clock is coarser

_Content = TypeVar("_Content")


class Block(NamedTuple):
    """Some rows of a table; `first` is the number of the first one, from 1."""

    first: int
    table: "pa.Table"


def names(path: Path) -> tuple[str, ...]:
    """The columns' names.

    Raises:
        DatasetError: there is no such file, it is none of these formats or damaged, or columns have
            no name, or the same one.
    """
    found = _reader(path).names(path)
    if unnamed := [str(place) for place, name in enumerate(found, start=1) if not name.strip()]:
        refuse(path, "a name for each column", f"none for column {', '.join(unnamed[:5])}")
    if twice := [name for name, count in Counter(found).items() if count > 1]:
        refuse(path, "each column's name once", f"{files.several(twice)} again")
    return found


def blocks(path: Path, columns: Sequence[str] | None = None) -> Iterator[Block]:
    """All rows in their order.

    Args:
        path: the file.
        columns: the ones that are wanted; None is all.

    Raises:
        DatasetError: see `names`; a row has more or fewer cells than the header, text is not in
            UTF-8, or there is no row.
    """
    there = names(path)
    wanted = there if columns is None else tuple(columns)
    if missing := [name for name in wanted if name not in there]:
        refuse(path, f"columns {files.several(missing)}", files.several(list(there)))
    first = 1
    for table in _reader(path).tables(path, wanted):
        if table.num_rows:
            yield Block(first, table)
            first += table.num_rows
    if first == 1:
        refuse(path, "at least one row", "none")


def compute() -> Any:
    """Arrow's functions on columns, which are made at import: no type checker knows them."""
    import pyarrow.compute

    return pyarrow.compute


def as_text(values: Any, name: str, path: Path) -> Any:
    """A column as Arrow strings.

    Raises:
        DatasetError: its values are no single texts or numbers.
    """
    import pyarrow as pa

    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        refuse(path, f"text or numbers in column {files.shown(name)}", str(values.type)[:60])


def refuse(path: Path, expected: str, found: str, row: int | None = None) -> NoReturn:
    """Raise the DatasetError for something in a file, in a row (from 1) if one is to blame."""
    if row is None:
        raise DatasetError(f"{path}: expected {expected}, found {found}")
    place = f"row {row}"
    if path.suffix.lower() in TEXT:  # people look for lines, of which a row may have several
        line = delimited.line_of(path, row - 1)
        place = place if line is None else f"line {line}"
    files.refuse(path, place, expected, found)


def regular(path: Path) -> Path:
    """The path, if it is a file that can be read and no link that leads elsewhere.

    A link may lead to something in its own folder or in the workspace, as DVC's do: what another
    one brings would be known to nobody who looks at the folder.

    Raises:
        DatasetError: it is not.
    """
    try:
        target, linked = path.resolve(), path.is_symlink()
        allowed = (path.absolute().parent.resolve(), Path.cwd().resolve())
    except (OSError, RuntimeError) as error:  # a RuntimeError for links in a circle
        raise files.unreadable(path, error) from None
    if linked and not any(target.is_relative_to(folder) for folder in allowed):
        wanted = "a file, or a link into its own folder or the workspace"
        refuse(path, wanted, f"a link to {target}")
    files.check(path)
    return path


class _Text:
    """Text with a delimiter that the header tells; whitespace around cells is none of theirs.

    Arrow reads what can only be read in one way. It is quick, but takes quotes wherever they stand,
    and what it refuses it refuses in the middle: all else is read by Python's reader throughout.
    """

    @staticmethod
    def names(path: Path) -> tuple[str, ...]:
        return strings.header(path)

    @staticmethod
    def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        header = strings.header(path)
        plain = delimited.plain(path, _BYTES)
        trim = compute().utf8_trim_whitespace
        for table in (_Text._quick if plain else _Text._strict)(path, header, columns):
            trimmed = [trim(table.column(name)) for name in columns]
            yield pa.table(trimmed, names=list(columns))

    @staticmethod
    def _strict(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        for block in delimited.blocks(path, [header.index(name) for name in columns]):
            yield pa.table([pa.array(cells, pa.string()) for cells in block], names=list(columns))

    @staticmethod
    def _quick(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa
        from pyarrow import csv

        try:
            reader = csv.open_csv(
                path,
                csv.ReadOptions(block_size=_BYTES, column_names=header, skip_rows_after_names=1),
                csv.ParseOptions(delimiter=delimited.delimiter(path), quote_char=False),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    include_columns=columns,
                    strings_can_be_null=False,
                ),
            )
            for batch in reader:
                yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid as error:
            refuse(path, "text that stays as it is while it is read", _problem(error))


class _Parquet:
    """Parquet; its types count."""

    @staticmethod
    def names(path: Path) -> tuple[str, ...]:
        return tuple(_Parquet._file(path).schema_arrow.names)

    @staticmethod
    def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        file = _Parquet._file(path)
        try:
            for batch in file.iter_batches(_ROWS, columns=list(columns)):
                batch.validate(full=True)  # or text that is no UTF-8 would be found too late
                yield pa.Table.from_batches([batch]).select(list(columns))
        except (pa.ArrowException, OSError) as error:
            refuse(path, "a Parquet file", _problem(error))

    @staticmethod
    def _file(path: Path) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            refuse(path, "a Parquet file", _problem(error))


class _Last(Generic[_Content]):
    """Reads files as a whole, and keeps what the last one held as long as the file is the same.

    Many questions are asked of one file in a row. A file that was changed just now may change again
    within a tick of the clock, so that nobody could tell: it is not kept.
    """

    def __init__(self, read: Callable[[Path], _Content], size: Callable[[_Content], int]) -> None:
        """Of a reader, and of how many bytes its results have, more or less."""
        self._read = read
        self._size = size
        self._kept: tuple[tuple[object, ...], _Content] | None = None

    def __call__(self, path: Path) -> _Content:
        """What the file holds; nobody may change it."""
        stamp = self._stamp(path)
        if (kept := self._kept) is not None and kept[0] == stamp:
            return kept[1]
        self._kept = kept = None  # before there are two in memory
        content = self._read(path)
        if stamp is not None and stamp == self._stamp(path) and self._size(content) <= _KEPT:
            self._kept = stamp, content
        return content

    @staticmethod
    def _stamp(path: Path) -> tuple[object, ...] | None:
        """What changes with a file; None for one that was changed just now."""
        try:
            found = path.stat()
        except OSError:
            return None  # the reader says so
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED:
            return None
        times = found.st_mtime_ns, found.st_ctime_ns
        return path, found.st_dev, found.st_ino, found.st_size, *times


class _Npz:
    """Arrays of numpy: one (example, feature), perhaps the features' `names`, and further columns.

    What has one value for each example, such as ids or splits, is a column by its name.
    """

    NAMES = "names"

    @staticmethod
    def names(path: Path) -> tuple[str, ...]:
        return tuple(_npz(path))

    @staticmethod
    def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        found = _npz(path)
        rows = len(next(iter(found.values())))
        for start in range(0, rows, _ROWS):
            block = {name: found[name][start : start + _ROWS] for name in columns}
            yield pa.table(
                {
                    # Arrow does not know numpy's text.
                    name: pa.array(values.tolist(), pa.string())
                    if values.dtype.kind == "U"
                    else pa.array(values)
                    for name, values in block.items()
                }
            )

    @staticmethod
    def columns(path: Path) -> "dict[str, np.ndarray]":
        """All columns; features are views into their array."""
        arrays = _Npz._arrays(path)
        tables = [name for name, array in arrays.items() if array.ndim == 2]
        if len(tables) != 1 or not arrays[tables[0]].shape[1]:
            found = ", ".join(f"{shown(name)} {one.shape}" for name, one in arrays.items())
            refuse(path, "one array (example, feature)", found[:200] or "none")
        main = arrays.pop(tables[0])
        if main.dtype.kind not in "biuf":
            refuse(path, f"numbers in {shown(tables[0])}", str(main.dtype))
        rows, width = main.shape
        given = arrays.pop(_Npz.NAMES, None)
        if given is not None and (given.shape != (width,) or given.dtype.kind != "U"):
            found = f"{given.dtype} of shape {given.shape}"
            refuse(path, f"one name for each of {width} columns in {shown(_Npz.NAMES)}", found)
        columns: dict[str, Any] = {}
        for name, array in arrays.items():
            if array.shape != (rows,) or array.dtype.kind not in "Ubiuf":
                found = f"{array.dtype} of shape {array.shape}"
                refuse(path, f"one value for each of {rows} rows in {shown(name)}", found)
            columns[name] = array
        for place in range(width):
            name = f"{tables[0]}:{place}" if given is None else str(given[place])
            if name in columns:
                refuse(path, "each column's name once", f"{shown(name)} again")
            columns[name] = main[:, place]
        return columns

    @staticmethod
    def _arrays(path: Path) -> dict[str, Any]:
        import numpy as np
        from scipy import sparse

        try:
            # Without a file of our own numpy leaves a damaged archive open.
            with path.open("rb") as stream, warnings.catch_warnings():
                warnings.simplefilter("error")  # as for arrays of Python 2
                found: Any = np.load(stream, allow_pickle=False)
                if not hasattr(found, "files"):
                    raise ValueError("a single array, as np.save writes it")
                arrays = {name: _Npz._plain(found[name]) for name in found.files}
                if {"format", "shape", "data"} <= set(arrays):  # as scipy's save_npz writes it
                    stream.seek(0)
                    return {"features": sparse.load_npz(stream).toarray()}
        except Exception as error:  # zipfile, zlib, numpy and scipy raise all sorts
            what = _problem(error)
            if "pickle" in what:  # numpy goes on to say how they could be loaded
                what = "pickled objects, which are never loaded"
            refuse(path, "an .npz file of plain arrays", what)
        return arrays

    @staticmethod
    def _plain(array: "np.ndarray") -> "np.ndarray":
        """As Arrow takes it: in this machine's order of bytes, and no longer than 8 of them."""
        if array.dtype.kind == "U":
            "".join(array.ravel().tolist()).encode()  # raises for what is no text
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            return array.astype("f8")
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


class _Arff:
    """Attributes of an ARFF file, which is read as a whole."""

    @staticmethod
    def names(path: Path) -> tuple[str, ...]:
        return tuple(attribute.name for attribute in _arff(path).attributes)

    @staticmethod
    def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        file = _arff(path)
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


_npz = _Last(_Npz.columns, lambda columns: sum(values.nbytes for values in columns.values()))
_arff = _Last(
    lambda path: arff.read(path, classes=False),
    lambda file: 32 * len(file.attributes) * len(file.lines),  # a float of Python, and its place
)


def _problem(error: Exception) -> str:
    """The first line of what a library says."""
    return files.cut(str(error).partition("\n")[0] or type(error).__name__, 200)


def _reader(path: Path) -> Any:
    suffix = regular(path).suffix.lower()
    if suffix in TEXT:
        return _Text
    if suffix in PARQUET:
        return _Parquet
    if suffix == ".npz":
        return _Npz
    if suffix == ".arff":
        return _Arff
    refuse(
        path,
        f"a file that ends in one of {', '.join(SUFFIXES)}",
        repr(suffix) if suffix else "no ending",
    )
