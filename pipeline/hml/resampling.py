"""Random oversampling along the paths of rare nodes: the baseline `oversampling`."""

import numpy as np
from jaxtyping import Int
from scipy import sparse

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import scored_nodes

CLONES = 0.25  # of the examples; Charte et al. clone between 10 and 25 %


def minority_clones(
    rows: sparse.csr_array, hierarchy: Hierarchy, *, scored: np.ndarray | None = None, seed: int
) -> Int[np.ndarray, " clone"]:
    """Examples to be repeated, so that rare nodes are met more often: ML-ROS on closed labels.

    Charte, Rivera, del Jesus & Herrera, "Addressing imbalance in multilabel classification:
    Measures and random resampling algorithms", Neurocomputing 163, 2015. A label's imbalance is the
    positives of the most frequent label over its own; a minority label is one whose imbalance
    exceeds the mean over the labels. In turn, each minority label has one of its examples, drawn at
    random, cloned, until its imbalance, clones counted, is down to that mean, or the share `CLONES`
    is reached. A clone has all labels of its example. In a hierarchy these are whole paths: what is
    oversampled is each path that a minority node ends.

    The authors leave open which label's turn it is; here an order of chance, another in each round.
    In node order the deepest nodes would go without where they are more than the clones.

    Args:
        rows: (example, node) boolean CSR of the training examples; most specific nodes suffice.
        hierarchy: of the nodes.
        scored: (node,) bool, the nodes that are labels here, if they have positives; None is all.
        seed: of what is cloned.

    Returns:
        Positions of rows, one for each clone, in the order in which they were drawn; at most
        `CLONES` times the examples, fewer where no minority label is left.

    Raises:
        ValueError: `scored` is not a mask over the nodes.
    """
    closed = hierarchy.close(rows)
    closed.eliminate_zeros()  # what is stored counts below
    support = np.bincount(closed.indices, minlength=len(hierarchy))
    labels = scored_nodes(scored, hierarchy) & (support > 0)
    if not labels.any():
        return np.zeros(0, dtype=np.int64)
    support = np.where(labels, support, 0)
    most = support.max()
    mean = (most / support[labels]).mean()
    by_node = sparse.csc_array(closed)
    minority = np.flatnonzero(labels)[most / support[labels] > mean]
    rng = np.random.default_rng([seed, 6])
    clones: list[int] = []
    wanted = int(CLONES * rows.shape[0])
    while len(minority) and len(clones) < wanted:
        still: list[int] = []
        for node in rng.permutation(minority)[: wanted - len(clones)].tolist():
            row = int(rng.choice(by_node.indices[by_node.indptr[node] : by_node.indptr[node + 1]]))
            clones.append(row)
            path = closed.indices[closed.indptr[row] : closed.indptr[row + 1]]
            support[path] += labels[path]
            most = max(most, support[path].max())
            if most / support[node] > mean:
                still.append(node)
        minority = np.array(still, dtype=np.int64)
    return np.array(clones, dtype=np.int64)
