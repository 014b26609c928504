"""Delimited text that can be read in one way only, as most can: Arrow reads it, and is quick.

Arrow takes quotes wherever they stand, and what it refuses it refuses in the middle. So all of the
text is looked at first, which takes a few seconds for each gigabyte.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.datasets.tables import delimited, files
from pipeline.datasets.tables.refusals import problem, refuse
from pipeline.datasets.tables.remembered import Last

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 1 << 18  # bytes that are looked at: more would not stay in the processor's cache
_LONGEST = 1 << 22  # bytes of a row
_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some programs put first
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


class Plain(NamedTuple):
    """What is known of a text in which nothing is in doubt.

    Attributes:
        longest: bytes of the longest row, header and line ends included.
        level: whether each row is a line of its own: none is blank, and no cell goes on in another.
    """

    longest: int
    level: bool


class _Rows(NamedTuple):
    """Whole rows at the beginning of some bytes: where they end, how many they are, see `Plain`."""

    end: int
    number: int
    longest: int
    level: bool


def _look(path: Path) -> Plain | None:
    """What text is, None where in doubt.

    There is no doubt where there are rows below the header, each with as many cells, where quotes
    stand around whole cells without a carriage return, and where lines end with or without one and
    are blank only if they are empty.
    """
    mark, marks = ord(delimited.delimiter(path)), len(delimited.names(path)) - 1
    number, longest, level = 0, 0, True
    with path.open("rb") as stream:
        rest = stream.read(len(_MARK)).removeprefix(_MARK)
        while read := stream.read(_AT_ONCE) or (rest and b"\n"):
            data = rest + read
            found = _rows(data, mark, marks)
            if found is None or len(data) - found.end > _LONGEST:
                return None
            rows, rest = data[: found.end], data[found.end :]
            if b"\0" in rows or not _is_utf8(rows):
                deque(files.lines(path), maxlen=0)  # says where
                return None
            first = rows.partition(b"\n")[0].replace(b'"', b"")
            if not number and rows and not first.decode().strip():  # is this the header?
                return None
            number += found.number
            longest, level = max(longest, found.longest), level and found.level
            if rest and read == b"\n":  # the file ends within quotes
                return None
    return Plain(longest + len(_MARK), level) if number > 1 else None


def _rows(data: bytes, mark: int, marks: int) -> _Rows | None:
    """Whole rows at the beginning of some bytes, None where they are in doubt."""
    import numpy as np

    codes = np.frombuffer(data, np.uint8)
    signs = np.flatnonzero((codes == mark) | (codes == _NEWLINE) | (codes == _QUOTE))
    kinds = codes[signs]
    quoted = kinds == _QUOTE
    quotes = signs[quoted]
    if len(quotes):
        outside = ~quoted & (np.cumsum(quoted) % 2 == 0)
        signs, kinds = signs[outside], kinds[outside]
    last = np.flatnonzero(kinds == _NEWLINE)
    ends = signs[last]
    if not len(ends):
        return _Rows(0, 0, 0, True)
    end = int(ends[-1]) + 1
    if b"\r" in data:
        # Of those within quotes Arrow loses the newline where one of its blocks ends between them.
        behind_rows = int((codes[ends[ends > 0] - 1] == _RETURN).sum())
        if not data.count(b"\r", 0, end) == data.count(b"\r\n", 0, end) == behind_rows:
            return None
    quotes = quotes[quotes < end]
    before, behind = quotes[::2] - 1, codes[quotes[1::2] + 1]
    # What is a quote itself there is the other one of two that stand for one.
    opened = np.isin(codes[before[before >= 0]], (mark, _NEWLINE, _QUOTE))
    if not (opened.all() and np.isin(behind, (mark, _NEWLINE, _RETURN, _QUOTE)).all()):
        return None
    lengths = np.diff(ends, prepend=-1)
    blank = (lengths == 1) | ((lengths == 2) & (codes[ends - 1] == _RETURN))
    if not ((np.diff(last, prepend=-1) - 1 == marks) | blank).all():
        return None
    level = not blank.any() and data.count(b"\n", 0, end) == len(ends)
    return _Rows(end, len(ends) - int(blank.sum()), int(lengths.max()), level)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


plain = Last(_look, lambda _: 0, most=8)


def batches(
    path: Path, header: Sequence[str], columns: Sequence[str], size: int
) -> Iterator["pa.RecordBatch"]:
    """Some columns of text that is `plain`, as it stands in the cells.

    Args:
        path: the text.
        header: all columns.
        columns: the ones that are wanted.
        size: bytes that are read at a time, no less than the longest row has.

    Raises:
        DatasetError: the text has changed.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        yield from csv.open_csv(
            path,
            csv.ReadOptions(block_size=size, column_names=header, skip_rows_after_names=1),
            csv.ParseOptions(delimiter=delimited.delimiter(path), newlines_in_values=True),
            csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        refuse(path, "text that stays as it is while it is read", problem(error))


def read(path: Path, header: Sequence[str], columns: Sequence[str]) -> list[list[str]]:
    """Some columns of text that is `plain`, surrounding whitespace stripped; see `batches`."""
    import numpy as np

    result: list[list[str]] = [[] for _ in columns]
    # A long table has the same few texts millions of times.
    shared: list[dict[str, str]] = [{} for _ in columns]
    for batch in batches(path, header, columns, _LONGEST):
        for place, (column, once) in enumerate(zip(result, shared, strict=True)):
            values: Any = batch.column(place).dictionary_encode()
            texts = [cell.strip() for cell in values.dictionary.to_pylist()]
            cells = np.array([once.setdefault(text, text) for text in texts], dtype=object)
            column += cells[values.indices.to_numpy()].tolist()
            if len(once) > delimited.SHARED:
                once.clear()
    return result
