"""Sums that members predict by, compiled."""

import numpy as np

from pipeline.hml.kernels import compiled


@compiled
def add_bounded(
    found: np.ndarray,
    column: np.ndarray,
    prior: np.ndarray,
    floor: np.ndarray,
    kept: np.float32,
    start: np.ndarray,
    parent: np.ndarray,
    share: np.ndarray,
    row: np.ndarray,
    into: np.ndarray,
) -> None:
    """Coherent probabilities, times what they count, added to some rows of `into`.

    Args:
        found: (example, column) float32 weighted sums of labels and of weights.
        column: (node + 1,) where each node is in `found`, and last the weights.
        prior: (node,) float32, of which a prediction has what its weights lack to 1.
        floor: (node,) float32, the part of the prior that is in every probability.
        kept: the other part.
        start: (node + 1,) of each node in `parent`, see `kernels`.
        parent: (edge,).
        share: (example,) float32 what each counts.
        row: (example,) where it goes.
        into: (row, node) float32.
    """
    nodes = len(prior)
    one, none = np.float32(1), np.float32(0)
    p = np.empty(nodes, np.float32)
    for example in range(len(found)):
        line, lacking = found[example], one - found[example, column[nodes]]
        for node in range(nodes):
            value = line[column[node]] + lacking * prior[node]
            p[node] = min(max(value, none), one) * kept + floor[node]
        for node in range(nodes - 1, -1, -1):  # what lies below has arrived
            for edge in range(start[node], start[node + 1]):
                if p[node] > p[parent[edge]]:
                    p[parent[edge]] = p[node]
        target, counts = into[row[example]], share[example]
        for node in range(nodes):
            target[node] += p[node] * counts


@compiled
def add_labels(
    start: np.ndarray,
    row: np.ndarray,
    weight: np.ndarray,
    label_start: np.ndarray,
    label_node: np.ndarray,
    label: np.ndarray,
    into: np.ndarray,
) -> None:
    """Add the product of two matrices in compressed rows to a dense one.

    Args:
        start: (example + 1,) of each example's weights.
        row: (weight,) whose labels they weigh.
        weight: (weight,) float32; a row may be there several times.
        label_start: (row + 1,) of each row's labels.
        label_node: (label,).
        label: (label,) float32.
        into: (example, node) float32.
    """
    for example in range(len(into)):
        target = into[example]
        for place in range(start[example], start[example + 1]):
            weighs = weight[place]
            for entry in range(label_start[row[place]], label_start[row[place] + 1]):
                target[label_node[entry]] += weighs * label[entry]
