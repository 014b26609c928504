"""Members that average the labels of an example's nearest training examples."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.averages import AveragingMembers, stored, stored_features
from pipeline.hml.unknown import Unknown

NEIGHBOURS = 40
EXACT = 100_000  # training examples; with more the search is approximate
# Among so many times as many as a member needs, enough are mostly left when those that it leaves
# out go.
_SPARE = 1.6
# Where these do not do, so many times as many are searched, and so on up to all.
_FURTHER = 16
_BLOCK = 2_000_000  # entries (example, searched) at a time, some 64 bytes each
_ROUNDING = 5e-7  # more than float32 makes of one and the same similarity
_EQUAL = 1e-9  # the same in float64
# Of the graph. Of the 80 nearest among 20,000 in 256 dimensions all are found where the spectrum
# falls, as it does in data; of those in Gaussian noise, where all are about as near, 96 %.
_DEGREE, _BREADTH_BUILDING, _BREADTH = 32, 100, 400


class NeighbourMembers(AveragingMembers):
    """Nearest neighbours by cosine, weighted by their similarity.

    All members search the same examples; each takes the nearest ones among those that it learns
    from. Where several are the last one, equally near, they share its place. Without any feature
    that differs from the mean there is no direction: such training examples are nobody's
    neighbours, and such examples get the prior.

    Among more than `EXACT` training examples most of the nearest ones are found, not all. The
    graph for that is built when first asked for, on one thread and with a fixed seed: on the same
    machine it is always the same.

    Args:
        features: (row, feature) float32 of the training examples, standardised.
        labels: see `AveragingMembers`, as are hierarchy and learns.
        hierarchy: of the nodes.
        learns: (member, row) bool.
        neighbours: how many, at most.
        weight: see `AveragingMembers`. As many neighbours as weigh so much are taken, of the last
            ones as much as is wanted.
        unknown: see `LabelledMembers`.
    """

    kind: ClassVar[str] = "neighbours"

    def __init__(
        self,
        features: Float[np.ndarray, "row feature"],
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        learns: Bool[np.ndarray, "member row"],
        *,
        neighbours: int = NEIGHBOURS,
        weight: Float[np.ndarray, " row"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        from sklearn.neighbors import NearestNeighbors  # it takes seconds to import

        super().__init__(labels, hierarchy, learns, weight, unknown)
        self._examples = features
        self.features = features.shape[1]
        self._neighbours = neighbours
        self._usable = learns & features.any(1)
        kept = max(self._usable.mean(), 1e-3)
        mean = 1.0 if weight is None else float(weight.mean())
        wanted = min(neighbours / mean, len(features))
        self._searched = min(len(features), math.ceil(_SPARE * wanted / kept))
        self._index: Any = NearestNeighbors(n_neighbors=self._searched, metric="cosine")
        self._index.fit(features)
        self._graph: _Graph | None = None
        self.width = max(self.width, len(features), self.count * self._searched)

    def weights(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"],
    ) -> sparse.csr_array:
        """See `AveragingMembers`."""
        order: list[np.ndarray] = []
        found: list[sparse.csr_array] = []
        left, searched = np.flatnonzero(x.any(1)), self._searched
        while len(left):
            size = max(1, _BLOCK // searched)
            parts = [left[start : start + size] for start in range(0, len(left), size)]
            again: list[np.ndarray] = []
            for part in parts:
                weight, short = self._nearest(x[part], share[:, part], searched)
                order.append(part[~short])
                found.append(weight[~short])
                again.append(part[short])
            # Where many look-alikes are left out, or many are equally near, these are too few.
            left, searched = np.concatenate(again), min(_FURTHER * searched, len(self._examples))
        found.append(sparse.csr_array((1, len(self._examples))))  # of those without direction
        placed = np.concatenate([*order, np.empty(0, dtype=np.intp)])
        place = np.full(len(x), len(placed))
        place[placed] = np.arange(len(placed))
        joined: Any = sparse.vstack(found, format="csr")
        return joined[place]

    def _nearest(
        self, x: np.ndarray, share: np.ndarray, searched: int
    ) -> tuple[sparse.csr_array, Bool[np.ndarray, " example"]]:
        """W from so many nearest examples, and for whom these may be too few for a member."""
        distance, row = self._search(x, searched)
        # In the order of the rows: that of the search is float32's, which rounds by the block.
        order = np.argsort(row, axis=1)
        row = np.take_along_axis(row, order, 1)
        rank = 1 - np.take_along_axis(distance, order, 1).astype(np.float64)
        farthest, known = rank.min(1), np.zeros(row.shape, dtype=np.bool_)
        total, short = np.zeros(row.shape), np.zeros(len(x), dtype=np.bool_)
        mass = None if self.weight is None else self.weight[row]
        for member, usable in enumerate(self._usable):
            everything = _weight_of(self.weight, usable)
            counts, wanted = share[member] > 0, min(self._neighbours, everything)
            if not counts.any() or not wanted:
                continue
            allowed = usable[row]
            edge = _edge(rank, allowed, wanted, mass)
            near = allowed & (np.abs(rank - edge) <= _ROUNDING)
            # Float32 cannot say who of these is nearer; how it rounds depends on the block.
            near &= ~known & (near.sum(1, keepdims=True) > 1)
            if near.any():
                rank[near] = self._similarities(x, row, near)
                known |= near
                edge = _edge(rank, allowed, wanted, mass)
            above = allowed & (rank > edge + _EQUAL)
            tied = allowed & (np.abs(rank - edge) <= _EQUAL)
            if mass is None:
                places = wanted - above.sum(1, keepdims=True)
                part = above + tied * (places / np.maximum(tied.sum(1, keepdims=True), 1))
            else:
                above, tied = above * mass, tied * mass
                places = wanted - above.sum(1, keepdims=True)
                held = tied.sum(1, keepdims=True)
                part = above + tied * (places / np.where(held > 0, held, 1))
            taken = (part > 0) & ~known
            if taken.any():
                rank[taken] = self._similarities(x, row, taken)
                known |= taken
            # A similarity of nothing would leave an example without any neighbour.
            weight = np.maximum(rank, 1e-6) * part
            if searched < len(self._examples):
                short |= counts & (edge[:, 0] <= farthest + _ROUNDING)
            # One after the other, so that rows of no weight between them change no last bit.
            sums = weight.cumsum(1)[:, -1:]
            least = 1e-9 if mass is None else np.finfo(np.float64).tiny
            total += share[member][:, None] * weight / np.maximum(sums, least)
        start = np.arange(0, row.size + 1, searched)
        shape = (len(x), len(self._examples))
        found = sparse.csr_array((total.ravel(), row.ravel(), start), shape=shape)
        found.eliminate_zeros()
        return found, short

    def _search(self, x: np.ndarray, searched: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances to, and rows of, so many nearest examples, the nearest first."""
        if len(self._examples) <= EXACT or searched == len(self._examples):
            return self._index.kneighbors(x, n_neighbors=searched)
        if self._graph is None:
            self._graph = _Graph(self._examples)
        row = self._graph.nearest(x, searched)
        distance = np.empty(row.shape)
        lost = row[:, 0] < 0
        if lost.any():
            distance[lost], row[lost] = self._index.kneighbors(x[lost], n_neighbors=searched)
        here = np.broadcast_to(~lost[:, None], row.shape)
        distance[here] = 1 - self._similarities(x, row, here)
        order = np.argsort(distance, axis=1, kind="stable")
        return np.take_along_axis(distance, order, 1), np.take_along_axis(row, order, 1)

    def _similarities(
        self, x: np.ndarray, row: np.ndarray, which: Bool[np.ndarray, "example place"]
    ) -> Float[np.ndarray, " pair"]:
        """Cosines in float64, of the examples and the rows where `which` is true."""
        example, place = np.nonzero(which)
        result = np.empty(len(example))
        size = max(1, _BLOCK // self.features)
        for start in range(0, len(example), size):
            part = slice(start, start + size)
            one = x[example[part]].astype(np.float64)
            other = self._examples[row[example[part], place[part]]].astype(np.float64)
            lengths = np.sqrt((one**2).sum(1) * (other**2).sum(1))
            result[part] = np.einsum("pf,pf->p", one, other) / np.where(lengths > 0, lengths, 1)
        return result

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        return super().arrays() | {"features": self._examples}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"neighbours": self._neighbours}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "NeighbourMembers":
        """See `Members`."""
        features, neighbours = stored_features(arrays), options["neighbours"]
        if not isinstance(neighbours, int) or neighbours < 1:
            raise ValueError(f"neighbours must be a whole number from 1. Got {neighbours!r}")
        labels, learns, weight, unknown = stored(arrays, hierarchy)
        return cls(
            features,
            labels,
            hierarchy,
            learns,
            neighbours=neighbours,
            weight=weight,
            unknown=unknown,
        )


