"""Delimited text as RFC 4180 has it: quotes, and one delimiter that the header tells."""

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables import files
from pipeline.datasets.tables.problems import Problems
from pipeline.datasets.tables.remembered import Last
from pipeline.errors import DatasetError

_DELIMITERS = ",;\t|"
_LONGEST = 1 << 22  # characters of a cell
_BLOCK = 1 << 18  # characters of a block: its rows are Python lists, and those cost ten times that
SHARED = 1 << 20  # texts of a column that are kept once, in any stretch of the file


def names(path: Path) -> tuple[str, ...]:
    """The cells of the header, surrounding whitespace stripped.

    Raises:
        DatasetError: there is no header, or it is malformed.
    """
    return tuple(cell.strip() for cell in _header(path)[1])


def delimiter(path: Path) -> str:
    """What stands between cells.

    Raises:
        DatasetError: see `names`.
    """
    return _header(path)[0]


def read(path: Path, positions: Sequence[int]) -> tuple[list[list[str]], list[tuple[int, int]]]:
    """The columns at some positions, surrounding whitespace stripped; blank lines do not count.

    Returns:
        One list per position, and where rows are: (row, line - row) wherever the difference
        changes, both from 0 and from 1 as they come.

    Raises:
        DatasetError: names the line that is malformed.
    """
    with _long_cells():
        return _read(path, positions)


def _read(path: Path, positions: Sequence[int]) -> tuple[list[list[str]], list[tuple[int, int]]]:
    delimiter, header = _header(path)
    columns: list[list[str]] = [[] for _ in positions]
    skews: list[tuple[int, int]] = []
    # A long table has the same few texts millions of times.
    shared: list[dict[str, str]] = [{} for _ in positions]
    into = [
        (position, column.append, texts.setdefault)
        for position, column, texts in zip(positions, columns, shared, strict=True)
    ]
    row, skew = 0, 0
    for line, cells in _rows(path, delimiter, len(header)):
        if line - row != skew:
            skew = line - row
            skews.append((row, skew))
        for position, append, once in into:
            cell = cells[position].strip()
            append(once(cell, cell))
        row += 1
        if row % 65_536 == 0:
            for texts in shared:
                if len(texts) > SHARED:
                    texts.clear()
    return columns, skews


def blocks(path: Path, positions: Sequence[int]) -> Iterator[list[list[str]]]:
    """The columns at some positions, some rows at a time; cells may be long.

    Raises:
        DatasetError: see `read`.
    """
    delimiter, header = _header(path)
    rows = _rows(path, delimiter, len(header))
    while True:
        with _long_cells():  # not while others go on with a block
            block = _block(rows)
        if not block:
            return
        yield [[cells[position] for cells in block] for position in positions]


def look(problems: Problems, path: Path) -> bool:
    """Look for all rows that have other numbers of cells than the header; say if there is any.

    Raises:
        DatasetError: see `read`.
    """
    delimiter, header = _header(path)
    found: list[tuple[int, int]] = []
    try:
        with _long_cells():
            for line, cells in islice(_lines(path, delimiter), 1, None):
                if len(cells) != len(header) and not _blank(cells, delimiter):
                    found.append((line, len(cells)))
    finally:
        problems.each(path, "cells", found, lambda at: _refuse_cells(path, len(header), *at))
    return bool(found)


def line_of(path: Path, row: int) -> int | None:
    """The line (from 1) where a row (from 0) starts; None if no row that can be read is that one.

    Raises:
        DatasetError: see `names`.
    """
    rows, skews, number = _starts(path)
    return row + skews[bisect_right(rows, row) - 1] if row < number else None


def _find_starts(path: Path) -> tuple["array[int]", "array[int]", int]:
    """Rows from which on line - row is what, as in `read`, and how many rows can be read."""
    delimiter, header = _header(path)
    rows, skews, number = array("q"), array("q"), 0
    with _long_cells(), suppress(DatasetError):  # behind what is malformed there are no rows
        for line, _ in _rows(path, delimiter, len(header)):
            if not skews or line - number != skews[-1]:
                rows.append(number)
                skews.append(line - number)
            number += 1
    return rows, skews, number


# Many rows of one file are named.
_starts = Last(_find_starts, lambda found: 16 * len(found[0]))


def _block(rows: Iterator[tuple[int, list[str]]]) -> list[tuple[str, ...]]:
    """The next rows, none at the end."""
    block: list[tuple[str, ...]] = []
    size = 0
    for _, cells in rows:
        block.append(tuple(cells))  # unlike lists, the collector of garbage lets them be
        size += len(cells) + sum(map(len, cells))
        if size > _BLOCK:
            break
    return block


@contextmanager
def _long_cells() -> Iterator[None]:
    """Python has one limit for all readers, which other packages set, too."""
    most = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(most)


def _header(path: Path) -> tuple[str, list[str]]:
    """The delimiter that splits the header into most cells, and these."""
    tabs = path.suffix.lower() in (".tsv", ".tab")
    best: tuple[str, list[str]] | None = None
    problem: DatasetError | None = None
    for delimiter in "\t" if tabs else _DELIMITERS:
        try:
            with _long_cells():
                _, cells = next(_lines(path, delimiter), (1, []))
        except DatasetError as error:
            problem = problem or error
            continue
        if best is None or len(cells) > len(best[1]):
            best = delimiter, cells
    # Else one column: a quote that is not closed must not turn the header into that.
    if problem is not None and (best is None or len(best[1]) < 2):
        raise problem
    assert best is not None
    if not best[1]:
        files.refuse(path, "line 1", "a header", "nothing but blanks")
    return best


def _rows(path: Path, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Rows below the header with the lines that they start in."""
    for line, cells in islice(_lines(path, delimiter), 1, None):
        if len(cells) == width:
            yield line, cells
        elif not _blank(cells, delimiter):
            _refuse_cells(path, width, line, len(cells))


def _refuse_cells(path: Path, width: int, line: int, count: int) -> NoReturn:
    files.refuse(path, f"line {line}", f"{width} cells as in the header", str(count))


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Header and rows with the lines that they start in; blank lines before the header are none."""
    reader = csv.reader(files.lines(path), delimiter=delimiter, strict=True, skipinitialspace=True)
    line = 1
    begun = False
    try:
        for cells in reader:
            if cells and (begun or not _blank(cells, delimiter)):
                begun = True
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        del reader  # and with it the open file, which whoever keeps the error would keep
        files.refuse(path, f"line {line}", *_explain(str(error)))


def _blank(cells: list[str], delimiter: str) -> bool:
    """Whether the line has whitespace at most."""
    return (len(cells) == 1 or delimiter == "\t") and not any(cell.strip() for cell in cells)


def _explain(problem: str) -> tuple[str, str]:
    """Expected and found, for what Python's reader refuses."""
    if "unexpected end" in problem:
        return "a closing quote", "the end of the file"
    if "expected after" in problem:
        return "a delimiter behind a closing quote, and quotes in quotes doubled", "something else"
    if "field larger" in problem:
        most = f"cells of at most {csv.field_size_limit():,} characters"
        return most, "a longer one: perhaps a quote is not closed"
    return "delimited text", problem
