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

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.averages import LabelledMembers, stored, stored_features
from pipeline.hml.members.regressions import RegressionMembers, SolvedKernels, kernel
from pipeline.hml.products import product
from pipeline.hml.unknown import Unknown

LANDMARKS = 3000
_NOISE = 1.0  # variance of a label beside the kernel's own: what is as likely chance as it is real
# Entries of the examples' coordinates, and of all members' inverses or coefficients: 400 MB each in
# float32.
_ENTRIES = 100_000_000
STORED = 25_000_000  # entries of coefficients that a bundle holds: 100 MB
_NOTHING = 1e-3  # what a probability may change by
_JITTER = 1e-6  # of the diagonal: equal examples would leave no inverse


class KernelMembers(RegressionMembers, LabelledMembers):
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
        unknown: see `LabelledMembers`. As the prior, such a label adds nothing to Y - prior.
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
        unknown: Unknown | None = None,
    ) -> None:
        super().__init__(labels, hierarchy, learns, weight, unknown)
        self._examples = features
        self.features = features.shape[1]
        self._landmarks = landmarks
        self._hierarchy = hierarchy
        rows = len(features)
        fit = min(_ENTRIES // rows, math.isqrt(_ENTRIES // self.count))
        number = max(1, min(rows, landmarks, fit))
        drawn = np.sort(np.random.default_rng(rows).permutation(rows)[:number])
        # By who leaves them out, so that a member's own ones are ranges.
        self._drawn = drawn[np.lexsort(learns[:, drawn])]
        self._standing = features[self._drawn]
        # Found when first asked for.
        self._solution: _Solution | None = None
        self._solved: SolvedKernels | None = None
        self.width = max(self.width, rows, number)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`: what the regressions are if that is little, else what they come from."""
        if (solved := self._small()) is not None:
            return solved.arrays()
        return super().arrays() | {"features": self._examples}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"landmarks": self._landmarks, "solved": self._small() is not None}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "KernelMembers | SolvedKernels":
        """See `Members`."""
        if not isinstance(options["solved"], bool):
            raise ValueError(f"solved must be true or false. Got {options['solved']!r}")
        if options["solved"]:
            return SolvedKernels.from_arrays(arrays, options, hierarchy)
        features, landmarks = stored_features(arrays), options["landmarks"]
        if not isinstance(landmarks, int) or landmarks < 1:
            raise ValueError(f"landmarks must be a whole number from 1. Got {landmarks!r}")
        labels, learns, weight, unknown = stored(arrays, hierarchy)
        return cls(
            features,
            labels,
            hierarchy,
            learns,
            landmarks=landmarks,
            weight=weight,
            unknown=unknown,
        )

    def _small(self) -> "SolvedKernels | None":
        entries = self.count * len(self._standing) * (len(self._prior) + 1)
        return self._solve()[1] if entries <= STORED else None

    def _solve(self) -> tuple["_Solution", "SolvedKernels | None"]:
        """The solution, and what is left of it where coefficients fit into memory."""
        if self._solution is None:
            self._solution = _Solution.of(self._standing, self._examples, self.learns, self.weight)
            entries = self.count * len(self._standing) * (len(self._prior) + 1)
            if entries <= _ENTRIES:
                coefficients = np.stack([self._regression(h) for h in range(self.count)])
                self._solved = SolvedKernels(
                    self._standing, coefficients, self._prior, self._hierarchy, self._landmarks
                )
                self._solution = self._solution.without_inverse()
        return self._solution, self._solved

    def placed(self, x: Float[np.ndarray, "example feature"]) -> np.ndarray:
        """See `RegressionMembers`: kernels or, without coefficients, coordinates of landmarks."""
        solution, solved = self._solve()
        self.check_features(x)
        return solution.coordinates(x) if solved is None else solved.placed(x)

    @property
    def column(self) -> np.ndarray:
        """See `RegressionMembers`."""
        solved = self._solve()[1]
        return np.arange(len(self._prior) + 1) if solved is None else solved.column

    def regressed(self, member: int, place: np.ndarray) -> np.ndarray:
        """See `RegressionMembers`."""
        solution, solved = self._solve()
        if solved is not None:
            return solved.regressed(member, place)
        learnt = np.flatnonzero(self.learns[member])
        towards = self._weighted(solution.place, learnt).T
        weight = product(product(place, solution.inverse[member]), towards)
        p: Any = (self._closed[learnt].T @ weight.T).T
        return np.column_stack([p, weight.sum(1)]).astype(np.float32)

    def _regression(self, member: int) -> Float[np.ndarray, "landmark nodes_and_weight"]:
        """What a member multiplies kernels with: for each node, and for the sum of weights.

        With fewer nodes than examples this is a fraction of the work that their weights are.
        """
        from scipy.linalg import solve_triangular

        assert self._solution is not None
        learnt = np.flatnonzero(self.learns[member])
        place = self._weighted(self._solution.place, learnt)
        targets = np.column_stack([(self._closed[learnt].T @ place).T, place.sum(0)])
        inverse, root = self._solution.inverse[member], self._solution.root
        found = inverse @ targets.astype(inverse.dtype)
        back = solve_triangular(root, found, lower=True, trans=1, check_finite=False)
        # Where all examples stand, those that the member leaves out have no part in it, but for
        # rounding; unless one equals an example that it learns from, and they share its part.
        left_out = ~self.learns[member, self._drawn]
        if np.abs(back[left_out]).sum(0).max(initial=0) <= _NOTHING:
            back[left_out] = 0
        return back.astype(np.float32)

    def _weighted(
        self, place: Float[np.ndarray, "row landmark"], learnt: np.ndarray
    ) -> Float[np.ndarray, "learnt landmark"]:
        """Coordinates of some training examples, times what these count."""
        return place[learnt] if self.weight is None else place[learnt] * self.weight[learnt, None]


@dataclass(frozen=True)
class _Solution:
    """What predictions need beside the labels.

    Attributes:
        landmarks: (landmark, feature).
        root: (landmark, landmark) float64, lower triangular: root root' is their kernel.
        place: (row, landmark) float32, the training examples' coordinates.
        inverse: (member, landmark, landmark), (sum of weight place' place of its rows + noise)^-1;
            float32, under weights float64.
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
        # A large weight is as little noise: float32 would not tell that from none.
        precision = np.float32 if weight is None else np.float64
        own = kernel(landmarks, landmarks)
        np.fill_diagonal(own, 1 + _JITTER)
        found = cls(
            landmarks,
            cholesky(own, lower=True, overwrite_a=True, check_finite=False),
            np.empty((len(examples), number), dtype=np.float32),
            np.empty((len(learns), number, number), dtype=precision),
        )
        for start in range(0, len(examples), number):
            rows = slice(start, start + number)
            found.place[rows] = found.coordinates(examples[rows])
        place, factor, invert = found.place, lapack.spotrf, lapack.spotri
        if weight is not None:
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

        near = kernel(self.landmarks, x)
        return solve_triangular(self.root, near, lower=True, check_finite=False).T.astype(
            np.float32
        )


def _rooted(
    place: Float[np.ndarray, "row landmark"], weight: Float[np.ndarray, " row"]
) -> Float[np.ndarray, "row landmark"]:
    """Coordinates whose squares count as the weights say, in float64."""
    return place * np.sqrt(weight)[:, None]
