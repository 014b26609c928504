"""Compiled passes over the edges of a hierarchy.

All kernels take `child` and `parent` columns sorted by child, last node first. Node order is
topological, so when an edge is reached, everything below its child has already arrived there: one
pass is exact for any DAG, in O(rows x edges) time and no memory beyond the output. They are serial,
because a thread pool beside torch's own costs more than it brings on few cores.
"""

from typing import Any

import numba
import numpy as np


def _compiled(kernel: Any) -> Any:
    """Compile at the first call; keep the result on disk where there is a folder to write to."""
    try:
        return numba.njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # neither this folder nor the user's cache: read-only containers
        return numba.njit(nogil=True)(kernel)


@_compiled
def close_upward(labels: Any, child: Any, parent: Any) -> None:
    """Make every ancestor of a positive node positive, in place; labels (row, node)."""
    for row in range(labels.shape[0]):
        line = labels[row]
        for edge in range(child.shape[0]):
            if line[child[edge]]:
                line[parent[edge]] = 1


@_compiled
def first_open_edge(labels: Any, child: Any, parent: Any) -> tuple[int, int]:
    """Find a positive child under a negative parent: (row, edge), or (-1, -1) if there is none."""
    for row in range(labels.shape[0]):
        line = labels[row]
        for edge in range(child.shape[0]):
            if line[child[edge]] and not line[parent[edge]]:
                return row, edge
    return -1, -1


@_compiled
def maximum(scores: Any, child: Any, parent: Any, value: Any, argument: Any) -> None:
    """Maximum over each node and its descendants, with the first arg-max in node order.

    Args:
        scores: (row, node).
        child: (edge,) columns.
        parent: (edge,) columns.
        value: (row, node), overwritten with the maxima.
        argument: (row, node) int32, overwritten with the arg-max columns. A node comes before its
            descendants, so "first in node order" is the node itself where it is an arg-max.
    """
    rows, nodes = scores.shape
    for row in range(rows):
        best = value[row]
        where = argument[row]
        for node in range(nodes):
            best[node] = scores[row, node]
            where[node] = node
        for edge in range(child.shape[0]):
            c = child[edge]
            p = parent[edge]
            if best[c] > best[p] or (best[c] == best[p] and where[c] < where[p]):
                best[p] = best[c]
                where[p] = where[c]


@_compiled
def maximum_within_label(
    scores: Any, labels: Any, child: Any, parent: Any, value: Any, argument: Any
) -> None:
    """As `maximum`, over the descendants whose label equals the node's own.

    For a positive node these are its positive descendants. For a negative node they are all of its
    descendants, because labels (example, node) are closed upward. Row r of the scores belongs to
    example r modulo the number of examples: members are just more rows.
    """
    rows, nodes = scores.shape
    examples = labels.shape[0]
    for row in range(rows):
        label = labels[row % examples]
        best = value[row]
        where = argument[row]
        for node in range(nodes):
            best[node] = scores[row, node]
            where[node] = node
        for edge in range(child.shape[0]):
            c = child[edge]
            p = parent[edge]
            if label[c] == label[p] and (
                best[c] > best[p] or (best[c] == best[p] and where[c] < where[p])
            ):
                best[p] = best[c]
                where[p] = where[c]


@_compiled
def scatter_add(gradient: Any, argument: Any, out: Any) -> None:
    """Add each entry of the gradient (row, node) to its arg-max column of `out`, which is zero."""
    for row in range(gradient.shape[0]):
        for node in range(gradient.shape[1]):
            out[row, argument[row, node]] += gradient[row, node]


@_compiled
def dense_closed_rows(
    indptr: Any, indices: Any, rows: Any, child: Any, parent: Any, labels: Any
) -> None:
    """Write the CSR rows into `labels` (row, node), which is zero, and close them upward."""
    for position in range(rows.shape[0]):
        row = rows[position]
        for entry in range(indptr[row], indptr[row + 1]):
            labels[position, indices[entry]] = 1
    close_upward(labels, child, parent)


def as_labels(labels: np.ndarray) -> np.ndarray:
    """Bool and uint8 share their bytes; one view keeps one compiled version of each kernel."""
    return np.ascontiguousarray(labels, dtype=np.bool_).view(np.uint8)
