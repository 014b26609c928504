"""Paths such as a/b/c: their prefixes are the nodes, and the id of a node is the whole path to it.

Two nodes may have the same name in different places, as `other` has in many taxonomies.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import files, strings
from pipeline.datasets.tables.graph import Draft, Graph
from pipeline.datasets.tables.problems import AT_ONCE, Problems


def descend(
    placed: Iterable[tuple[Any, str]],
    separator: str,
    *,
    path: Path,
    place: Callable[[Any], str],
    problems: Problems = AT_ONCE,
) -> Graph:
    """The hierarchy that paths make, those of labels or those of a file.

    Args:
        placed: each path with its position; a path may come again.
        separator: between the parts, around which whitespace is no part of a name.
        path: the file, for messages.
        place: where a position is, for people.
        problems: take paths that are none, which are left out.

    Raises:
        DatasetError: a part is empty, or an id is not one; names the file and the place.
    """
    draft = Draft(path, place, problems)
    wrong: set[str] = set()
    for position, text in placed:
        if text in draft or text in wrong:
            continue
        parts = text.split(separator)
        if not all(part.strip() for part in parts):
            expected = f"names between separators {separator!r}"
            draft.take(expected, position, expected, f"an empty one in {files.shown(text)}")
            wrong.add(text)
            continue
        parent, end = "", -1
        for part in parts:
            end += len(separator) + len(part)
            node = text[:end].rstrip()
            if node not in draft:
                if draft.add(node, position, part.strip()) and parent:
                    draft.connect(node, parent, position)
            parent = node
    return draft.finish()


def read(path: Path, options: HierarchyFile, problems: Problems = AT_ONCE) -> Graph:
    """Read a text with a path in each line, or a column of a table.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
    """
    if options.column is not None:
        table = strings.read(path, [options.column])
        placed = enumerate(table.columns[options.column])
        separator, place = options.separator, table.place
        return descend(placed, separator, path=path, place=place, problems=problems)
    numbered = ((number, line.strip()) for number, line in enumerate(files.lines(path), start=1))
    placed = ((number, line) for number, line in numbered if line)
    return descend(
        placed,
        options.separator,
        path=path,
        place=lambda number: f"line {number}",
        problems=problems,
    )
