"""All that is not as it should be in a file: some of it named, the rest counted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.datasets.tables import delimited, files, frames
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.problems import Problems
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


def look(problems: Problems, path: Path, name: str, wrong: Wrong, wanted: str) -> bool:
    """Look through a column once more for all that is wrong in it; say whether anything is."""
    before = problems.count
    for block in frames.blocks(path, [name]):
        mask, found = wrong(block.table.column(name))
        take(problems, path, wanted, mask, found, block.first)
    return problems.count > before


def take(
    problems: Problems, path: Path, wanted: str, mask: Any, found: Callable[[int], str], start: int
) -> None:
    """Take in the values of some rows that a mask marks.

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
    problems.each(
        path,
        wanted,
        np.flatnonzero(mask).tolist(),
        lambda place: frames.refuse(path, wanted, found(place), start + place),
    )


def value(values: Any) -> Callable[[int], str]:
    """What to show of Arrow's values."""
    return lambda place: shown(str(values[place].as_py()))
