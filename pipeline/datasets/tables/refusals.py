"""Messages about what stands in a table of features."""

from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables import delimited, files
from pipeline.errors import DatasetError


def refuse(path: Path, expected: str, found: str, row: int | None = None) -> NoReturn:
    """Raise the DatasetError for something in a file, in a row (from 1) if one is to blame."""
    if row is None:
        raise DatasetError(f"{path}: expected {expected}, found {found}")
    place = f"row {row}"
    if path.suffix.lower() in files.TEXT:  # people look for lines, of which a row may have several
        line = delimited.line_of(path, row - 1)
        place = place if line is None else f"line {line}"
    files.refuse(path, place, expected, found)


def problem(error: Exception) -> str:
    """The first line of what a library says."""
    return files.cut(str(error).partition("\n")[0] or type(error).__name__, 200)
