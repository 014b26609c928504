"""Members that average the labels of training examples, which makes them coherent as they are.

    p = (1 - e) W Y + e prior

W (example, row) are weights over training examples, each row's sum being 1, Y their labels closed
upward: both are sparse, so 100,000 nodes cost what their positives cost. The prior, each node's
share of positives, keeps a probability above 0 where no similar example has the node. It stands for
an unknown label, too, which says nothing then (docs/adr/0015).
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.example_weights import support
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.contract import Members
from pipeline.hml.members.sum_kernels import add_labels
from pipeline.hml.unknown import Unknown, checked, imputed, known_share

PRIOR = 0.025  # e: what one more neighbour beside 40 would count


class LabelledMembers(Members):
    """Members that predict by the labels of their training examples.

    Args:
        labels: (row, node) boolean CSR of the training examples.
        hierarchy: of the nodes.
        learns: (member, row) bool, see `folds`.
        weight: (row,) what each training example counts, above 0; None is 1.
        unknown: (row, node), see `unknown`; None: everything is known.

    Raises:
        ValueError: shapes do not fit, there is no member, one learns from nothing, a weight is not
            above 0, or unknown labels are at odds with the others.
    """

    def __init__(
        self,
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        learns: Bool[np.ndarray, "member row"],
        weight: Float[np.ndarray, " row"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        if learns.ndim != 2 or learns.dtype != np.bool_:
            raise ValueError(f"learns must be bool (member, row). Got {learns.dtype}")
        if labels.shape != (learns.shape[1], len(hierarchy)):
            raise ValueError(
                f"labels must have shape {(learns.shape[1], len(hierarchy))}. Got {labels.shape}"
            )
        if not len(learns) or not learns.any(1).all():
            raise ValueError("there must be members, and each must learn from an example")
        if weight is not None and not (
            weight.shape == learns.shape[1:]
            and weight.dtype == np.float64
            and bool(np.all((weight > 0) & np.isfinite(weight)))
        ):
            raise ValueError(
                f"weight must be float64 ({learns.shape[1]},), finite and above 0. "
                f"Got {weight.dtype} of shape {weight.shape}"
            )
        self.count = len(learns)
        self.learns = learns
        self.weight = weight
        self._labels = sparse.csr_array(labels).astype(np.bool_)
        closed = sparse.csr_array(hierarchy.close(self._labels))
        self.unknown = checked(unknown, closed, hierarchy)
        # Of all examples, for every member: a share without the examples that a member leaves out
        # would be lower for their positives than for others, and tell them apart the wrong way.
        if self.unknown is not None:
            self._prior = known_share(closed, self.unknown, hierarchy, weight).astype(np.float32)
        elif weight is None:
            mean: Any = closed.astype(np.float32).mean(axis=0)
            self._prior = np.asarray(mean, dtype=np.float32)
        else:
            self._prior = (support(closed, weight) / weight.sum()).astype(np.float32)
        self._prior = np.minimum(self._prior, 1)  # rounding
        self._closed: Any = imputed(closed, self.unknown, self._prior)
        self.width = len(hierarchy)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        arrays = {
            "learns": self.learns,
            "labels/indptr": self._labels.indptr.astype(np.int64),
            "labels/indices": self._labels.indices.astype(np.int32),
        }
        if self.unknown is not None:
            arrays["unknown/indptr"] = self.unknown.indptr.astype(np.int64)
            arrays["unknown/indices"] = self.unknown.indices.astype(np.int32)
        return arrays if self.weight is None else arrays | {"weight": self.weight}


class AveragingMembers(LabelledMembers):
    """The part that does not depend on where the weights come from; see `LabelledMembers`."""

    @abstractmethod
    def weights(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"],
    ) -> sparse.csr_array:
        """W (example, row): the mean of the members' weights under their shares.

        What a row's sum lacks to 1, where no training example is like the example, the prior gets.
        """

    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """See `Members`."""
        each = np.broadcast_to(np.eye(self.count)[:, :, None], (self.count, self.count, len(x)))
        return self.means(x, each)

    def means(
        self,
        x: Float[np.ndarray, "example feature"],
        shares: Float[np.ndarray, "mean member example"],
    ) -> Float[np.ndarray, "mean example node"]:
        """See `Members`."""
        result = np.zeros((len(shares), len(x), len(self._prior)), dtype=np.float32)
        closed = self._closed
        for p, share in zip(result, shares, strict=True):
            weight: Any = self.weights(x, share)
            single = weight.indptr, weight.indices, weight.data.astype(np.float32)
            add_labels(*single, closed.indptr, closed.indices, closed.data, p)
            missing = (1 - weight.sum(axis=1)).astype(np.float32)
            bare = missing > 1e-6  # more than rounding
            p[bare] += missing[bare, None] * self._prior
        result *= 1 - PRIOR
        result += PRIOR * self._prior
        return np.minimum(result, 1, out=result)  # rounding


def stored_features(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The training examples' features in the arrays of members that predict by them.

    Raises:
        LookupError, ValueError: they are missing or do not fit.
    """
    features, rows = arrays["features"], arrays["learns"].shape[-1]
    fits = features.ndim == 2 and len(features) == rows and features.dtype == np.float32
    if not (fits and np.isfinite(features).all()):
        raise ValueError(f"features of shape {features.shape} and type {features.dtype}")
    return features


class Stored(NamedTuple):
    """What `LabelledMembers` are made of, beside the hierarchy, as far as it is in arrays."""

    labels: sparse.csr_array
    learns: np.ndarray
    weight: np.ndarray | None
    unknown: Unknown | None


def stored(arrays: dict[str, np.ndarray], hierarchy: Hierarchy) -> Stored:
    """Labels and what belongs to them in the arrays of members that predict by them.

    Raises:
        LookupError, ValueError: they are missing or do not fit.
    """
    unknown = None
    if any(name.startswith("unknown/") for name in arrays):
        unknown = _stored_labels(arrays, "unknown", hierarchy)
    labels = _stored_labels(arrays, "labels", hierarchy)
    return Stored(labels, arrays["learns"], arrays.get("weight"), unknown)


def _stored_labels(
    arrays: dict[str, np.ndarray], name: str, hierarchy: Hierarchy
) -> sparse.csr_array:
    start, column = arrays[f"{name}/indptr"], arrays[f"{name}/indices"]
    if start.dtype.kind != "i" or column.dtype.kind != "i" or column.ndim != 1:
        raise ValueError(f"{name} of types {start.dtype} and {column.dtype}")
    rows = arrays["learns"].shape[1]
    whole = start.shape == (rows + 1,) and start[0] == 0 and start[-1] == len(column)
    if not whole or (np.diff(start) < 0).any():
        raise ValueError(f"{name} do not fit the examples")
    if len(column) and not (column.min() >= 0 and column.max() < len(hierarchy)):
        raise ValueError(f"{name} are not nodes")
    return sparse.csr_array(
        (np.ones(len(column), dtype=np.bool_), column, start), shape=(rows, len(hierarchy))
    )
