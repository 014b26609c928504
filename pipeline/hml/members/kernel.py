"""Members that are kernel ridge regressions of the labels.

    p = prior + k (K + noise / weight)^-1 (Y - prior)

the mean of a Gaussian process (Rasmussen & Williams, "Gaussian Processes for Machine Learning",
2006, equation 2.25), with one inverse for all nodes together. Y are labels closed upward, k
and K hold exp(-d / sqrt(features)) with the Euclidean distance d of standardised features: rough
enough that a rare node's few positives speak for their surroundings, and for little else.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.constraint import coherent
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.averages import LabelledMembers, stored_features, stored_labels

LANDMARKS = 3000
_NOISE = 1.0  # variance of a label beside the kernel's own: what is as likely chance as it is real
# Share of the prior in a probability: regressions reach 0 and less, whose logits say too much.
_PRIOR = 0.1
# Entries of the examples' coordinates, and of all members' inverses or coefficients: 400 MB each in
# float32.
_ENTRIES = 100_000_000
_JITTER = 1e-6  # of the diagonal: equal examples would leave no inverse


class KernelMembers(LabelledMembers):
    """Kernel ridge regressions; each learns from its own part of the examples.

    With more than `LANDMARKS` examples the regressions live on that many of them, which are drawn
    (the subset of regressors, ibid., section 8.3.1). A member may stand on an example that it
    leaves out: no label of it is used, but it is placed exactly, where a new one is only projected.

    Args:
        features: (row, feature) float32 of the training examples, standardised.
        labels: see `LabelledMembers`, as are hierarchy and learns.
        hierarchy: of the nodes.
        learns: (member, row) bool.
        landmarks: how many, at most.
        weight: see `LabelledMembers`.
    """

    kind: ClassVar[str] = "kernel"

    def __init__(
        self,
        features: Float[np.ndarray, "row feature"],
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        learns: Bool[np.ndarray, "member row"],
        *,
        landmarks: int = LANDMARKS,
        weight: Float[np.ndarray, " row"] | None = None,
    ) -> None:
        super().__init__(labels, hierarchy, learns, weight)
        self._examples = features
        self.features = features.shape[1]
        self._landmarks = landmarks
        self._hierarchy = hierarchy
        rows = len(features)
        fit = min(_ENTRIES // rows, math.isqrt(_ENTRIES // self.count))
        number = max(1, min(rows, landmarks, fit))
        drawn = np.random.default_rng(rows).permutation(rows)[:number]
        self._standing = features[np.sort(drawn)]
        # Found when first asked for: a bundle loads at once.
        self._solution: _Solution | None = None
        self._coefficients: list[np.ndarray] = []
        self.width = max(self.width, rows, number)

    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """See `Members`."""
        solution, place = self._placed(x)
        return np.stack([self._of_member(h, solution, place) for h in range(self.count)])

    def means(
        self,
        x: Float[np.ndarray, "example feature"],
        shares: Float[np.ndarray, "mean member example"],
    ) -> Float[np.ndarray, "mean example node"]:
        """See `Members`."""
        result = np.zeros((len(shares), len(x), len(self._prior)), dtype=np.float32)
        solution, place = self._placed(x)
        for member in range(self.count):
            for mean, share in zip(result, shares[:, member].astype(np.float32), strict=True):
                counts = np.flatnonzero(share)
                if len(counts):
                    p = self._of_member(member, solution, place[counts])
                    mean[counts] += share[counts, None] * p
        return result

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        return super().arrays() | {"features": self._examples}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"landmarks": self._landmarks}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "KernelMembers":
        """See `Members`."""
        features, landmarks = stored_features(arrays), options["landmarks"]
        if not isinstance(landmarks, int) or landmarks < 1:
            raise ValueError(f"landmarks must be a whole number from 1. Got {landmarks!r}")
        labels = stored_labels(arrays, hierarchy)
        learns, weight = arrays["learns"], arrays.get("weight")
        return cls(features, labels, hierarchy, learns, landmarks=landmarks, weight=weight)

    def _placed(self, x: np.ndarray) -> tuple["_Solution", Float[np.ndarray, "example landmark"]]:
        """Examples in the coordinates of the landmarks, where dot products are the kernel's."""
        if x.shape[1] != self.features:
            raise ValueError(f"x must have {self.features} features. Got {x.shape[1]}")
        if self._solution is None:
            self._solution = _Solution.of(self._standing, self._examples, self.learns, self.weight)
            entries = self.count * len(self._standing) * (self._closed.shape[1] + 1)
            if entries <= _ENTRIES:
                self._coefficients = [self._regression(h) for h in range(self.count)]
                self._solution = self._solution.without_inverse()
        return self._solution, self._solution.coordinates(x)

    def _regression(self, member: int) -> Float[np.ndarray, "landmark nodes_and_weight"]:
        """What a member multiplies coordinates with: for each node, and for the sum of weights.

        With fewer nodes than examples this is a fraction of the work that their weights are.
        """
        assert self._solution is not None
        learnt = np.flatnonzero(self.learns[member])
        place = self._weighted(self._solution.place, learnt)
        targets = np.column_stack([(self._closed[learnt].T @ place).T, place.sum(0)])
        return self._solution.inverse[member] @ targets.astype(np.float32)

    def _weighted(
        self, place: Float[np.ndarray, "row landmark"], learnt: np.ndarray
    ) -> Float[np.ndarray, "learnt landmark"]:
        """Coordinates of some training examples, times what these count."""
        if self.weight is None:
            return place[learnt]
        return (place[learnt] * self.weight[learnt, None]).astype(np.float32)

    def _of_member(
        self, member: int, solution: "_Solution", place: Float[np.ndarray, "example landmark"]
    ) -> Float[np.ndarray, "example node"]:
        """Coherent probabilities of one member."""
        if self._coefficients:
            found = place @ self._coefficients[member]
            p, total = found[:, :-1], found[:, -1:]
        else:
            learnt = np.flatnonzero(self.learns[member])
            weight = (place @ solution.inverse[member]) @ self._weighted(solution.place, learnt).T
            p = np.asarray((self._closed[learnt].T @ weight.T).T, dtype=np.float32)
            total = weight.sum(1, keepdims=True)
        p = p + (1 - total) * self._prior
        p = (1 - _PRIOR) * np.clip(p, 0, 1) + _PRIOR * self._prior
        return np.asarray(coherent(np.ascontiguousarray(p), self._hierarchy))


