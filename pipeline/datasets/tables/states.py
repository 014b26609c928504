"""Which labels are unknown, from what a file says of examples and nodes.

What is stated is closed: positives upward, negatives downward. Where nothing is said, a label is
negative or unknown, as `tables.labels.absent` has it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.config.tables import Labels
from pipeline.datasets.tables.closure import Closure
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.labels import Found, Labelled
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.errors import DatasetError

if TYPE_CHECKING:
    from scipy import sparse

MOST = 200_000_000  # unknown labels (example, node), 1 GB
_BLOCK = 16_000_000  # entries (example, node) that are worked out at a time


class States(NamedTuple):
    """What is unknown, and what there is to say about it.

    Attributes:
        unknown: (example, node) boolean CSR, columns as the graph's nodes; None where everything is
            known.
        notes: for people.
    """

    unknown: "sparse.csr_array | None"
    notes: tuple[str, ...] = ()


def resolve(
    given: Found,
    graph: Graph,
    options: Labels,
    ids: Sequence[str],
    path: Path,
    problems: Problems = AT_ONCE,
) -> States:
    """Work out which labels are unknown.

    With `absent: unknown` these are all but the positives and the negatives. Else they are those
    that are stated to be unknown and what lies below them, as far as nothing else follows from what
    is stated; and what lies above them, which cannot be negative where they may be positive.

    Args:
        given: what the file states.
        graph: of the nodes.
        options: of the labels.
        ids: of the examples.
        path: where the labels stand.
        problems: take examples that are at odds with themselves.

    Raises:
        DatasetError: an example has a node below one that it is stated not to have; or there are
            more unknown labels than fit into memory. The file, the example and the nodes are named.
    """
    if options.absent == "negative" and not any(map(any, (given.negative, given.unknown))):
        return States(None)
    import numpy as np
    from scipy import sparse

    place = {node: number for number, node in enumerate(graph.nodes)}
    none: Labelled = ((),) * len(ids)
    parts = (given.labels, given.negative or none, given.unknown or none)
    stated = [_matrix(part, place) for part in parts]
    above = _closure(graph, place)
    below: Any = above.T
    positive = sparse.csr_array(stated[0] @ above).astype(np.bool_)
    negative = sparse.csr_array(stated[1] @ below).astype(np.bool_)
    if (both := sparse.csr_array(positive.multiply(negative))).nnz:
        rows = np.flatnonzero(np.diff(both.indptr)).tolist()
        problems.each(path, "both", rows, lambda row: _refuse(given, row, graph, ids[row], path))
        return States(None)
    settled = sparse.csr_array(positive + negative).astype(np.bool_)
    cells = settled.shape[0] * settled.shape[1]
    notes = [f"{stated[1].nnz:,} labels are stated to be negative."] if stated[1].nnz else []
    follow: Any = stated[2].multiply(settled)
    if follow.nnz:
        notes.append(
            f"{follow.nnz:,} labels that are stated to be unknown follow from others and are known."
        )
    if options.absent == "unknown":
        _check_size(cells - settled.nnz, options, path)
        unknown = _others(settled)
        if unknown is not None:
            notes += _never_negative(positive, unknown, graph)
        return States(unknown, tuple(notes))
    asked = _without(stated[2], settled)
    # What lies below another one goes with it.
    asked = _without(asked, asked @ _children(graph, place))
    sizes = np.asarray(above.sum(axis=0))  # of what lies below each node
    _check_size(int(sizes[asked.indices].sum()), options, path)
    spread = _without(sparse.csr_array(asked @ below).astype(np.bool_), settled)
    unknown = _without(sparse.csr_array(spread @ above).astype(np.bool_), positive)
    notes += _never_negative(positive, unknown, graph)
    if lifted := unknown.nnz - spread.nnz:
        notes.append(f"{lifted:,} labels are unknown because one below them is.")
    return States(unknown if unknown.nnz else None, tuple(notes))


def _children(graph: Graph, place: Mapping[str, int]) -> "sparse.csr_array":
    """(node, node) boolean CSR: True where the column lies directly below the row."""
    found = {node: list[str]() for node in graph.nodes}
    for child, parent in graph.edges:
        found[parent].append(child)
    return _matrix(tuple(map(tuple, found.values())), place)


def _closure(graph: Graph, place: Mapping[str, int]) -> "sparse.csr_array":
    """(node, node) boolean CSR: True where the column is the row's node or lies above it."""
    import numpy as np
    from scipy import sparse

    ends = np.array([[place[child], place[parent]] for child, parent in graph.edges]).reshape(-1, 2)
    ones, shape = np.ones(len(ends), np.bool_), (len(place), len(place))
    edges = sparse.csr_array((ones, ends.astype(np.int64).T), shape=shape)
    found = sparse.csr_array(edges + sparse.eye_array(len(place), dtype=np.bool_))
    while True:  # paths of twice the length each time
        further = sparse.csr_array(found @ found).astype(np.bool_)
        if further.nnz == found.nnz:
            return further
        found = further


