"""A part of the training examples: what a data set would be if less of it were labelled."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy import sparse

from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from pipeline.stages import labelling

_T = TypeVar("_T")


def thinned(raw: RawDataset, share: float, seed: int) -> RawDataset:
    """A data set with a share of its training (and validation) examples and its whole test split.

    Subsets of a seed are nested, a larger share adds to a smaller one. The first examples are some
    that hold every node that any holds, for the rarest node first: a node keeps a positive wherever
    there is room. The others come in an order in which each set of labels has, up to one example,
    its share of any subset.

    Args:
        raw: whose source gives the test split.
        share: above 0, up to 1.
        seed: of the order.

    Raises:
        DatasetError: the test split is drawn, and so would not be the same in every subset.
    """
    if raw.splits is None or "test" not in raw.splits:
        raise DatasetError("expected a data set that comes with a test split, found none")
    test = np.array(raw.splits, dtype=object) == "test"
    known = np.flatnonzero(~test)
    count = max(1, round(share * len(known)))
    chosen = known[_order(raw, known, seed)[:count]]
    return _part(raw, np.sort(np.concatenate([chosen, np.flatnonzero(test)])))


def _order(raw: RawDataset, rows: np.ndarray, seed: int) -> np.ndarray:
    """Places among the rows, whose beginnings are the subsets."""
    rng = np.random.default_rng(seed)
    hierarchy = labelling.build(raw.nodes, raw.edges)
    closed = hierarchy.close(labelling.label_matrix(raw.labels, hierarchy))
    closed = sparse.csr_array(closed[rows])
    closed.sort_indices()
    alike: dict[bytes, list[int]] = {}
    for place in rng.permutation(len(rows)).tolist():
        ends = slice(closed.indptr[place], closed.indptr[place + 1])
        alike.setdefault(closed.indices[ends].tobytes(), []).append(place)
    position = np.empty(len(rows))
    for places in alike.values():
        # The j-th of n alike lies in the j-th of n parts of the order.
        position[places] = (np.arange(len(places)) + rng.random(len(places))) / len(places)
    first = _covering(closed, position)
    position[first] = np.arange(len(first)) - len(first)
    return np.argsort(position, kind="stable")


def _covering(closed: sparse.csr_array, position: np.ndarray) -> list[int]:
    """Examples that hold every node, for the rarest one first; early ones where there is choice."""
    by_node = sparse.csc_array(closed)
    support = np.diff(by_node.indptr)
    covered, found = support == 0, list[int]()
    for node in np.argsort(support, kind="stable").tolist():
        if covered[node]:
            continue
        places = by_node.indices[by_node.indptr[node] : by_node.indptr[node + 1]]
        best = int(places[np.argmin(position[places])])
        found.append(best)
        covered[closed.indices[closed.indptr[best] : closed.indptr[best + 1]]] = True
    return found


def _part(raw: RawDataset, rows: np.ndarray) -> RawDataset:
    images = raw.images
    if images is not None:
        images = images._replace(
            pixels=images.pixels[rows],
            names=_of(images.names, rows),
            facts=None if images.facts is None else images.facts.iloc[rows].reset_index(drop=True),
        )
    return replace(
        raw,
        ids=_of(raw.ids, rows),
        groups=_of(raw.groups, rows),
        labels=_of(raw.labels, rows),
        attributes=raw.attributes.iloc[rows].reset_index(drop=True),
        splits=None if raw.splits is None else _of(raw.splits, rows),
        moments=None if raw.moments is None else _of(raw.moments, rows),
        unknown=None if raw.unknown is None else sparse.csr_array(raw.unknown[rows]),
        images=images,
    )


def _of(values: tuple[_T, ...], rows: np.ndarray) -> tuple[_T, ...]:
    return tuple(values[row] for row in rows.tolist())
