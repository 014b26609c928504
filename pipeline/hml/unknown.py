"""Labels that are unknown: nobody says whether the example has the node.

An unknown entry (example, node) enters no loss and no figure, and a cut only where it is work or
noise that is measured: `budget` counts all examples, and how far members differ is seen on all of
them (`calibration.Noise`). What is known is closed: what lies above a positive is positive, what
lies below a negative is negative. So everything above an unknown entry is positive or unknown.

A node's share is that among its known examples, p / (p + n) with p positives and n negatives. A
child has at most its parent's positives and at least its negatives, so shares are coherent.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml import example_weights, kernels
from pipeline.hml.constraint import coherent
from pipeline.hml.example_weights import Weight
from pipeline.hml.hierarchy import Hierarchy

Unknown = sparse.csr_array[Any, tuple[int, int]]
HIDDEN = -1.0  # the score of an unknown entry where scores are ranked: below all others
_BLOCK = 16_000_000  # entries (example, node) that are checked at a time


def checked(unknown: Any, closed: sparse.csr_array, hierarchy: Hierarchy) -> Unknown | None:
    """Unknown labels as boolean CSR (example, node) without stored zeros; None if there is none.

    Args:
        unknown: sparse (example, node) zeros and ones, or None.
        closed: (example, node) boolean CSR of the positives, closed upward.
        hierarchy: of the nodes.

    Raises:
        ValueError: another shape, a positive is unknown, or an unknown entry lies below a negative.
    """
    if unknown is None:
        return None
    found: Unknown = sparse.csr_array(unknown).astype(np.bool_)  # a copy
    if found.shape != closed.shape:
        raise ValueError(f"unknown must have shape {closed.shape}. Got {found.shape}")
    found.sum_duplicates()
    found.eliminate_zeros()
    if not found.nnz:
        return None
    some = np.flatnonzero(np.diff(found.indptr))
    size = max(1, _BLOCK // len(hierarchy))
    for first in range(0, len(some), size):
        rows = some[first : first + size]
        positive = closed[rows].astype(np.bool_).toarray()
        possible = found[rows].toarray()
        example, node = np.nonzero(positive & possible)
        if len(example):
            raise ValueError(
                "unknown must not hold positives. In example "
                f"{rows[example[0]]} the node {hierarchy.nodes[node[0]]!r} is positive"
            )
        possible |= positive
        row, child, parent = kernels.first_open_edge(
            possible.view(np.uint8), hierarchy.start, hierarchy.parent
        )
        if row >= 0:
            raise ValueError(
                "unknown must hold no node below a negative. In example "
                f"{rows[row]} the node {hierarchy.nodes[child]!r} is unknown and its parent "
                f"{hierarchy.nodes[parent]!r} is negative"
            )
    return found


def known(
    closed: sparse.csr_array, unknown: Unknown | None, weight: Weight | None = None
) -> int | float | Float[np.ndarray, " node"]:
    """The weight of each node's known examples, at least that of its positives.

    Args:
        closed: (example, node) boolean CSR of the positives, closed upward.
        unknown: (example, node), see `checked`.
        weight: (example,); None is 1.

    Returns:
        (node,) float64, or one number where everything is known.
    """
    total = example_weights.total(weight, closed.shape[0])
    if unknown is None:
        return total
    missing, positive = (example_weights.support(part, weight) for part in (unknown, closed))
    # Sums in another order differ in their last bits: without a negative all that is known is
    # positive.
    counts = (example_weights.support(part, None) for part in (unknown, closed))
    negative = closed.shape[0] - sum(counts) > 0
    return np.where(negative, np.maximum(total - missing, positive), positive)


def known_share(
    closed: sparse.csr_array,
    unknown: Unknown | None,
    hierarchy: Hierarchy,
    weight: Weight | None = None,
) -> Float[np.ndarray, " node"]:
    """Each node's share of positives among its known examples (node,) float64; 0 without any."""
    found, everything = example_weights.support(closed, weight), known(closed, unknown, weight)
    if unknown is None:
        return found / everything
    found = np.divide(found, everything, out=np.zeros_like(found), where=found > 0)
    return coherent(found, hierarchy)  # rounding


def rankable(
    positive: Int[np.ndarray, " node"], missing: Int[np.ndarray, " node"], examples: int
) -> Bool[np.ndarray, " node"]:
    """Which nodes have an average precision: a positive, unless all of its others are unknown.

    Args:
        positive: (node,) how many known positives each has.
        missing: (node,) how many of its labels are unknown.
        examples: how many there are.
    """
    return (positive > 0) & ((missing == 0) | (positive + missing < examples))


def imputed(
    closed: sparse.csr_array, unknown: Unknown | None, share: Float[np.ndarray, " node"]
) -> sparse.csr_array:
    """Labels (example, node), of the shares' type, with its node's share for an unknown one.

    An example's line stays coherent, because the shares are.
    """
    labels = sparse.csr_array(closed).astype(share.dtype)
    if unknown is None:
        return labels
    taken = sparse.csr_array(
        (share[unknown.indices], unknown.indices, unknown.indptr), unknown.shape
    )
    return sparse.csr_array(labels + taken)


def dense(unknown: Unknown | None, rows: Any) -> Bool[np.ndarray, "row node"] | None:
    """Some rows as an array; None where everything is known."""
    if unknown is None:
        return None
    some: Any = unknown[rows]
    return some.toarray()