def _matrix(names: Labelled, place: Mapping[str, int]) -> "sparse.csr_array":
    """Names of nodes per example as (example, node) boolean CSR."""
    import numpy as np
    from scipy import sparse

    columns = [sorted({place[name] for name in mine}) for mine in names]
    start = np.cumsum([0, *map(len, columns)])
    column = np.array([one for mine in columns for one in mine], dtype=np.int64)
    shape = (len(columns), len(place))
    return sparse.csr_array((np.ones(len(column), np.bool_), column, start), shape=shape)


def _without(labels: "sparse.csr_array", others: Any) -> "sparse.csr_array":
    import numpy as np
    from scipy import sparse

    common: Any = labels.multiply(others)
    left: Any = labels.astype(np.int8) - common.astype(np.int8)
    found = sparse.csr_array(left).astype(np.bool_)
    found.eliminate_zeros()
    found.sort_indices()
    return found


def _others(labels: "sparse.csr_array") -> "sparse.csr_array | None":
    """All that is not there, some examples at a time; None for nothing."""
    import numpy as np
    from scipy import sparse

    examples, nodes = labels.shape
    size = max(1, _BLOCK // nodes)
    starts = range(0, examples, size)
    parts = [sparse.csr_array(~labels[first : first + size].toarray()) for first in starts]
    found = sparse.csr_array(sparse.vstack(parts, format="csr")).astype(np.bool_)
    return found if found.nnz else None


def _never_negative(
    positive: "sparse.csr_array", unknown: "sparse.csr_array", graph: Graph
) -> list[str]:
    """A note on nodes that no example is known not to have; the root of all goes without saying."""
    import numpy as np

    count = np.asarray(unknown.sum(axis=0))
    whole = count + np.asarray(positive.sum(axis=0)) == positive.shape[0]
    names = list(graph.nodes)
    roots = graph.nodes.keys() - {child for child, _ in graph.edges}
    lacking = [names[node] for node in np.flatnonzero(whole & (count > 0))]
    if len(roots) == 1:
        lacking = [name for name in lacking if name not in roots]
    if not lacking:
        return []
    return [
        f"Nodes that no example is known not to have: {len(lacking):,} ({several(lacking, 3)}). "
        "Nothing can be learnt of them, and no figure counts them."
    ]


def _check_size(labels: int, options: Labels, path: Path) -> None:
    if labels > MOST:
        cause = ", as tables.labels.absent is 'unknown'" if options.absent == "unknown" else ""
        raise DatasetError(
            f"{path}: expected at most {MOST:,} unknown labels (example, node){cause}, found "
            f"{labels:,}"
        )


def _refuse(given: Found, row: int, graph: Graph, example: str, path: Path) -> None:
    """Name a stated positive at or below a stated negative of an example that has some."""
    closure, negative = Closure(graph.edges), set(given.negative[row])
    for node in given.labels[row]:
        if node in negative:
            found = f"{shown(node)} as both"
        elif above := closure.above(node) & negative:
            found = f"{shown(node)} below {shown(min(above))}"
        else:
            continue
        raise DatasetError(
            f"{path}: expected nothing positive at or below a negative, found {found} in example "
            f"{shown(example)}"
        )