class _Graph:
    """Approximate search in a navigable graph (Malkov & Yashunin, TPAMI 2020), by faiss.

    Equal examples stand in the graph once: each other's nearest, they would be a dead end of it.
    Those without any direction do not.

    Args:
        features: (row, feature) float32.
    """

    def __init__(self, features: Float[np.ndarray, "row feature"]) -> None:
        import faiss  # it takes a while to import

        rows = np.flatnonzero(features.any(1))
        plain = np.ascontiguousarray(features[rows]) + np.float32(0)  # of -0, too
        _, first, group = np.unique(
            plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1])))[:, 0],
            return_index=True,
            return_inverse=True,
        )
        self._row = rows[np.argsort(group, kind="stable")]  # group by group
        self._start = np.append(0, np.cumsum(np.bincount(group)))
        self._faiss: Any = faiss
        self._index: Any = faiss.IndexHNSWFlat(plain.shape[1], _DEGREE, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = _BREADTH_BUILDING
        with self._one_thread():  # with more the graph would vary
            self._index.add(_directions(plain[first]))

    def nearest(
        self, x: Float[np.ndarray, "example feature"], number: int
    ) -> Int[np.ndarray, "example number"]:
        """Rows that are about the nearest; only -1 for an example where they are too few."""
        groups = len(self._start) - 1
        breadth = self._faiss.SearchParametersHNSW(efSearch=max(_BREADTH, number))
        with self._one_thread():
            _, group = self._index.search(_directions(x), min(number, groups), params=breadth)
        size = np.where(group >= 0, np.diff(self._start)[group], 0)
        end = np.minimum(np.cumsum(size, axis=1), number)
        full = end[:, -1] == number
        result = np.full((len(x), number), -1)
        count = np.diff(end[full], axis=1, prepend=0).ravel()
        # Ranges from each group's start, one behind the other.
        first = self._start[group[full]].ravel() - np.append(0, np.cumsum(count)[:-1])
        position = np.repeat(first, count) + np.arange(count.sum())
        result[full] = self._row[position].reshape(-1, number)
        return result

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """The runtime may be torch's, and the number too: it is put back."""
        threads = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)
        try:
            yield
        finally:
            self._faiss.omp_set_num_threads(threads)


