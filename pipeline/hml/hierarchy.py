"""The hierarchy of the nodes: a DAG whose edges go from a child to a parent."""

from collections import deque
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from scipy import sparse

from pipeline.errors import HierarchyError
from pipeline.hml import kernels

Labels = TypeVar("Labels")  # numpy, torch or any scipy sparse container


class Hierarchy:
    """A DAG of named nodes. Several roots and several parents are allowed, cycles are not.

    Nodes are ordered by depth, ties by name; depth is the length of the *longest* path from a root,
    so node order is topological (docs/method.md, section 1).

    Attributes:
        nodes: names in node order.
        depth: (node,) int64; a root has depth 0.
        index: name -> column.
        edge_index: (2, edge) int64: child columns, parent columns; no edge twice.

    Examples:
        A node with several parents is below the deepest of them:

        >>> from pipeline.hml import Hierarchy
        >>> edges = [("bat", "mammal"), ("bat", "flier"), ("mammal", "animal")]
        >>> hierarchy = Hierarchy.from_edges(edges)
        >>> dict(zip(hierarchy.nodes, hierarchy.depth.tolist()))
        {'animal': 0, 'flier': 0, 'mammal': 1, 'bat': 2}
        >>> hierarchy.edge_index.tolist()  # children, parents
        [[2, 3, 3], [0, 1, 2]]
        >>> sorted(hierarchy.ancestors("bat"))
        ['animal', 'bat', 'flier', 'mammal']
    """

    nodes: tuple[str, ...]
    depth: np.ndarray
    index: Mapping[str, int]
    edge_index: np.ndarray

    def __init__(self, nodes: tuple[str, ...], depth: np.ndarray, edge_index: np.ndarray) -> None:
        """Use `from_edges`, which checks what it is given; this does not."""
        self.nodes = nodes
        self.depth = depth
        self.index = {name: column for column, name in enumerate(nodes)}
        self.edge_index = edge_index
        for array in (depth, edge_index):
            array.setflags(write=False)
        # What the kernels need: the parents of each node as compressed rows. Edges lie by child.
        # Unsigned, because a kernel checks a signed index for counting from the end.
        self.start = np.searchsorted(edge_index[0], np.arange(len(nodes) + 1)).astype(np.uint32)
        self.parent = edge_index[1].astype(np.uint32)

    @classmethod
    def from_edges(
        cls, edges: Iterable[tuple[str, str]], *, nodes: Iterable[str] = ()
    ) -> "Hierarchy":
        """Build a hierarchy from (child, parent) names.

        Args:
            edges: pairs of names; a pair that is given twice counts once.
            nodes: names of further nodes; those without an edge are isolated roots.

        Raises:
            HierarchyError: there is no node, a name is not a text, an edge is not a pair, a node is
                its own parent, or the edges form a cycle, whose nodes are named.

        Examples:
            What is given twice counts once, and a cycle is named without what leads to it:

            >>> from pipeline.hml import Hierarchy
            >>> Hierarchy.from_edges([("cat", "animal")] * 2, nodes=["cat", "stone"])
            Hierarchy(3 nodes, 1 edge, depth 1)
            >>> Hierarchy.from_edges([("a", "b"), ("b", "c"), ("c", "b")])
            Traceback (most recent call last):
            pipeline.errors.HierarchyError: expected ... found 'b' -> 'c' -> 'b' ...
        """
        parents: dict[str, set[str]] = {_name(node): set() for node in nodes}
        for edge in edges:
            child, parent = _pair(edge)
            if child == parent:
                raise HierarchyError(f"expected edges between two nodes, found {child!r} -> itself")
            parents.setdefault(child, set()).add(parent)
            parents.setdefault(parent, set())
        if not parents:
            raise HierarchyError("expected at least one node, found none")
        depth = _longest_path_depth(parents)
        order = tuple(sorted(parents, key=lambda name: (depth[name], name)))
        column = {name: position for position, name in enumerate(order)}
        pairs = sorted((column[c], column[p]) for c, above in parents.items() for p in above)
        return cls(
            order,
            np.array([depth[name] for name in order], dtype=np.int64),
            np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy(),
        )

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        nodes, edges = len(self), self.edge_index.shape[1]
        counted = f"{nodes} node{'s' * (nodes != 1)}, {edges} edge{'s' * (edges != 1)}"
        return f"Hierarchy({counted}, depth {self.depth.max(initial=0)})"

    @cached_property
    def ancestor_matrix(self) -> sparse.csr_array:
        """(node, node) boolean CSR: True where the column is in the row's ancestor closure."""
        above: list[np.ndarray] = []
        parents: list[list[int]] = [[] for _ in self.nodes]
        for child, parent in self.edge_index.T.tolist():
            parents[child].append(parent)
        for node, direct in enumerate(parents):
            above.append(np.unique(np.concatenate([[node], *(above[p] for p in direct)])))
        indptr = np.cumsum([0, *(len(columns) for columns in above)])
        indices = np.concatenate(above).astype(np.int32) if above else np.zeros(0, np.int32)
        shape = (len(self), len(self))
        return sparse.csr_array((np.ones(len(indices), bool), indices, indptr), shape=shape)

    @cached_property
    def _descendant_matrix(self) -> sparse.csr_array:
        return sparse.csr_array(self.ancestor_matrix.T)

    def ancestors(self, name: str) -> frozenset[str]:
        """The node and everything above it; HierarchyError for an unknown name."""
        return self._row(self.ancestor_matrix, name)

    def descendants(self, name: str) -> frozenset[str]:
        """The node and everything below it; HierarchyError for an unknown name."""
        return self._row(self._descendant_matrix, name)

    def _row(self, matrix: sparse.csr_array, name: str) -> frozenset[str]:
        if name not in self.index:
            raise HierarchyError(f"expected one of the {len(self)} nodes, found {name!r}")
        row = self.index[name]
        columns = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        return frozenset(self.nodes[column] for column in columns)

    def close(self, y: Labels) -> Labels:
        """Close labels upward: every ancestor of a positive node becomes positive.

        Args:
            y: (…, node) zeros and ones, or booleans: numpy, torch, or a scipy sparse (example,
                node).

        Returns:
            A new object of the same type, shape and dtype.

        Raises:
            ValueError: the last axis is not the nodes.

        Examples:
            >>> import numpy as np
            >>> from pipeline.hml import Hierarchy
            >>> hierarchy = Hierarchy.from_edges([("cat", "mammal"), ("mammal", "animal")])
            >>> hierarchy.nodes
            ('animal', 'mammal', 'cat')
            >>> hierarchy.close(np.array([[0, 0, 1], [0, 1, 0], [0, 0, 0]])).tolist()
            [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
        """
        given: Any = y
        self.check_nodes(given.shape, "y")
        if sparse.issparse(y):
            closed: Any = sparse.csr_array(given).astype(np.bool_) @ self.ancestor_matrix
            closed.sort_indices()
            return type(given)(closed.astype(given.dtype))
        array: Any = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
        labels = array.reshape(-1, len(self)).astype(np.bool_)  # a copy: closed in place
        kernels.close_upward(labels.view(np.uint8), self.start, self.parent)
        labels = labels.reshape(array.shape)
        if isinstance(given, torch.Tensor):
            result: Any = torch.from_numpy(labels).to(device=given.device, dtype=given.dtype)
        else:
            result = labels.astype(array.dtype, copy=False)
        return result

    def support(self, y: sparse.csr_array) -> np.ndarray:
        """Positives of each node (node,) int64, labels (example, node) closed upward here.

        Examples:
            An example counts once for an ancestor, by however many nodes it has it:

            >>> from scipy import sparse
            >>> from pipeline.hml import Hierarchy
            >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
            >>> y = sparse.csr_array([[0, 1, 1], [0, 1, 0], [0, 0, 0]])  # animal, cat, dog
            >>> hierarchy.support(y).tolist()
            [2, 2, 1]
        """
        closed: Any = self.close(y)
        return closed.astype(np.int64).sum(axis=0)

    def check_nodes(self, shape: tuple[int, ...], what: str) -> None:
        """Raise ValueError unless the last axis of `shape` is the nodes."""
        if not shape or shape[-1] != len(self):
            raise ValueError(
                f"{what} must have the {len(self)} nodes of the hierarchy on its last axis. "
                f"Got shape {tuple(shape)}"
            )

    def check_closed(self, labels: np.ndarray) -> None:
        """Raise ValueError if labels (example, node) uint8 are not closed upward.

        Examples:
            >>> import numpy as np
            >>> from pipeline.hml import Hierarchy
            >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
            >>> hierarchy.check_closed(np.array([[1, 1, 0], [0, 0, 1]], np.uint8))
            Traceback (most recent call last):
            ValueError: y must ... In example 1 the node 'dog' is positive and its parent ... is not
        """
        row, child, parent = kernels.first_open_edge(labels, self.start, self.parent)
        if row >= 0:
            raise ValueError(
                f"y must be closed upward (see Hierarchy.close). In example {row} the node "
                f"{self.nodes[child]!r} is positive and its parent {self.nodes[parent]!r} is not"
            )


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise HierarchyError(f"expected node names as text, found {name!r}")
    return name


