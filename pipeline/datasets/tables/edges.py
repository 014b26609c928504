"""Edge lists: a row for each edge."""

import re
from pathlib import Path

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import files, strings
from pipeline.datasets.tables.graph import Draft, Graph
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.values import MISSING

_BETWEEN = re.compile(r"\s*[;|,]\s*")  # where people write several parents in a cell


def read(path: Path, options: HierarchyFile, problems: Problems = AT_ONCE) -> Graph:
    """Read a table with a child, its parent and, perhaps, the child's name in each row.

    A row without a parent is a root. What has such a row and other rows has these parents. A parent
    that looks like several ones, or like a mark of what is missing, needs a row of its own.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
        HierarchyError: a node is its own parent or has two names, or edges form a cycle.
    """
    assert options.child is not None  # the parameters see to it
    assert options.parent is not None
    wanted = [options.child, options.parent]
    if options.name is not None:
        wanted.append(options.name)
    table = strings.read(path, wanted)
    draft = Draft(path, table.place, problems)
    children, parents = table.columns[options.child], table.columns[options.parent]
    wrong = _check_parents(draft, children, parents)
    declared: set[str] = set()
    attached: set[str] = set()
    for row, (child, parent) in enumerate(zip(children, parents, strict=True)):
        if not child:
            expected = f"a node in the column {files.shown(options.child)}"
            draft.take(expected, row, expected, "none")
            continue
        name = table.columns[options.name][row] if options.name is not None else ""
        draft.add(child, row, name)
        if parent in wrong:
            attached.add(child)
        elif parent:
            draft.connect(child, parent, row)
            attached.add(child)
        else:
            declared.add(child)
    notes: list[str] = []
    if both := sorted(declared & attached):
        notes.append(
            f"Nodes with a parent in one row and none in another, which count as having one: "
            f"{files.several(both)}."
        )
    return draft.finish(notes)


def _check_parents(draft: Draft, children: list[str], parents: list[str]) -> set[str]:
    """Parents that are no nodes; what has a row as a child is one, whatever its name."""
    declared = set(children)
    nodes = declared.union(parents) - {""}
    seen: set[str] = set()
    wrong: set[str] = set()
    for row, parent in enumerate(parents):
        if not parent or parent in declared or parent in seen:
            continue
        seen.add(parent)
        shown, otherwise = files.shown(parent), "if it is a node, a row of it without a parent"
        if parent in MISSING:
            expected = f"an empty cell as the parent of a root (or, {otherwise})"
            draft.take(expected, row, expected, shown)
            wrong.add(parent)
        parts = _BETWEEN.split(parent)
        if len(parts) > 1 and nodes.issuperset(parts):
            expected = f"a row of its own for each edge (or, {otherwise})"
            found = f"the parents {files.several(parts)} in one cell, {shown}"
            draft.take(expected, row, expected, found)
            wrong.add(parent)
    return wrong
