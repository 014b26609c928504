"""What became of each node on the test split: found, missed, wrongly found, and taken for what."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from pipeline.hml import Ensemble
from pipeline.hml.unknown import dense
from pipeline.stages.learning import Problem

SCHEMA = 1
NODES = 5000  # the rarest ones with a positive to learn from and one to be tested on
CONFUSED = 3  # other nodes of each sort
SHOWN = 3  # examples of each sort
PAIRS = 4_000_000  # of a described node and another one that are counted at a time, 32 MB
_SORTS = ("found", "missed", "wrong")


class Outcomes:
    """Counts what became of the nodes while predictions of the test split pass.

    Args:
        ensemble: decides by `tuned` where it has that rule, else by `half`.
        problem: the data.
        support: (node,) positives in train+valid.
    """

    def __init__(self, ensemble: Ensemble, problem: Problem, support: np.ndarray) -> None:
        test = problem.data.rows("test")
        self._ensemble = ensemble
        self._rule = "tuned" if "tuned" in ensemble.cuts else "half"
        self._labels, self._unknown = problem.labels[test], problem.unknown_of(test)
        self._specific = sparse.csr_array(problem.data.labels[test]).astype(np.int32)
        self._ids = problem.data.examples["id"].to_numpy()[test]
        positives = self._labels.sum(axis=0, dtype=np.int64)
        asked = np.flatnonzero(problem.scored & (positives > 0) & (support > 0))
        chosen = np.sort(asked[np.argsort(support[asked], kind="stable")][:NODES])
        self._nodes, self._chosen = problem.hierarchy.nodes, chosen
        child, parent = problem.hierarchy.edge_index
        shape = (len(self._nodes), len(self._nodes))
        ones = np.ones(len(child), np.int32)
        self._above = sparse.csr_array((ones, (child, parent)), shape=shape)
        self._count = np.zeros((len(_SORTS), len(chosen)), np.int64)
        shape = (len(chosen), len(self._nodes))
        self._confused: list[Any] = [sparse.csr_array(shape, dtype=np.int32) for _ in range(2)]
        # (sort, chosen, shown) the examples so far, by what comes first.
        self._rank = np.full((len(_SORTS), len(chosen), SHOWN), np.inf)
        self._row = np.full(self._rank.shape, -1, np.int64)

    def add(self, rows: slice, p: np.ndarray) -> None:
        """Count a block of probabilities (example, node)."""
        decided = np.asarray(self._ensemble.decide(p, self._rule), np.bool_)
        truth, unknown = self._labels[rows].toarray(), dense(self._unknown, rows)
        wrong = decided & ~truth if unknown is None else decided & ~truth & ~unknown
        given: Any = sparse.csr_array(wrong).astype(np.int32)
        covered = ((sparse.csr_array(decided).astype(np.int32) @ self._above) > 0).toarray()
        lowest = given.multiply(~covered)
        y, yes = truth[:, self._chosen], decided[:, self._chosen]
        sorts = (y & yes, y & ~yes, wrong[:, self._chosen])
        for place, sort in enumerate(sorts):
            self._count[place] += sort.sum(axis=0)
            sign = 1 if _SORTS[place] == "missed" else -1
            self._keep(place, rows.start, np.where(sort, sign * p[:, self._chosen], np.inf))
        for which, sort, others in ((0, 2, self._specific[rows]), (1, 1, lowest)):
            examples = sparse.csr_array(sorts[sort].T).astype(np.int32)
            counted = self._confused[which] + examples @ sparse.csr_array(others)
            self._confused[which] = _frequent(counted) if counted.nnz > PAIRS else counted

    def result(self) -> dict[str, Any]:
        """What outcomes.json says: the rule, and what became of the nodes under it.

        Each node has its `cut`, how many test examples were `found`, `missed` and `wrong`ly found,
        and up to `SHOWN` of each by id and probability: the most probable ones, of the missed the
        least probable. `wrong_with` counts the most specific labels of the wrongly found,
        `missed_as` the most specific nodes that the missed have been given and do not have,
        `CONFUSED` of each. Where there are more than `PAIRS` of either, the seldom ones of each
        node are forgotten on the way: a count may then be too low, and is never too high.
        """
        cuts = self._ensemble.cuts[self._rule]
        nodes = {
            self._nodes[int(node)]: {"cut": _short(float(cuts[node]))} | described
            for node, described in zip(self._chosen, self._described(), strict=True)
        }
        return {"schema": SCHEMA, "rule": self._rule, "nodes": nodes}

    def _described(self) -> Iterator[dict[str, Any]]:
        """What is said of each chosen node, but for its cut."""
        for place in range(len(self._chosen)):
            yield {
                **{
                    sort: int(count)
                    for sort, count in zip(_SORTS, self._count[:, place], strict=True)
                },
                "wrong_with": self._most(0, place),
                "missed_as": self._most(1, place),
                "examples": {
                    sort: [
                        [str(self._ids[row]), _short(abs(rank))]
                        for rank, row in zip(
                            self._rank[number, place], self._row[number, place], strict=True
                        )
                        if row >= 0
                    ]
                    for number, sort in enumerate(_SORTS)
                },
            }

    def _keep(self, place: int, start: int, rank: np.ndarray) -> None:
        """Keep those that come first, of this block (example, chosen) and of those before."""
        ranks, rows = [self._rank[place]], [self._row[place]]
        node = np.arange(rank.shape[1])
        for _ in range(SHOWN):  # of a large block much faster than sorting it
            first = rank.argmin(axis=0)
            ranks.append(rank[first, node][:, None])
            rows.append(np.where(np.isinf(ranks[-1]), -1, first[:, None] + start))
            rank[first, node] = np.inf
        ranks, rows = (np.concatenate(parts, axis=1) for parts in (ranks, rows))
        order = np.argsort(ranks, axis=1, kind="stable")[:, :SHOWN]
        self._rank[place] = np.take_along_axis(ranks, order, axis=1)
        self._row[place] = np.take_along_axis(rows, order, axis=1)

    def _most(self, which: int, place: int) -> list[list[Any]]:
        """The nodes that are counted most often, with their counts; ties in node order."""
        line = self._confused[which][[place]].tocsr()
        line.sort_indices()
        order = np.argsort(-line.data, kind="stable")[:CONFUSED]
        return [
            [self._nodes[int(line.indices[at])], int(line.data[at])]
            for at in order
            if line.data[at] > 0
        ]


def _frequent(counted: Any) -> Any:
    """The most frequent others of each node (node, other), at most half as many as `PAIRS`."""
    node = np.repeat(np.arange(counted.shape[0], dtype=np.int32), np.diff(counted.indptr))
    order = np.lexsort((counted.indices, -counted.data, node))
    rank = np.arange(len(order)) - counted.indptr[node]  # sorted by node, each has its old places
    kept = order[rank < max(CONFUSED, PAIRS // 2 // counted.shape[0])]
    pairs = node[kept], counted.indices[kept]
    return sparse.csr_array((counted.data[kept], pairs), shape=counted.shape)


def _short(value: float) -> float | None:
    """Three digits; None for an infinite cut, which predicts nothing."""
    return float(f"{value:.3g}") if np.isfinite(value) else None