def _pair(edge: object) -> tuple[str, str]:
    if isinstance(edge, str) or not isinstance(edge, Iterable):
        raise HierarchyError(f"expected edges as (child, parent), found {edge!r}")
    ends = tuple(_name(end) for end in edge)
    if len(ends) != 2:
        raise HierarchyError(f"expected edges as (child, parent), found {edge!r}")
    return ends


def _longest_path_depth(parents: dict[str, set[str]]) -> dict[str, int]:
    children: dict[str, list[str]] = {name: [] for name in parents}
    for child, above in parents.items():
        for parent in above:
            children[parent].append(child)
    waiting = {name: len(above) for name, above in parents.items()}
    depth = {name: 0 for name, count in waiting.items() if count == 0}
    ready = deque(depth)
    done = 0
    while ready:
        parent = ready.popleft()
        done += 1
        for child in children[parent]:
            depth[child] = max(depth.get(child, 0), depth[parent] + 1)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    if done < len(parents):
        stuck = {name: parents[name] for name, count in waiting.items() if count}
        raise HierarchyError(
            f"expected a hierarchy without cycles, found {_one_cycle(stuck)} (child -> parent)"
        )
    return depth


def _one_cycle(parents: dict[str, set[str]]) -> str:
    """Every node here waits for another one that is here: walking up must come back."""
    node = min(parents)
    path: dict[str, None] = {}
    while node not in path:
        path[node] = None
        node = min(parent for parent in parents[node] if parent in parents)
    names = list(path)
    cycle = [*names[names.index(node) :], node]
    shown = [repr(name) for name in cycle]
    if len(shown) > 12:
        shown = [*shown[:6], f"… {len(shown) - 11} more …", *shown[-5:]]
    return " -> ".join(shown)
