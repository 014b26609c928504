"""All that is not as it should be in a file: some of it named, the rest counted."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.datasets.tables import delimited, files, frames
from pipeline.datasets.tables.commas import numbers_of_commas
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.problems import Problems
from pipeline.datasets.tables.values import DATE, compute, is_text, numbers_of, text_of
from pipeline.errors import DatasetError

# Of some values, an Arrow mask of those that are wrong, and what to show at a place.
Wrong = Callable[[Any], tuple[Any, Callable[[int], str]]]


@contextmanager
def reading(problems: Problems, path: Path) -> Iterator[None]:
    """Keep what is wrong with a file that is read in the block.

    A reader stops at the first line that is malformed: here the others are looked for.
    """
    with problems.collecting(path):
        try:
            yield
        except DatasetError:
            frames.regular(path)  # else there is nothing to look through
            if path.suffix.lower() not in frames.TEXT:
                raise
            with problems.part() as mine:
                found = files.look(mine, path) or delimited.look(mine, path)
            if not found:
                raise


def look(problems: Problems, path: Path, columns: Mapping[str, tuple[Wrong, str]]) -> set[str]:
    """Look through some columns once more for all that is wrong in them.

    Args:
        problems: take it.
        path: the file.
        columns: by name, what is wrong, and what was expected.

    Returns:
        The columns in which something is.
    """
    found: set[str] = set()
    if not columns:
        return found
    for block in frames.blocks(path, list(columns)):
        for name, (wrong, wanted) in columns.items():
            mask, shows = wrong(block.table.column(name))
            if take(problems, path, wanted, mask, shows, block.first):
                found.add(name)
    return found


def take(
    problems: Problems, path: Path, wanted: str, mask: Any, found: Callable[[int], str], start: int
) -> bool:
    """Take in the values of some rows that a mask marks, and say whether there is any.

    Args:
        problems: take them.
        path: the file.
        wanted: what was expected, with the name of the column.
        mask: Arrow's or numpy's, true where a value is wrong; null counts as false.
        found: what to show at a place of the mask.
        start: the number of the first row, from 1.
    """
    import numpy as np

    if not isinstance(mask, np.ndarray):
        mask = mask.fill_null(False).to_numpy(zero_copy_only=False)
    places: list[int] = np.flatnonzero(mask).tolist()
    problems.each(
        path,
        wanted,
        places,
        lambda place: frames.refuse(path, wanted, found(place), start + place),
    )
    return bool(places)


def value(values: Any) -> Callable[[int], str]:
    """What to show of Arrow's values."""
    return lambda place: shown(str(values[place].as_py()))


def infinite(values: Any) -> tuple[Any, Callable[[int], str]]:
    """Numbers, as text or typed, that are not finite."""
    import pyarrow as pa

    pc = compute()
    if is_text(values.type):
        numbers = numbers_of(text_of(values))
    elif pa.types.is_floating(values.type):
        numbers = pc.cast(values, pa.float64(), safe=False)
    else:
        numbers = pa.nulls(len(values), pa.float64())
    return pc.is_inf(numbers), lambda place: str(numbers[place].as_py())


def no_number(values: Any) -> tuple[Any, Callable[[int], str]]:
    """Text that is no number."""
    pc, known = compute(), text_of(values)
    return pc.and_(pc.is_valid(known), pc.is_null(numbers_of(known))), value(known)


def no_comma(values: Any) -> tuple[Any, Callable[[int], str]]:
    """Text that is no number with a decimal comma, or without one."""
    pc, known = compute(), text_of(values)
    return pc.and_(pc.is_valid(known), pc.is_null(numbers_of_commas(known))), value(known)


def no_date(values: Any) -> tuple[Any, Callable[[int], str]]:
    """Text that is no date."""
    pc, known = compute(), text_of(values)
    return pc.invert(pc.match_substring_regex(known, DATE)), value(known)
