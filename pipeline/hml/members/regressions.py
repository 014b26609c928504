"""Predictions of kernel ridge regressions that are solved: see `kernel`."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.contract import Members
from pipeline.hml.members.sum_kernels import add_bounded
from pipeline.hml.products import product

# Share of the prior in a probability: regressions reach 0 and less, whose logits say too much.
_PRIOR = 0.1
_VECTOR = 8  # numbers of float64
_MOST_RANGES = 4  # more products of few rows take longer than they spare


class RegressionMembers(Members):
    """What members have in common that first place an example, and then answer one by one."""

    _prior: Float[np.ndarray, " node"]
    _hierarchy: Hierarchy

    @abstractmethod
    def placed(self, x: Float[np.ndarray, "example feature"]) -> Float[np.ndarray, "example place"]:
        """What every member needs of the examples.

        Raises:
            ValueError: another number of features.
        """

    @abstractmethod
    def regressed(
        self, member: int, place: Float[np.ndarray, "example place"]
    ) -> Float[np.ndarray, "example column"]:
        """One member's weighted sums of labels, and last of the weights themselves, float32.

        What these lack to 1 the prior has. Nodes whose sums are always the same share a column.
        """

    @property
    @abstractmethod
    def column(self) -> Int[np.ndarray, " nodes_and_weight"]:
        """Where in `regressed` each node is, and last the weights."""

    def check_features(self, x: Float[np.ndarray, "example feature"]) -> None:
        """Raise ValueError for another number of features."""
        if x.shape[1] != self.features:
            raise ValueError(f"x must have {self.features} features. Got {x.shape[1]}")

    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """See `Members`."""
        place = self.placed(x)
        result = np.zeros((self.count, len(x), len(self._prior)), dtype=np.float32)
        rows, whole = np.arange(len(x)), np.ones(len(x), np.float32)
        for member, p in enumerate(result):
            self._add(self.regressed(member, place), whole, rows, p)
        return result

    def means(
        self,
        x: Float[np.ndarray, "example feature"],
        shares: Float[np.ndarray, "mean member example"],
    ) -> Float[np.ndarray, "mean example node"]:
        """See `Members`."""
        place = self.placed(x)
        result = np.zeros((len(shares), len(x), len(self._prior)), dtype=np.float32)
        for member in range(self.count):
            for mean, share in enumerate(shares[:, member].astype(np.float32)):
                counts = np.flatnonzero(share)
                if not len(counts):
                    continue
                found = self.regressed(member, place if len(counts) == len(x) else place[counts])
                self._add(found, share[counts], counts, result[mean])
        return result

    def _add(
        self,
        found: Float[np.ndarray, "example column"],
        share: Float[np.ndarray, " example"],
        row: Int[np.ndarray, " example"],
        into: Float[np.ndarray, "row node"],
    ) -> None:
        """Add what `regressed` gave, as coherent probabilities times their shares, to some rows."""
        edges = self._hierarchy.start, self._hierarchy.parent
        prior, floor = self._prior, self._prior * np.float32(_PRIOR)
        kept = np.float32(1 - _PRIOR)
        found = np.ascontiguousarray(found)
        add_bounded(found, self.column, prior, floor, kept, *edges, share, row, into)


class SolvedKernels(RegressionMembers):
    """Regressions as coefficients of their landmarks: no training label is needed any more.

        p = k W + (1 - k w) prior

    Args:
        landmarks: (landmark, feature) float32, standardised.
        coefficients: (member, landmark, node + 1) float32; W, and last w, the sum of the weights
            that training examples have in a prediction.
        prior: (node,) float32 share of positives.
        hierarchy: of the nodes.
        most: landmarks, when the members were fitted.
    """

    kind: ClassVar[str] = "kernel"

    def __init__(
        self,
        landmarks: Float[np.ndarray, "landmark feature"],
        coefficients: Float[np.ndarray, "member landmark nodes_and_weight"],
        prior: Float[np.ndarray, " node"],
        hierarchy: Hierarchy,
        most: int,
    ) -> None:
        self.count = len(coefficients)
        self.features = landmarks.shape[1]
        self.width = max(len(prior), len(landmarks))
        self._landmarks = landmarks
        # Nodes with the same training examples have the same coefficients: they are found once.
        self._column, kept = _distinct(coefficients)
        # As it is stored: products round by how a matrix lies in memory.
        self._coefficients = np.ascontiguousarray(coefficients[:, :, kept])
        # Where a member stands on its own examples alone, the others have no part in it.
        self._parts = [_ranges(member.any(axis=1)) for member in self._coefficients]
        self._prior = prior
        self._hierarchy = hierarchy
        self._most = most

    @property
    def column(self) -> Int[np.ndarray, " nodes_and_weight"]:
        """See `RegressionMembers`."""
        return self._column

    def placed(self, x: Float[np.ndarray, "example feature"]) -> Float[np.ndarray, "example place"]:
        """The kernel between examples and landmarks, float32."""
        self.check_features(x)
        return kernel(x, self._landmarks).astype(np.float32)

    def regressed(
        self, member: int, place: Float[np.ndarray, "example place"]
    ) -> Float[np.ndarray, "example column"]:
        """See `RegressionMembers`."""
        coefficients = self._coefficients[member]
        first, *more = self._parts[member]
        found = product(place[:, first], coefficients[first])
        for part in more:
            found += product(place[:, part], coefficients[part])
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        return {
            "landmarks": self._landmarks,
            "coefficients": np.ascontiguousarray(self._coefficients[:, :, self._column]),
            "prior": self._prior,
        }

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"landmarks": self._most, "solved": True}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "SolvedKernels":
        """See `Members`."""
        landmarks, coefficients, prior = (
            arrays[name] for name in ("landmarks", "coefficients", "prior")
        )
        most = options["landmarks"]
        if not isinstance(most, int) or most < len(landmarks):
            raise ValueError(f"landmarks must be a number from {len(landmarks)}. Got {most!r}")
        if landmarks.ndim != 2 or not len(landmarks) or coefficients.ndim != 3:
            raise ValueError(
                f"landmarks of shape {landmarks.shape}, coefficients of {coefficients.shape}"
            )
        shapes = {
            "landmarks": landmarks.shape,
            "coefficients": (max(1, len(coefficients)), len(landmarks), len(hierarchy) + 1),
            "prior": (len(hierarchy),),
        }
        for name, shape in shapes.items():
            found = arrays[name]
            if found.shape != shape or found.dtype != np.float32:
                raise ValueError(
                    f"{name} is {found.dtype} of shape {found.shape}, expected float32 of {shape}"
                )
        if not ((prior >= 0) & (prior <= 1)).all():
            raise ValueError("prior must lie in [0, 1]")
        return cls(landmarks, coefficients, prior, hierarchy, most)


def _distinct(
    coefficients: Float[np.ndarray, "member landmark nodes_and_weight"],
) -> tuple[Int[np.ndarray, " nodes_and_weight"], Int[np.ndarray, " column"]]:
    """Which of the different columns each one is, and where these first stand."""
    first: dict[bytes, int] = {}
    column = [
        first.setdefault(np.ascontiguousarray(coefficients[:, :, place]).tobytes(), place)
        for place in range(coefficients.shape[2])
    ]
    kept, place = np.unique(column, return_inverse=True)
    return place, kept


def _ranges(used: Bool[np.ndarray, " landmark"]) -> list[slice]:
    """Where landmarks are used, at least one range; everything, if these are many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    found = [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    return found if 0 < len(found) <= _MOST_RANGES else [slice(None)]


def kernel(
    x: Float[np.ndarray, "left feature"], z: Float[np.ndarray, "right feature"]
) -> Float[np.ndarray, "left right"]:
    """In float64: the distances of near ones are differences of large numbers."""
    from sklearn.metrics import pairwise  # it takes seconds to import

    # What is left of a row after whole vectors OpenBLAS rounds differently from row to row.
    whole = np.zeros((-(-len(z) // _VECTOR) * _VECTOR, z.shape[1]))
    whole[: len(z)] = z
    found = pairwise.euclidean_distances(x.astype(np.float64), whole)[:, : len(z)]
    found /= -np.sqrt(x.shape[1])
    return np.exp(found, out=found)
