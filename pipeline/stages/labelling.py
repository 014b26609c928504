"""Labels as a source gives them -> the hierarchy and the most specific labels of the core."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from pipeline.errors import HierarchyError
from pipeline.hml import Hierarchy


def build(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> Hierarchy:
    """The hierarchy of a source.

    Args:
        nodes: every node id.
        edges: (child, parent) ids.

    Raises:
        HierarchyError: an edge names an unknown node, or `Hierarchy.from_edges` refuses the edges.
    """
    known, pairs = set(nodes), list(edges)
    unknown = sorted({end for edge in pairs for end in edge} - known)
    if unknown:
        raise HierarchyError(
            f"expected edges between known nodes, found {len(unknown)} unknown: "
            + ", ".join(unknown[:5])
            + (", …" if len(unknown) > 5 else "")
        )
    return Hierarchy.from_edges(pairs, nodes=known)


def label_matrix(labels: Iterable[Iterable[str]], hierarchy: Hierarchy) -> sparse.csr_array:
    """Node ids per example -> (example, node) boolean CSR. Every id must be a node."""
    columns = [sorted({hierarchy.index[label] for label in example}) for example in labels]
    starts = np.cumsum([0, *(len(row) for row in columns)])
    indices = np.array([column for row in columns for column in row], dtype=np.int64)
    shape = (len(columns), len(hierarchy))
    return sparse.csr_array((np.ones(len(indices), dtype=bool), indices, starts), shape=shape)


def most_specific(labels: sparse.csr_array, hierarchy: Hierarchy) -> sparse.csr_array:
    """Leave out every label that lies above another label of the same example."""
    given: Any = labels.astype(np.int32)
    # How many of the example's labels are in each node's descendants, itself included.
    below: Any = given @ hierarchy.ancestor_matrix.astype(np.int32)
    kept: Any = sparse.csr_array(given.multiply(below == 1)).astype(np.bool_)
    kept.eliminate_zeros()
    kept.sort_indices()
    return kept
