"""What y may be for scikit-learn: labels of nodes (example, node), or two classes (example,)."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets

from pipeline.hml.example_weights import Weight
from pipeline.hml.hierarchy import Hierarchy


def as_array(y: Any) -> Any:
    """What was given as it is if it is sparse, else as a numpy array of one or two axes.

    Raises:
        ValueError: it is None, or of another shape.
    """
    if y is None:
        raise ValueError("RareNodeClassifier requires y to be passed, but the target y is None")
    array: Any = y if sparse.issparse(y) else np.asarray(y)
    if array.ndim not in (1, 2):
        raise ValueError(
            "y must have shape (example, node), or (example,) for one node. "
            f"Got {tuple(array.shape)}"
        )
    return array


def check_columns(y: Any, hierarchy: Hierarchy) -> None:
    """Raise ValueError if the columns of a table have names that are not the nodes in order."""
    columns: list[Any] = list(getattr(y, "columns", ()))
    if not any(isinstance(name, str) for name in columns):
        return
    if columns != list(hierarchy.nodes):
        raise ValueError(
            "y must have the nodes as columns, in node order: y[list(hierarchy.nodes)]. "
            f"Got {', '.join(map(repr, columns[:5]))}{', …' if len(columns) > 5 else ''}"
        )


def labels_of_nodes(y: Any) -> sparse.csr_array:
    """Boolean labels (example, node) from zeros and ones, dense or sparse.

    Raises:
        ValueError: there is something else.
    """
    labels: Any = sparse.csr_array(y)
    wrong = labels.data[~np.isin(labels.data, (0, 1))]
    if len(wrong):
        raise ValueError(f"y must hold zeros and ones only. Got {wrong[0]}")
    return labels.astype(np.bool_)


def two_classes(y: np.ndarray, weight: Weight | None) -> np.ndarray:
    """The two classes, in ascending order, of the examples (example,) that have a weight.

    Raises:
        ValueError: they are one or more than two, or no classes at all.
    """
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("y must hold two classes. Got NaN or infinity")
    check_classification_targets(y)
    classes = np.unique(y if weight is None else y[weight > 0])
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. More classes are nodes, and y has shape "
            f"(example, node). Got {len(classes)} classes in y of shape {y.shape}"
        )
    if len(classes) < 2:
        raise ValueError(f"y must hold two classes. Got {len(classes)} class")
    return classes


def of_class(y: np.ndarray, classes: np.ndarray) -> sparse.csr_array:
    """Boolean labels (example, 1) of the one node that is the second class."""
    return sparse.csr_array((y == classes[1])[:, None])


def as_fitted(y: Any, classes: np.ndarray) -> sparse.csr_array:
    """Boolean labels (example, node) of an y of the same kind as was fitted.

    Args:
        y: see `as_array`.
        classes: (2,), or (node, 2) where y has an axis of nodes.

    Raises:
        ValueError: it is of the other kind, or holds something else.
    """
    given = as_array(y)
    if given.ndim != classes.ndim:
        raise ValueError(f"y must have as many axes as in fit. Got shape {given.shape}")
    if given.ndim == 2:
        return labels_of_nodes(given)
    strange = given[~np.isin(given, classes)].tolist()
    if strange:
        raise ValueError(f"y must hold the classes of fit only. Got {strange[0]!r}")
    return of_class(given, classes)


def flat(nodes: int) -> Hierarchy:
    """A hierarchy without edges whose nodes stay in the order of the columns."""
    width = len(str(nodes))  # names are ordered as text: padded numbers keep the columns' order
    return Hierarchy.from_edges((), nodes=[f"{column:0{width}d}" for column in range(nodes)])
