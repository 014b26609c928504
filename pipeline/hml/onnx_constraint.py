"""The coherent constraint as ONNX operators: as `constraint.coherent`, exact for any DAG.

Level by level, deepest first, as in `levels`. Nodes of a level whose numbers of children round up
to the same power of two are a family: one array (parent, child) is gathered, in which a last child
is repeated to fill its row, and its maximum is taken. So there are a few operators for each family,
and at most three times as many gathered entries as edges, however the hierarchy looks.

Why nothing is scattered into parents: where ScatterND with reduction max meets an entry twice,
onnxruntime 1.32 gives wrong maxima in more than one thread, and its time grows with the square of a
chain's length. ScatterElements, which wants an index for every number, is several times slower.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Int

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.onnx_graph import Graph

_NODE = 1  # the axis of nodes in (member, node, example)


@dataclass(frozen=True)
class Family:
    """Nodes of one depth with about the same number of children.

    Attributes:
        nodes: columns.
        children: columns, some of them repeated; (node, 0) for nodes without children.
    """

    nodes: Int[np.ndarray, " node"]
    children: Int[np.ndarray, "node child"]


Levels = list[list[Family]]  # deepest first


def families(hierarchy: Hierarchy) -> Levels:
    """All nodes, by depth, the deepest first, then by their number of children."""
    child, parent = hierarchy.edge_index
    children = child[np.argsort(parent, kind="stable")]
    count = np.bincount(parent, minlength=len(hierarchy))
    start = np.cumsum(count) - count
    width = np.where(count > 0, 2 ** np.ceil(np.log2(np.maximum(count, 1))), 0).astype(np.int64)
    key = list(zip(hierarchy.depth.tolist(), width.tolist(), strict=True))
    deepest_first = np.lexsort((width, -hierarchy.depth))
    levels: dict[int, list[Family]] = {}
    for (depth, wide), group in groupby(deepest_first.tolist(), key.__getitem__):
        nodes = np.array(list(group))
        filled = np.minimum(np.arange(wide), count[nodes, None] - 1)
        family = Family(nodes, children[start[nodes, None] + filled])
        levels.setdefault(depth, []).append(family)
    return list(levels.values())


def order(levels: Levels) -> Int[np.ndarray, " node"]:
    """Columns in the order in which `coherent` has the nodes."""
    return np.concatenate([family.nodes for level in levels for family in level])


def coherent(graph: Graph, p: str, levels: Levels) -> str:
    """Add the maximum over each node and its descendants.

    Args:
        graph: to add it to.
        p: (member, node, example), nodes in `order`.
        levels: what `families` gave.

    Returns:
        The result's name, as p.
    """
    sizes = [len(family.nodes) for level in levels for family in level]
    own = iter(graph.split(p, sizes, axis=_NODE))
    # Of each node that is done: its level, and its place there.
    level_of, place = np.empty((2, sum(sizes)), dtype=np.int64)
    done: list[str] = []
    for level in levels:
        values = [next(own) for _ in level]
        below = np.unique(np.concatenate([family.children.ravel() for family in level]))
        if len(below):
            source, at = _gather(graph, below, done, level_of, place)
            for number, family in enumerate(level):
                if family.children.size:
                    entries = at[np.searchsorted(below, family.children)]
                    highest = _maximum(graph, source, entries)
                    values[number] = graph.add("Max", values[number], highest)
        columns = order([level])
        level_of[columns], place[columns] = len(done), np.arange(len(columns))
        done.append(graph.join(values, axis=_NODE))
    return graph.join(done, axis=_NODE)


def _gather(
    graph: Graph,
    columns: Int[np.ndarray, " column"],
    done: list[str],
    level_of: Int[np.ndarray, " node"],
    place: Int[np.ndarray, " node"],
) -> tuple[str, Int[np.ndarray, " column"]]:
    """An array that holds the values of these nodes, and where each of them is there.

    To join all levels that are done would copy each node once per level.
    """
    of = level_of[columns]
    found = np.unique(of)
    if len(found) == 1:  # as in every tree: nothing to copy
        return done[found[0]], place[columns]
    by_level = [np.flatnonzero(of == level) for level in found]
    parts = [
        graph.take(done[level], place[columns[chosen]], axis=_NODE)
        for level, chosen in zip(found, by_level, strict=True)
    ]
    at = np.empty_like(columns)
    at[np.concatenate(by_level)] = np.arange(len(columns))
    return graph.join(parts, axis=_NODE), at


def _maximum(graph: Graph, source: str, entries: Int[np.ndarray, "node child"]) -> str:
    if entries.shape[1] == 1:
        return graph.take(source, entries[:, 0], axis=_NODE)
    return graph.reduce("ReduceMax", graph.take(source, entries, axis=_NODE), axis=_NODE + 1)