def _weight_of(
    weight: Float[np.ndarray, " row"] | None, usable: Bool[np.ndarray, " row"]
) -> int | float:
    """The weight of the examples that a member may take."""
    return int(usable.sum()) if weight is None else float(weight[usable].sum())


def _edge(
    rank: Float[np.ndarray, "example place"],
    allowed: Bool[np.ndarray, "example place"],
    wanted: int | float,
    mass: Float[np.ndarray, "example place"] | None,
) -> Float[np.ndarray, "example 1"]:
    """The rank down to which the allowed ones weigh what is wanted, -inf where all weigh less."""
    if mass is None:
        return _largest(rank, allowed, int(wanted))
    order = np.argsort(-rank, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(np.where(allowed, mass, 0.0), order, 1), axis=1)
    enough = reached >= wanted * (1 - 1e-12)  # sums in another order differ in their last bits
    last = np.take_along_axis(rank, np.take_along_axis(order, enough.argmax(1)[:, None], 1), 1)
    return np.where(enough[:, -1:], last, -np.inf)


def _largest(
    values: Float[np.ndarray, "example place"], allowed: Bool[np.ndarray, "example place"], nth: int
) -> Float[np.ndarray, "example 1"]:
    """The nth largest of the allowed values, -inf where there are fewer."""
    if nth > values.shape[1]:
        return np.full((len(values), 1), -np.inf)
    kept = np.where(allowed, values, -np.inf)
    return np.partition(kept, -nth, axis=1)[:, -nth, None]


def _directions(x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row feature"]:
    """Rows of length 1, float32; none may be all zeros."""
    length = np.sqrt(np.einsum("rf,rf->r", x, x, dtype=np.float64))
    return np.ascontiguousarray(x / length[:, None], dtype=np.float32)
