"""Edge lists: a row for each edge."""

from pathlib import Path

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import files, strings
from pipeline.datasets.tables.graph import Draft, Graph


def read(path: Path, options: HierarchyFile) -> Graph:
    """Read a table with a child, its parent and, perhaps, the child's name in each row.

    A row without a parent is a root. What has such a row and other rows has these parents.

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
    children, parents = table.columns[options.child], table.columns[options.parent]
    draft = Draft(path, table.place)
    declared: set[str] = set()
    attached: set[str] = set()
    for row, (child, parent) in enumerate(zip(children, parents, strict=True)):
        if not child:
            table.refuse(row, f"a node in the column {files.shown(options.child)}", "none")
        name = table.columns[options.name][row] if options.name is not None else ""
        draft.add(child, row, name)
        if parent:
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
