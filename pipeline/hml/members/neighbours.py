"""Members that average the labels of an example's nearest training examples."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.averages import AveragingMembers, stored_labels

NEIGHBOURS = 40
# Among so many times as many as a member needs, enough are mostly left when those that it leaves
# out go.
_SPARE = 1.6


class NeighbourMembers(AveragingMembers):
    """Nearest neighbours by cosine, weighted by their similarity.

    All members search the same examples; each takes the nearest ones among those that it learns
    from.

    Args:
        features: (row, feature) float32 of the training examples, standardised.
        labels: see `AveragingMembers`, as are hierarchy and learns.
        hierarchy: of the nodes.
        learns: (member, row) bool.
        neighbours: how many, at most.
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
    ) -> None:
        from sklearn.neighbors import NearestNeighbors  # it takes seconds to import

        super().__init__(labels, hierarchy, learns)
        self._examples = features
        self.features = features.shape[1]
        self._neighbours = neighbours
        kept = max(learns.mean(), 1e-3)
        wanted = min(neighbours, len(features))
        self._searched = min(len(features), math.ceil(_SPARE * wanted / kept))
        self._index: Any = NearestNeighbors(n_neighbors=self._searched, metric="cosine")
        self._index.fit(features)
        self.width = max(self.width, len(features), self.count * self._searched)

    def weights(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"],
    ) -> sparse.csr_array:
        """See `AveragingMembers`."""
        found, short = self._nearest(x, share, self._searched)
        if not short.any():
            return found
        # Where a large group of look-alikes is left out, nothing short of all examples is enough.
        whole, _ = self._nearest(x[short], share[:, short], len(self._examples))
        whole.eliminate_zeros()
        order = np.arange(len(x))
        order[short] = len(x) + np.arange(len(x[short]))
        joined: Any = sparse.vstack([found, whole], format="csr")
        return joined[order]

    def _nearest(
        self, x: np.ndarray, share: np.ndarray, searched: int
    ) -> tuple[sparse.csr_array, Bool[np.ndarray, " example"]]:
        """W from so many nearest examples, and for whom these hold too few that a member takes."""
        distance, row = self._index.kneighbors(x, n_neighbors=searched)
        # A similarity of nothing would leave an example without any neighbour.
        similarity = np.maximum(1 - distance.astype(np.float64), 1e-6)
        total, short = np.zeros(similarity.shape), np.zeros(len(x), dtype=np.bool_)
        for member, learns in enumerate(self.learns):
            counts = share[member] > 0
            if not counts.any():
                continue
            allowed = learns[row]
            place = np.cumsum(allowed, axis=1)
            short |= counts & (place[:, -1] < min(self._neighbours, learns.sum()))
            weight = np.where(allowed & (place <= self._neighbours), similarity, 0)
            total += (
                share[member][:, None] * weight / np.maximum(weight.sum(1, keepdims=True), 1e-9)
            )
        start = np.arange(0, row.size + 1, searched)
        shape = (len(x), len(self._examples))
        return sparse.csr_array((total.ravel(), row.ravel(), start), shape=shape), short

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        return super().arrays() | {"features": self._examples}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"neighbours": self._neighbours}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> Self:
        """See `Members`."""
        features, neighbours = arrays["features"], options["neighbours"]
        if not isinstance(neighbours, int):
            raise ValueError(f"neighbours must be a whole number. Got {neighbours!r}")
        rows = arrays["learns"].shape[-1]
        fits = features.shape[:1] == (rows,) and np.isfinite(features).all()
        if features.ndim != 2 or features.dtype != np.float32 or neighbours < 1 or not fits:
            raise ValueError(f"features of shape {features.shape}, {neighbours} neighbours")
        return cls(
            features,
            stored_labels(arrays, hierarchy),
            hierarchy,
            arrays["learns"],
            neighbours=neighbours,
        )
