"""Node order, depth and ancestor closure for preparing data, without torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy import sparse

from pipeline.errors import HierarchyError


@dataclass(frozen=True)
class Ordered:
    """A hierarchy in node order: by depth, ties by id.

    Attributes:
        nodes: node ids.
        depth: (node,) longest path from a root.
        ancestors: (node, node) boolean CSR; row j holds the ancestors of j, without j.
    """

    nodes: tuple[str, ...]
    depth: np.ndarray
    ancestors: sparse.csr_array


def order(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> Ordered:
    """Order a hierarchy.

    Args:
        nodes: every node id.
        edges: (child, parent) ids; a repeated edge counts once.

    Raises:
        HierarchyError: an edge names an unknown node, or edges form a cycle (its nodes are named).
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    known = set(graph)
    graph.add_edges_from(edges)
    if unknown := sorted(set(graph) - known):
        raise HierarchyError(
            f"expected edges between known nodes, found {len(unknown)} unknown: {_some(unknown)}"
        )
    try:
        children_first = list(nx.topological_sort(graph))
    except nx.NetworkXUnfeasible:
        cycle = [child for child, _ in nx.find_cycle(graph)]
        raise HierarchyError(
            f"expected a hierarchy without cycles, found {' -> '.join([*cycle, cycle[0]])} "
            "(child -> parent)"
        ) from None

    depth: dict[str, int] = {}
    above: dict[str, set[str]] = {}
    for node in reversed(children_first):
        parents = list(graph.successors(node))
        depth[node] = 1 + max((depth[parent] for parent in parents), default=-1)
        above[node] = set(parents).union(*(above[parent] for parent in parents))
    ordered = tuple(sorted(graph, key=lambda node: (depth[node], node)))
    index = {node: column for column, node in enumerate(ordered)}
    columns = [sorted(index[parent] for parent in above[node]) for node in ordered]
    return Ordered(
        nodes=ordered,
        depth=np.array([depth[node] for node in ordered], dtype=np.int64),
        ancestors=_rows_of_columns(columns, len(ordered)),
    )


def close(labels: sparse.csr_array, ancestors: sparse.csr_array) -> sparse.csr_array:
    """Close (example, node) boolean labels upward."""
    counts = labels.astype(np.int32)
    return sparse.csr_array((counts + counts @ ancestors.astype(np.int32)) > 0)


def most_specific(labels: sparse.csr_array, ancestors: sparse.csr_array) -> sparse.csr_array:
    """Leave out every label that lies above another label of the same example."""
    counts = labels.astype(np.int32)
    implied = (counts @ ancestors.astype(np.int32)) > 0
    kept = sparse.csr_array(labels > labels.multiply(implied))
    kept.sort_indices()
    return kept


def label_matrix(labels: Iterable[Iterable[str]], nodes: tuple[str, ...]) -> sparse.csr_array:
    """Node ids per example -> (example, node) boolean CSR. Every id must be one of `nodes`."""
    index = {node: column for column, node in enumerate(nodes)}
    columns = [sorted({index[label] for label in example}) for example in labels]
    return _rows_of_columns(columns, len(nodes))


def _rows_of_columns(columns: list[list[int]], width: int) -> sparse.csr_array:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in columns], dtype=np.int64)])
    indices = np.array([column for row in columns for column in row], dtype=np.int64)
    data = np.ones(len(indices), dtype=bool)
    return sparse.csr_array((data, indices, starts), shape=(len(columns), width))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
