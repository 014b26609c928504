"""Members that average the labels of training examples that fall into the same leaves of trees."""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members import tree_kernels
from pipeline.hml.members.averages import AveragingMembers, stored
from pipeline.hml.unknown import Unknown, checked, imputed, known_share

TREES = 300  # of all members together
_LEAF = 2  # fewest examples of a leaf
_DIMENSIONS = 64  # of the projected labels that the trees are grown by


class Trees(NamedTuple):
    """Trees one behind the other.

    Attributes:
        root: (tree,) where each begins.
        member: (tree,) whose it is.
        feature: (place,) what an inner place looks at.
        threshold: (place,) up to which value it goes to the left.
        left: (place,) -1 in a leaf.
        right: (place,) -1 in a leaf.
        start: (place + 1,) where a leaf's examples begin in `row`.
        row: training examples, leaf by leaf.
    """

    root: np.ndarray
    member: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    row: np.ndarray


class ForestMembers(AveragingMembers):
    """A forest as a kernel: training examples weigh by how often they share a leaf.

    Args:
        trees: grown; see `grow`.
        features: how many they were grown from.
        labels: see `AveragingMembers`, as are hierarchy and learns.
        hierarchy: of the nodes.
        learns: (member, row) bool.
        weight: see `AveragingMembers`.
        unknown: see `LabelledMembers`.
    """

    kind: ClassVar[str] = "forest"

    def __init__(
        self,
        trees: Trees,
        features: int,
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        learns: Bool[np.ndarray, "member row"],
        weight: Float[np.ndarray, " row"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        super().__init__(labels, hierarchy, learns, weight, unknown)
        self.trees = trees
        self.features = features
        self._per_member = np.bincount(trees.member, minlength=self.count)
        # Entries of W that an example makes on the mean: leaves of like examples may be large.
        leaf = np.diff(trees.start).astype(np.float64)
        self.width = max(self.width, int(4 * (leaf @ leaf) / max(learns.sum(1).min(), 1)))
        self._walk = walk(trees)
        # What each example of a leaf counts there, leaf by leaf as `trees.row`; the sum is 1.
        self._within = np.empty(0)
        if weight is not None:
            each = weight[trees.row]
            number = np.repeat(np.arange(len(trees.left)), np.diff(trees.start))
            self._within = each / np.bincount(number, each, minlength=len(trees.left))[number]

    @classmethod
    def grow(
        cls,
        features: Float[np.ndarray, "row feature"],
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        learns: Bool[np.ndarray, "member row"],
        *,
        weight: Float[np.ndarray, " row"] | None = None,
        unknown: Unknown | None = None,
        seed: int,
        trees: int = TREES,
        threads: int = 1,
    ) -> "ForestMembers":
        """Grow extremely randomised trees (Geurts, Ernst & Wehenkel, Machine Learning 2006).

        They are grown by a Gaussian random projection of the closed labels, each node divided by
        the square root of its support so that the common ones do not decide alone; the projection
        keeps the sums of squares that a split is judged by (Joly, Geurts & Wehenkel, ECML PKDD
        2014), whatever the number of nodes.

        Args:
            features: (row, feature) float32, standardised.
            labels: (row, node) boolean CSR.
            hierarchy: of the nodes.
            learns: (member, row) bool, which member's trees are grown from which examples.
            weight: see `AveragingMembers`; a leaf weighs 2 at least.
            unknown: see `LabelledMembers`; a node's support is that of its positives.
            seed: of projection and trees.
            trees: of all members together, at least one each.
            threads: for growing.
        """
        from sklearn import ensemble  # it takes seconds to import

        closed: Any = sparse.csr_array(hierarchy.close(labels)).astype(np.float64)
        whole = closed
        if (hidden := checked(unknown, closed, hierarchy)) is not None:
            whole = imputed(closed, hidden, known_share(closed, hidden, hierarchy, weight))
        rng = np.random.default_rng([seed, 4])
        projection = rng.standard_normal((len(hierarchy), _DIMENSIONS))
        parts: list[Trees] = []
        places = filled = 0
        for member, learnt in enumerate(map(np.flatnonzero, learns)):
            positive = closed[learnt]
            smallest: dict[str, Any] = {"min_samples_leaf": min(_LEAF, len(learnt))}
            counts = None
            support = np.maximum(positive.sum(axis=0), 1)
            if weight is not None:
                counts = weight[learnt]
                # A little less, because what the share is multiplied with again may round it up.
                share = _LEAF * (1 - 1e-9) / counts.sum()
                smallest = {"min_weight_fraction_leaf": min(share, 0.5)}
                support = counts @ positive
                support = np.where(support > 0, support, 1)
            regressor: Any = ensemble.ExtraTreesRegressor
            forest = regressor(
                max(1, trees // len(learns)),
                max_features="sqrt",
                random_state=int(rng.integers(2**31)),
                n_jobs=threads,
                **smallest,
            )
            target = whole[learnt] @ (projection / np.sqrt(support)[:, None])
            forest.fit(features[learnt], target, counts)
            leaf = forest.apply(features[learnt])
            for number, grown in enumerate(forest.estimators_):
                part = _tree(grown.tree_, member, learnt, leaf[:, number], places, filled)
                parts.append(part)
                places, filled = places + len(part.left), filled + len(part.row)
        joined = Trees(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        joined = joined._replace(start=np.append(joined.start, filled))
        return cls(joined, features.shape[1], labels, hierarchy, learns, weight, hidden)

    def weights(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"],
    ) -> sparse.csr_array:
        """See `AveragingMembers`.

        Raises:
            ValueError: another number of features than the trees were grown from.
        """
        if x.shape[1] != self.features:
            raise ValueError(f"x must have {self.features} features. Got {x.shape[1]}")
        trees = self.trees
        leaf = np.empty((len(x), len(trees.root)), dtype=np.int64)
        x = np.ascontiguousarray(x, dtype=np.float32)
        tree_kernels.leaves(x, *self._walk, leaf)
        counts = np.ascontiguousarray((share / self._per_member[:, None])[trees.member].T)
        size = np.where(counts > 0, trees.start[leaf + 1] - trees.start[leaf], 0).sum()
        end = np.empty(len(x) + 1, dtype=np.int64)
        row, weight = np.empty(size, dtype=np.int64), np.empty(size)
        tree_kernels.weights(leaf, counts, trees.start, trees.row, self._within, end, row, weight)
        return sparse.csr_array((weight, row, end), shape=(len(x), self.learns.shape[1]))

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        return super().arrays() | {f"trees/{k}": v for k, v in self.trees._asdict().items()}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {"features": self.features}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "ForestMembers":
        """See `Members`."""
        trees = Trees(*(arrays[f"trees/{name}"] for name in Trees._fields))
        # A column of another type or shape would only be noticed by the compiled walk.
        types = "".join(column.dtype.kind for column in trees)
        if types != "iiifiiii" or {column.ndim for column in trees} != {1}:
            raise ValueError(f"trees of types {types}")
        features = options["features"]
        if not isinstance(features, int):
            raise ValueError(f"features must be a whole number. Got {features!r}")
        places = len(trees.left)
        inner = trees.left >= 0
        sizes = [len(column) for column in (trees.feature, trees.threshold, trees.right)]
        sizes.append(len(trees.start) - 1)
        here = np.arange(places)
        if (
            {*sizes} != {places}
            or len(trees.root) != len(trees.member)
            or not _within(trees.root, places)
            or {*trees.member.tolist()} != {*range(len(arrays["learns"]))}
            or not _within(trees.feature, features)
            or not _within(trees.row, arrays["learns"].shape[1])
            # Children stand behind their parent, so that every walk ends.
            or not (trees.left[inner] > here[inner]).all()
            or not (trees.right[inner] > here[inner]).all()
            or not _within(trees.left[inner], places)
            or not _within(trees.right[inner], places)
            or trees.start[0] != 0
            or trees.start[-1] != len(trees.row)
            or (np.diff(trees.start) < 0).any()
        ):
            raise ValueError("trees do not fit together")
        labels, learns, weight, unknown = stored(arrays, hierarchy)
        return cls(trees, features, labels, hierarchy, learns, weight, unknown)


def walk(trees: Trees) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `tree_kernels.leaves` takes: little to look up, and a step like any other in a leaf."""
    here = np.arange(len(trees.left))
    sides = (np.where(trees.left >= 0, side, here) for side in (trees.left, trees.right))
    # Of numbers in float32, those up to a threshold are those up to the next of them below it.
    threshold = trees.threshold.astype(np.float32)
    above = threshold > trees.threshold
    threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
    child = np.column_stack([*sides]).ravel().astype(np.uint32)
    return trees.root.astype(np.uint32), trees.feature.astype(np.uint32), threshold, child


def _tree(
    tree: Any, member: int, learnt: np.ndarray, leaf: np.ndarray, places: int, filled: int
) -> Trees:
    """One tree, to stand behind others with so many places and so many examples in their leaves."""
    inner = tree.children_left >= 0
    order = np.argsort(leaf, kind="stable")
    return Trees(
        root=np.array([places]),
        member=np.array([member]),
        feature=np.where(inner, tree.feature, 0).astype(np.int32),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        left=np.where(inner, tree.children_left + places, -1),
        right=np.where(inner, tree.children_right + places, -1),
        start=filled + np.searchsorted(leaf[order], np.arange(len(inner))),
        row=learnt[order],
    )


def _within(numbers: np.ndarray, end: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < end)
