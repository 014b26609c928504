"""The ensemble behind scikit-learn's conventions."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from pipeline.hml.decisions import RULES
from pipeline.hml.fitting import fit_members
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import Kind, Variant
from pipeline.hml.losses import Reduction
from pipeline.hml.objective import Objective
from pipeline.hml.training import Settings
from pipeline.hml.uncertainty import Mode


class RareNodeClassifier(BaseEstimator):
    """An ensemble that finds rare nodes and respects their hierarchy.

    Args:
        hierarchy: of the nodes, whose order is the order of Y's columns; None is flat: no edges.
        rule: which cuts `predict` uses, "tuned", "prior_matched", "half" or "budget".
        beta: of the rule "tuned": recall counts beta times as much as precision.
        kinds: of the members, see `members`.
        budget: of the rule "budget": how often a node's own probability reaches its cut in 1,000
            examples.
        cross_fit: whether each example is left out by two members of each kind, so that there are
            honest scores to place cuts and combine kinds by; without, `rule` has to be "half" and
            `kinds` ("network",).
        random_state: seed.

    The other parameters are those of `Settings` and `Objective`.

    Attributes:
        ensemble_: the fitted `Ensemble`.
        hierarchy_: the hierarchy in use.
        n_features_in_: number of features.
    """

    def __init__(
        self,
        hierarchy: Hierarchy | None = None,
        *,
        variant: Variant | None = "paper",
        floor: float = 1.0,
        kind: Kind = "node",
        mode: Mode | None = None,
        focal_floor: float = 0.25,
        focal_power: float = 1.0,
        reduction: Reduction = "mean",
        kinds: Sequence[str] = ("network", "forest", "kernel"),
        members: int = 10,
        hidden: int = 256,
        layers: int = 2,
        dropout: float = 0.5,
        batch_size: int = 64,
        epochs: int = 20,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        prior_start: bool = True,
        rule: Literal["half", "prior_matched", "tuned", "budget"] = "tuned",
        beta: float = 1.0,
        budget: float | None = None,
        cross_fit: bool = True,
        random_state: int = 0,
    ) -> None:
        self.hierarchy = hierarchy
        self.variant: Variant | None = variant
        self.floor = floor
        self.kind: Kind = kind
        self.mode: Mode | None = mode
        self.focal_floor = focal_floor
        self.focal_power = focal_power
        self.reduction: Reduction = reduction
        self.kinds = kinds
        self.members = members
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.batch_size = batch_size
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.prior_start = prior_start
        self.rule = rule
        self.beta = beta
        self.budget = budget
        self.cross_fit = cross_fit
        self.random_state = random_state

    def fit(self, X: Any, Y: Any, groups: Any = None) -> "RareNodeClassifier":
        """Fit on features X (example, feature), NaN where missing, and labels Y (example, node).

        Y holds zeros and ones, dense or scipy sparse; it is closed upward here. What has the same
        one of the groups (example,) is left out together by `cross_fit`.

        Raises:
            ValueError: shapes, values or parameters do not fit.
        """
        given: Any = self.hierarchy
        if not (given is None or isinstance(given, Hierarchy)):
            raise ValueError(
                "hierarchy must be a Hierarchy (see Hierarchy.from_edges) or None. "
                f"Got {type(given).__name__}"
            )
        features = _features(X)
        labels = _labels(Y)
        self._check_column_names(Y)
        if labels.shape[0] != len(features):
            raise ValueError(
                f"X and Y must have as many rows. Got {len(features)} and {labels.shape[0]}"
            )
        if self.rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}. Got {self.rule!r}")
        if self.rule == "budget" and self.budget is None:
            raise ValueError("budget must be a number for the rule 'budget'. Got None")
        if self.budget is not None and not 0 < self.budget < 1000:
            raise ValueError(f"budget must lie between 0 and 1,000 examples. Got {self.budget}")
        if not self.cross_fit and self.rule != "half":
            raise ValueError(f"rule must be half without cross_fit. Got {self.rule!r}")
        hierarchy = self.hierarchy or _flat(labels.shape[1])
        hierarchy.check_nodes(labels.shape, "Y")
        fitted = fit_members(
            features,
            labels,
            hierarchy,
            self._settings(),
            kinds=self.kinds,
            cross_fit=self.cross_fit,
            groups=groups,
            seed=self.random_state,
        )
        self.ensemble_ = fitted.ensemble(beta=self.beta, budget=self.budget)
        self.hierarchy_ = hierarchy
        self.n_features_in_ = features.shape[1]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Coherent probabilities (example, node), of all kinds mixed and calibrated."""
        check_is_fitted(self)
        return self.ensemble_.predict_proba(_features(X))

    def predict(self, X: Any) -> np.ndarray:
        """Decisions (example, node), zeros and ones, closed upward."""
        p = self.predict_proba(X)
        return self.ensemble_.decide(p, self.rule).astype(np.int64)

    def _check_column_names(self, Y: Any) -> None:
        """Names of a table's columns, if it has any, have to be the nodes in node order."""
        columns: list[Any] = list(getattr(Y, "columns", ()))
        if self.hierarchy is None or not any(isinstance(name, str) for name in columns):
            return
        if columns != list(self.hierarchy.nodes):
            raise ValueError(
                "Y must have the nodes as columns, in node order: Y[list(hierarchy.nodes)]. "
                f"Got {', '.join(map(repr, columns[:5]))}{', …' if len(columns) > 5 else ''}"
            )

    def _settings(self) -> Settings:
        return Settings(
            members=self.members,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            prior_start=self.prior_start,
            objective=Objective(
                variant=self.variant,
                floor=self.floor,
                kind=self.kind,
                mode=self.mode,
                focal_floor=self.focal_floor,
                focal_power=self.focal_power,
                reduction=self.reduction,
            ),
        )


def _features(X: Any) -> np.ndarray:
    checked: Any = check_array
    return checked(X, dtype=np.float32, ensure_all_finite="allow-nan")


def _labels(Y: Any) -> sparse.csr_array:
    array: Any = Y if sparse.issparse(Y) else np.asarray(Y)
    if array.ndim != 2:
        raise ValueError(f"Y must have shape (example, node). Got {array.shape}")
    labels: Any = sparse.csr_array(array)
    wrong = labels.data[~np.isin(labels.data, (0, 1))]
    if len(wrong):
        raise ValueError(f"Y must hold zeros and ones only. Got {wrong[0]}")
    return labels.astype(np.bool_)


def _flat(nodes: int) -> Hierarchy:
    width = len(str(nodes))  # names are ordered as text: padded numbers keep the columns' order
    return Hierarchy.from_edges((), nodes=[f"{column:0{width}d}" for column in range(nodes)])
