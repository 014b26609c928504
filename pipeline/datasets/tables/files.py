"""What every reader of one's own files needs: a file that is there, its lines, and messages."""

import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables.problems import Problems
from pipeline.errors import DatasetError, RarenodeError

TEXT = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
_SHOWN = 60  # characters of a value in a message: names can be 100,000 characters long
# What people take for text, by its first bytes.
_UTF_16 = "UTF-16 (`iconv -f utf-16 -t utf-8 FILE > NEW` converts it)"
_SAVED = "save it as CSV in UTF-8, or as Parquet"
_KINDS = {
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    b"\0\0\xfe\xff": _UTF_16.replace("16", "32"),
    b"PK\x03\x04": f"a ZIP archive, such as an Excel workbook ({_SAVED})",
    b"\xd0\xcf\x11\xe0": f"an old Excel workbook ({_SAVED})",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "Parquet",
}
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, as Python escapes them
_NOT_CP1252 = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]")


def check(path: Path) -> None:
    """Refuse what is no file, or an empty one.

    Raises:
        DatasetError: says what is there instead.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DatasetError(f"expected the file {path}, found none") from None
    except (OSError, ValueError) as error:  # a ValueError for names that no file can have
        raise unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        raise DatasetError(f"expected a file {path}, found a folder")
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device, which need not end
        raise DatasetError(f"expected a regular file {path}, found something else")
    if status.st_size == 0:
        refuse(path, "line 1", "content", "an empty file")


def lines(path: Path) -> Iterator[str]:
    r"""The lines of a text, each with its end: \n, \r\n or \r.

    Raises:
        DatasetError: names the line that is not UTF-8 text.
    """
    check(path)
    try:
        if (kind := _kind(path)) is not None:
            refuse(path, "line 1", "text in UTF-8", kind)
        # Not `splitlines`, which breaks lines at characters that names may hold.
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    refuse(path, f"line {number}", "text in UTF-8", "a NUL byte")
                yield line
    except UnicodeDecodeError:
        _refuse_encoding(path)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> DatasetError:
    """The error for a file that cannot be opened; its name may be the reason."""
    cause = (isinstance(error, OSError) and error.strerror) or str(error)
    return DatasetError(f"expected a readable file {cut(str(path), 600)}, found: {cut(cause, 300)}")


def ending(path: Path) -> str:
    """How a file's name ends, for a message on one that is not read."""
    suffix = path.suffix.lower()
    if suffix in _SHEETS:
        return f"{suffix!r}, a spreadsheet: {_SAVED}"
    return repr(suffix) if suffix else "no ending"


def refuse(
    path: Path,
    place: str,
    expected: str,
    found: str,
    error: type[RarenodeError] = DatasetError,
) -> NoReturn:
    """Raise the error for something in a file."""
    raise error(f"{path}, {place}: expected {expected}, found {found}")


def shown(value: str) -> str:
    """A value for a message: in quotes, without control characters, and cut if it is long."""
    return cut(repr(value[: 2 * _SHOWN]))


def cut(text: str, most: int = _SHOWN) -> str:
    """The text or its beginning, on one line and without control characters."""
    plain = "".join(char if char.isprintable() else "\ufffd" for char in text[:most])
    return plain if len(text) <= most else f"{plain}…"


def several(values: Sequence[str], most: int = 5) -> str:
    """The first values for a message, and how many more there are."""
    names = ", ".join(shown(value) for value in values[:most])
    return f"{names} and {len(values) - most} more" if values[most:] else names


def twice(values: Iterable[str]) -> str | None:
    """The first value that is there again, if any is."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def look(problems: Problems, path: Path) -> bool:
    """Look through a text for all lines that are not UTF-8; say whether there is any.

    They are one problem, since one command converts them all.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        lines = _undecodable(path) if _kind(path) is None else iter(())
        first = [*islice(lines, 1)]
        rest = sum(1 for _ in lines)
    except OSError as error:
        raise unreadable(path, error) from None
    more = f" (and {rest:,} more line{'s' if rest > 1 else ''})" if rest else ""
    problems.each(path, "text in UTF-8", first, lambda at: _refuse_byte(path, *at, more))
    return bool(first)


def _kind(path: Path) -> str | None:
    """What a file is that is no text, as far as its first bytes tell."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), None)


def _undecodable(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not UTF-8, and what is there; with the first one, what may help."""
    said = False  # or there is nothing to say: other lines are UTF-8
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for number, line in enumerate(file, start=1):
            if match := _ESCAPED.search(line):
                found = f"the byte 0x{ord(match[0]) - 0xDC00:02X}"
                if not (said or _NOT_CP1252.search(line)):
                    found += " (if the file is in cp1252, as Windows and Excel write text, "
                    found += "`iconv -f cp1252 -t utf-8 FILE > NEW` converts it)"
                yield number, found
            said = said or not line.isascii()


def _refuse_byte(path: Path, line: int, found: str, more: str = "") -> NoReturn:
    refuse(path, f"line {line}{more}", "text in UTF-8", found)


def _refuse_encoding(path: Path) -> NoReturn:
    """The decoder reads ahead and cannot tell the line: look for it."""
    for line, found in _undecodable(path):
        _refuse_byte(path, line, found)
    raise DatasetError(f"expected text in UTF-8 in {path}, found a file that changes")