@dataclass(frozen=True)
class _Solution:
    """What predictions need beside the labels.

    Attributes:
        landmarks: (landmark, feature).
        root: (landmark, landmark) float64, lower triangular: root root' is their kernel.
        place: (row, landmark) float32, the training examples' coordinates.
        inverse: (member, landmark, landmark) float32, (sum of weight place' place of its rows +
            noise)^-1.
    """

    landmarks: np.ndarray
    root: np.ndarray
    place: np.ndarray
    inverse: np.ndarray

    def without_inverse(self) -> "_Solution":
        """What coordinates alone need."""
        nothing = np.empty((0, 0), dtype=np.float32)
        return replace(self, place=nothing, inverse=nothing[None])

    @classmethod
    def of(
        cls,
        landmarks: np.ndarray,
        examples: np.ndarray,
        learns: np.ndarray,
        weight: np.ndarray | None,
    ) -> "_Solution":
        """Solve each member's regression."""
        from scipy.linalg import cholesky, lapack  # it takes a while to import

        number = len(landmarks)
        own = _kernel(landmarks, landmarks)
        np.fill_diagonal(own, 1 + _JITTER)
        found = cls(
            landmarks,
            cholesky(own, lower=True, overwrite_a=True, check_finite=False),
            np.empty((len(examples), number), dtype=np.float32),
            np.empty((len(learns), number, number), dtype=np.float32),
        )
        for start in range(0, len(examples), number):
            rows = slice(start, start + number)
            found.place[rows] = found.coordinates(examples[rows])
        place, factor, invert = found.place, lapack.spotrf, lapack.spotri
        if weight is not None:
            # A large weight is as little noise: float32 would not tell that from none.
            place, factor, invert = _rooted(place, weight), lapack.dpotrf, lapack.dpotri
        everything = place.T @ place + _NOISE * np.eye(number, dtype=place.dtype)
        for inverse, learnt in zip(found.inverse, learns, strict=True):
            left = place[~learnt]
            root, wrong = factor(everything - left.T @ left, lower=True, overwrite_a=True)
            half, failed = invert(root, lower=True, overwrite_c=True)
            if wrong or failed:
                raise FloatingPointError(
                    f"the kernel of the examples has no inverse in {place.dtype}"
                )
            half = np.tril(half)
            inverse[:] = half + np.tril(half, -1).T
        return found

    def coordinates(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example landmark"]:
        """Float32; their dot products are the kernel, as far as the landmarks span it."""
        from scipy.linalg import solve_triangular

        near = _kernel(self.landmarks, x)
        return solve_triangular(self.root, near, lower=True, check_finite=False).T.astype(
            np.float32
        )


def _rooted(
    place: Float[np.ndarray, "row landmark"], weight: Float[np.ndarray, " row"]
) -> Float[np.ndarray, "row landmark"]:
    """Coordinates whose squares count as the weights say, in float64."""
    return place * np.sqrt(weight)[:, None]


def _kernel(
    x: Float[np.ndarray, "left feature"], z: Float[np.ndarray, "right feature"]
) -> Float[np.ndarray, "left right"]:
    """In float64: the distances of near ones are differences of large numbers."""
    from sklearn.metrics import pairwise  # it takes seconds to import

    distance = pairwise.euclidean_distances(x.astype(np.float64), z.astype(np.float64))
    return np.exp(-distance / np.sqrt(x.shape[1]))
