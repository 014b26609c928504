"""What `rarenode init` understood, for people: on the terminal and in a data card."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.tables import Tables
from pipeline.datasets.tables import kinds
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.kinds import Summary

if TYPE_CHECKING:
    from pipeline.datasets.source import RawDataset


@dataclass(frozen=True)
class Understood:
    """What was found.

    Attributes:
        name: of the data set.
        tables: as params.yaml will have them.
        columns: of the features.
        raw: what was read with these.
    """

    name: str
    tables: Tables
    columns: list[Summary]
    raw: "RawDataset"


def described(found: Understood) -> Iterator[str]:
    """What was understood, for people."""
    raw, tables = found.raw, found.tables
    yield f"Data set {found.name}"
    groups = len(set(raw.groups))
    column = tables.features.group
    of = f" of column {shown(column)}" if column is not None else ""
    own = f" in {groups:,} groups{of}" if groups < len(raw.ids) else ""
    named = (
        f"named by column {shown(tables.features.id)}"
        if tables.features.id is not None
        else "numbered by their rows (--id names a column)"
    )
    yield f"  examples   {len(raw.ids):,}{own}, {named}"
    if raw.splits is not None:
        counts = Counter(raw.splits)
        yield f"  splits     {', '.join(f'{count:,} {name}' for name, count in counts.items())}"
    columns = [column for column in found.columns if column.name not in tables.features.special]
    for number, line in enumerate(kinds.described(columns)):
        yield f"  {'columns' if not number else '':10} {line}"
    used = [column for column in columns if column.kind != "ignored"]
    cells = sum(column.rows for column in used)
    missing = sum(column.missing for column in used)
    yield f"  missing    {missing:,} of {cells:,} values ({missing / max(cells, 1):.1%})"
    yield from _of_hierarchy(raw)
    each = sorted(map(len, raw.labels))
    used = len({node for given in raw.labels for node in given})
    yield (
        f"  labels     {tables.labels.layout}, {each[0]} to {each[-1]} per example (median "
        f"{each[len(each) // 2]}), {used:,} nodes used"
    )
    if raw.unknown is not None:
        size = raw.unknown.shape[0] * raw.unknown.shape[1]
        yield (
            f"  unknown    {raw.unknown.nnz:,} of {size:,} labels (example, node; "
            f"{raw.unknown.nnz / size:.1%})"
        )
    for number, note in enumerate(raw.info["notes"]):
        yield f"  {'notes' if not number else '':10} {note}"


def _of_hierarchy(raw: "RawDataset") -> Iterator[str]:
    from pipeline.hml import Hierarchy

    hierarchy = Hierarchy.from_edges(raw.edges, nodes=raw.nodes)
    children = {child for child, _ in raw.edges}
    roots = [node for node in raw.nodes if node not in children]
    tree = len(raw.edges) == len(raw.nodes) - len(roots)
    kind = ("a tree" if len(roots) == 1 else "a forest") if tree else "a DAG"
    tops = f"the root {shown(*roots)}" if len(roots) == 1 else f"{len(roots):,} roots: "
    yield (
        f"  hierarchy  {len(raw.nodes):,} nodes, {len(raw.edges):,} edges: {kind} of "
        f"{int(hierarchy.depth.max()) + 1} levels with {tops}"
        + (several(roots) if len(roots) > 1 else "")
    )


_UNDERSTOOD = "## What `rarenode init` understood"


def card(found: Understood, lines: list[str], path: Path) -> bytes:
    """The card; what people wrote above the heading stays."""
    wanted = "Where the data comes from, who may use it and what for: say it here."
    above = path.read_bytes().partition(_UNDERSTOOD.encode())[0] if path.is_file() else b""
    text = "\n".join(lines).replace("`", "'")
    return (
        above or f"# {found.name}\n\n{wanted}\n\n".encode()
    ) + f"{_UNDERSTOOD}\n\n```\n{text}\n```\n".encode()
