"""Compiled passes over the edges of a hierarchy.

The edges come as compressed rows: the parents of node n are `parent[start[n]:start[n + 1]]`. Node
order is topological, so when the nodes are taken from the last to the first, everything below a
node has already arrived there: one pass is exact for any DAG, in O(rows x edges) time. The kernels
are serial and release the GIL; `threads` gives parts of the rows to torch's threads.
"""

from typing import Any

import numba
import numpy as np

# Rows that are carried upward side by side, one per lane of the vector unit (docs/performance.md).
_LANES = 16


def compiled(kernel: Any) -> Any:
    """Compile at the first call; keep the result on disk where there is a folder to write to."""
    try:
        return numba.njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # neither this folder nor the user's cache: read-only containers
        return numba.njit(nogil=True)(kernel)


@compiled
def close_upward(labels: Any, start: Any, parent: Any) -> None:
    """Make every ancestor of a positive node positive, in place; labels (row, node)."""
    for row in range(labels.shape[0]):
        line = labels[row]
        for node in range(line.shape[0] - 1, -1, -1):
            if line[node]:
                for edge in range(start[node], start[node + 1]):
                    line[parent[edge]] = 1


@compiled
def first_open_edge(labels: Any, start: Any, parent: Any) -> tuple[int, int, int]:
    """Find a positive node under a negative parent: (row, node, parent), or -1 thrice."""
    for row in range(labels.shape[0]):
        line = labels[row]
        for node in range(line.shape[0] - 1, -1, -1):
            if line[node]:
                for edge in range(start[node], start[node + 1]):
                    if not line[parent[edge]]:
                        return row, node, parent[edge]
    return -1, -1, -1


@compiled
def maximum(scores: Any, start: Any, parent: Any, value: Any, argument: Any) -> None:
    """Maximum over each node and its descendants, with the first arg-max in node order.

    Args:
        scores: (row, node).
        start: (node + 1,).
        parent: (edge,) columns.
        value: (row, node), overwritten with the maxima.
        argument: (row, node) int32, overwritten with the arg-max columns. A node comes before its
            descendants, so "first in node order" is the node itself where it is an arg-max.
    """
    rows, nodes = scores.shape
    # Whole vectors of eight, also for a few rows; lanes without a row carry whatever is in them.
    best = np.empty((nodes, _LANES if rows > 8 else 8), scores.dtype)
    where = np.empty(best.shape, np.int32)
    for first in range(0, rows, _LANES):
        block = slice(first, min(first + _LANES, rows))
        _lay_side_by_side(scores[block], best, where)
        _carry_upward(best, where, start, parent)
        _lay_out(best, where, value[block], argument[block])


@compiled
def _lay_side_by_side(scores: Any, best: Any, where: Any) -> None:
    """Rows into lanes (node, lane): transposed. A number of lanes known in advance is unrolled."""
    lanes, nodes = scores.shape
    for node in range(nodes):
        if lanes == _LANES:
            for lane in range(_LANES):
                best[node, lane] = scores[lane, node]
        else:
            for lane in range(lanes):
                best[node, lane] = scores[lane, node]
        for lane in range(where.shape[1]):
            where[node, lane] = node


@compiled
def _lay_out(best: Any, where: Any, value: Any, argument: Any) -> None:
    """Lanes into rows."""
    lanes, nodes = value.shape
    for node in range(nodes):
        if lanes == _LANES:
            for lane in range(_LANES):
                value[lane, node] = best[node, lane]
            for lane in range(_LANES):
                argument[lane, node] = where[node, lane]
        else:
            for lane in range(lanes):
                value[lane, node] = best[node, lane]
                argument[lane, node] = where[node, lane]


@compiled
def _carry_upward(best: Any, where: Any, start: Any, parent: Any) -> None:
    """The maxima of rows that lie side by side (node, lane), in place."""
    for node in range(best.shape[0] - 1, -1, -1):
        below, below_where = best[node], where[node]
        for edge in range(start[node], start[node + 1]):
            above, above_where = best[parent[edge]], where[parent[edge]]
            for lane in range(below.shape[0]):
                x, y = below[lane], above[lane]
                i, j = below_where[lane], above_where[lane]
                # Selections and no branches: scores are not predictable, and vectors cannot jump.
                chosen = i if x >= y else j
                above_where[lane] = min(i, j) if x == y else chosen
                above[lane] = x if x > y else y


@compiled
def restrict_to_positives(
    scores: Any,
    labels: Any,
    start: Any,
    parent: Any,
    value: Any,
    argument: Any,
    first: int,
    last: int,
) -> None:
    """Make the result of `maximum` at each positive node one over its *positive* descendants.

    At a negative node all descendants are negative, because labels (example, node) are closed
    upward: its maximum stays. Positives are few, so this costs little beside `maximum`. Row r of
    the scores belongs to example r modulo the number of examples: members are just more rows.
    Only the rows of examples `first` to `last` (exclusive) are touched.
    """
    rows, nodes = scores.shape
    examples = labels.shape[0]
    positives = np.empty(nodes, np.int32)
    for example in range(first, last):
        count = 0
        for node in range(nodes - 1, -1, -1):
            if labels[example, node]:
                positives[count] = node
                count += 1
        for row in range(example, rows, examples):
            best, where = value[row], argument[row]
            for node in positives[:count]:
                best[node] = scores[row, node]
                where[node] = node
            for node in positives[:count]:
                for edge in range(start[node], start[node + 1]):
                    above = parent[edge]
                    if best[node] > best[above] or (
                        best[node] == best[above] and where[node] < where[above]
                    ):
                        best[above] = best[node]
                        where[above] = where[node]


@compiled
def scatter_add(gradient: Any, argument: Any, out: Any) -> None:
    """Add each entry of the gradient (row, node) to its arg-max column of `out`, which is zero."""
    for row in range(gradient.shape[0]):
        for node in range(gradient.shape[1]):
            out[row, argument[row, node]] += gradient[row, node]


@compiled
def dense_closed_rows(
    indptr: Any, indices: Any, rows: Any, start: Any, parent: Any, labels: Any
) -> None:
    """Write the CSR rows, closed upward, into `labels` (row, node), which is zero.

    Walks up from the positives, in time that grows with their number and not with the edges'.
    """
    waiting = np.empty(labels.shape[1], np.int32)
    for position in range(rows.shape[0]):
        line = labels[position]
        count = 0
        for entry in range(indptr[rows[position]], indptr[rows[position] + 1]):
            if not line[indices[entry]]:
                line[indices[entry]] = 1
                waiting[count] = indices[entry]
                count += 1
        while count:
            count -= 1
            node = waiting[count]
            for edge in range(start[node], start[node + 1]):
                above = parent[edge]
                if not line[above]:
                    line[above] = 1
                    waiting[count] = above
                    count += 1


def as_labels(labels: np.ndarray) -> np.ndarray:
    """Bool and uint8 share their bytes; one view keeps one compiled version of each kernel."""
    return np.ascontiguousarray(labels, dtype=np.bool_).view(np.uint8)
