"""Tables of text, read strictly: what stands in a cell is what is read, and nothing is guessed.

For edge lists and labels, whose ids such as NA, null, 007 and 1e5 must stay what they are.
"""

import difflib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables import delimited, files, parquet, plain

_LARGE = 1 << 20  # bytes of text: Arrow reads it before Python has, though it has to be imported
SUFFIXES = (*files.TEXT, *files.PARQUET)


@dataclass(frozen=True)
class Strings:
    """What a table holds.

    Attributes:
        path: where it was read from.
        columns: one text per row, surrounding whitespace stripped; "" where there is none.
        rows: how many there are, at least one.
        skews: for text, (row, line - row) wherever the difference changes; None for Parquet.
    """

    path: Path
    columns: dict[str, list[str]]
    rows: int
    skews: tuple[tuple[int, int], ...] | None = None

    def place(self, row: int) -> str:
        """Where a row, counted from 0, is for people: "line 17" of a text, "row 17" of Parquet."""
        if self.skews is None:
            return f"row {row + 1}"
        last = bisect_right(self.skews, row, key=lambda skew: skew[0]) - 1
        return f"line {row + self.skews[last][1]}"

    def refuse(self, row: int, expected: str, found: str) -> NoReturn:
        """Raise the DatasetError for something in a row; what was found is cut if it is long."""
        files.refuse(self.path, self.place(row), expected, files.cut(found))


def header(path: Path) -> tuple[str, ...]:
    """The names of the columns of a .csv, .tsv, .tab, .txt, .parquet or .pq file.

    Raises:
        DatasetError: there is no such file or header, or a name is empty or twice there.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        files.check(path)
        wanted = f"a table that ends with {', '.join(SUFFIXES)}"
        files.refuse(path, "name", wanted, files.ending(path))
    names = parquet.names(path) if suffix in files.PARQUET else delimited.names(path)
    if not names:
        files.refuse(path, "header", "columns", "none")
    if "" in names:
        found = f"none for column {names.index('') + 1} of {len(names)}"
        files.refuse(path, "header", "a name for each column", found)
    if (again := files.twice(names)) is not None:
        files.refuse(path, "header", "a name for each column", f"{files.shown(again)} twice")
    return names


def read(path: Path, columns: Sequence[str] | None = None) -> Strings:
    """Read a table, or some of its columns.

    Args:
        path: text in UTF-8 with one of , ; tab | between cells, as the header tells (.tsv and .tab
            have tabs), or Parquet.
        columns: which ones, at least one; all if None.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
    """
    names = header(path)
    wanted = names if columns is None else tuple(dict.fromkeys(columns))
    if missing := [name for name in wanted if name not in names]:
        _refuse_missing(path, missing, names)
    skews: tuple[tuple[int, int], ...] | None = None
    if path.suffix.lower() in files.PARQUET:
        values = parquet.read(path, wanted)
    elif path.stat().st_size > _LARGE and (found := plain.plain(path)) and found.level:
        values, skews = plain.read(path, names, wanted), ((0, 2),)
    else:
        values, places = delimited.read(path, [names.index(name) for name in wanted])
        skews = tuple(places)
    if not values[0]:
        files.refuse(path, "content", "rows below the header", "none")
    return Strings(path, dict(zip(wanted, values, strict=True)), len(values[0]), skews)


def did_you_mean(missing: Sequence[str], names: Iterable[str]) -> str:
    """What columns that are not there may be; people most often differ in case or in a letter."""
    folded = {name.casefold(): name for name in names if len(name) <= 100}
    close = [
        folded[match]
        for name in missing[:3]
        for match in difflib.get_close_matches(name[:100].casefold(), folded, n=1)
    ]
    return f"; did you mean {files.several(list(dict.fromkeys(close)))}?" if close else ""


def _refuse_missing(path: Path, missing: list[str], names: tuple[str, ...]) -> NoReturn:
    expected = f"the column{'s' if missing[1:] else ''} {files.several(missing, 3)}"
    files.refuse(path, "header", expected, files.several(names) + did_you_mean(missing, names))
