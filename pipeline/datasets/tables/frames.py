"""Tables of features as a stream of blocks: CSV, TSV, Parquet, NPZ and ARFF.

A block is an Arrow table. Columns of text files are text, since what stands in them is decided over
the whole file (`kinds`); columns of the others have the types that the file says.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.datasets.tables import files
from pipeline.datasets.tables.files import PARQUET, TEXT
from pipeline.datasets.tables.formats import arff, npz, parquet, text
from pipeline.datasets.tables.refusals import refuse
from pipeline.datasets.tables.values import compute

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "PARQUET",
    "SUFFIXES",
    "TEXT",
    "Block",
    "as_text",
    "blocks",
    "compute",
    "names",
    "refuse",
    "regular",
]

_FORMATS: dict[str, ModuleType] = {
    **dict.fromkeys(sorted(TEXT), text),
    **dict.fromkeys(sorted(PARQUET), parquet),
    ".npz": npz,
    ".arff": arff,
}
SUFFIXES = (*_FORMATS,)


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


def _reader(path: Path) -> Any:
    if (format_ := _FORMATS.get(regular(path).suffix.lower())) is not None:
        return format_
    refuse(path, f"a file that ends in one of {', '.join(SUFFIXES)}", files.ending(path))
