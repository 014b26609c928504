"""Compiled passes over the edges of a hierarchy.

The edges come as compressed rows: the parents of node n are `parent[start[n]:start[n + 1]]`. Node
order is topological, so when the nodes are taken from the last to the first, everything below a
node has already arrived there: one pass is exact for any DAG, in O(rows x edges) time. The kernels
are serial and release the GIL; `threads` gives parts of the rows to torch's threads.
"""

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import carray, extending, types  # pyright: ignore[reportPrivateImportUsage]

# Rows that are carried upward side by side, one per lane of the vector unit (docs/performance.md).
_LANES = 16


def kept(compiler: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[Any], Any]:
    """A decorator of numba that keeps its results on disk, where there is a folder to write to."""

    def compile_or_load(kernel: Any) -> Any:
        try:
            return compiler(*arguments, cache=True, **options)(kernel)
        except RuntimeError:  # neither this folder nor the user's cache: read-only containers
            return compiler(*arguments, **options)(kernel)

    return compile_or_load


compiled = kept(numba.njit, nogil=True)  # at the first call


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
def maximum(
    scores: Any, start: Any, parent: Any, value: Any, argument: Any, first: int, last: int
) -> None:
    """Maximum over each node and its descendants, with the first arg-max in node order.

    Args:
        scores: (row, node).
        start: (node + 1,).
        parent: (edge,) columns.
        value: (row, node), overwritten with the maxima.
        argument: (row, node) int32, overwritten with the arg-max columns. A node comes before its
            descendants, so "first in node order" is the node itself where it is an arg-max.
        first: of the rows to do.
        last: of the rows to do, exclusive.
    """
    # Whole vectors of eight, also for a few rows; lanes without a row carry whatever is in them.
    best = np.empty((scores.shape[1], _LANES if last - first > 8 else 8), scores.dtype)
    where = np.empty(best.shape, np.int32)
    for row in range(first, last, _LANES):
        block = slice(row, min(row + _LANES, last))
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
def scatter_add(gradient: Any, argument: Any, out: Any, first: int, last: int) -> None:
    """Add each entry of the gradient (row, node) to its arg-max column of `out`, which is zero.

    Only rows `first` to `last` (exclusive) are touched.
    """
    for row in range(first, last):
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


# Kernels as bodies of a parallel region, in which no Python runs: nothing waits for the GIL, and no
# signal handler can raise there. A body gets the address of a task of int64: parts that have been
# taken, parts that are done, rows of a part, then lengths (of the rows first) and addresses of what
# its kernel needs. Each thread of a team takes part after part until none is left. They stand in
# this file because numba keeps what it compiled for as long as the file does not change.
TAKEN, DONE = 0, 1  # places in a task
_LONGEST = 13
_int64 = ir.IntType(64)
_intrinsic: Any = extending.intrinsic  # whose callers do not see the first parameter


@_intrinsic
def _count(typingctx: Any, task: Any, place: Any) -> Any:
    """Add one at a place of the task, in one step for all threads; what stood there before."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counters = builder.bitcast(arguments[0], _int64.as_pointer())
        counter = builder.gep(counters, [arguments[1]])
        return builder.atomic_rmw("add", counter, _int64(1), "monotonic")

    return types.int64(task, types.int64), code


@_intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), code


@functools.cache
def maximum_in_team(number: Any) -> Any:
    """`maximum` for numbers of this type; lengths: rows, nodes, edges."""

    def body(task: Any) -> None:
        of = carray(task, _LONGEST, np.int64)
        size, rows, nodes, edges = of[2], of[3], of[4], of[5]
        scores = carray(_pointer(of[6]), (rows, nodes), number)
        start = carray(_pointer(of[7]), nodes + 1, np.uint32)
        parent = carray(_pointer(of[8]), edges, np.uint32)
        value = carray(_pointer(of[9]), (rows, nodes), number)
        argument = carray(_pointer(of[10]), (rows, nodes), np.int32)
        first = _count(task, TAKEN) * size
        while first < rows:
            last = min(first + size, rows)
            maximum(scores, start, parent, value, argument, first, last)
            _count(task, DONE)
            first = _count(task, TAKEN) * size

    return _compiled(body)


@functools.cache
def restrict_in_team(number: Any) -> Any:
    """`restrict_to_positives`; lengths: examples, rows, nodes, edges. Parts: examples."""

    def body(task: Any) -> None:
        of = carray(task, _LONGEST, np.int64)
        size, examples, rows, nodes, edges = of[2], of[3], of[4], of[5], of[6]
        scores = carray(_pointer(of[7]), (rows, nodes), number)
        labels = carray(_pointer(of[8]), (examples, nodes), np.uint8)
        start = carray(_pointer(of[9]), nodes + 1, np.uint32)
        parent = carray(_pointer(of[10]), edges, np.uint32)
        value = carray(_pointer(of[11]), (rows, nodes), number)
        argument = carray(_pointer(of[12]), (rows, nodes), np.int32)
        first = _count(task, TAKEN) * size
        while first < examples:
            last = min(first + size, examples)
            restrict_to_positives(scores, labels, start, parent, value, argument, first, last)
            _count(task, DONE)
            first = _count(task, TAKEN) * size

    return _compiled(body)


@functools.cache
def scatter_in_team(number: Any) -> Any:
    """`scatter_add` for numbers of this type; lengths: rows, nodes."""

    def body(task: Any) -> None:
        of = carray(task, _LONGEST, np.int64)
        size, rows, nodes = of[2], of[3], of[4]
        gradient = carray(_pointer(of[5]), (rows, nodes), number)
        argument = carray(_pointer(of[6]), (rows, nodes), np.int32)
        out = carray(_pointer(of[7]), (rows, nodes), number)
        first = _count(task, TAKEN) * size
        while first < rows:
            scatter_add(gradient, argument, out, first, min(first + size, rows))
            _count(task, DONE)
            first = _count(task, TAKEN) * size

    return _compiled(body)


def _compiled(body: Callable[[Any], None]) -> Any:
    return kept(numba.cfunc, types.void(types.voidptr))(body)
