"""The ensemble behind scikit-learn's conventions."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.hml import example_weights, metrics, targets
from pipeline.hml.decisions import RULES
from pipeline.hml.fitting import fit_members
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import Kind, Variant
from pipeline.hml.losses import Reduction
from pipeline.hml.objective import Objective
from pipeline.hml.training import Settings
from pipeline.hml.uncertainty import Mode


class RareNodeClassifier(ClassifierMixin, MultiOutputMixin, BaseEstimator):
    """An ensemble that finds rare nodes and respects their hierarchy.

    Labels y have shape (example, node). An y of shape (example,) with two classes is one node: the
    second class. `predict` and `predict_proba` then give what scikit-learn expects of two classes.

    Args:
        hierarchy: of the nodes, whose order is the order of y's columns; None is flat: no edges.
        rule: which cuts `predict` uses, "tuned", "prior_matched", "half" or "budget".
        beta: of the rule "tuned": recall counts beta times as much as precision.
        kinds: of the members, see `members`.
        budget: of the rule "budget": how often a node's own probability reaches its cut in 1,000
            examples.
        cross_fit: whether each example is left out by two members of each kind, so that there are
            honest scores to place cuts and combine kinds by; without, `rule` has to be "half" and
            `kinds` ("network",).
        random_state: seed; a RandomState, or None for numpy's own, draws another at each fit.

    The other parameters are those of `Settings` and `Objective`.

    Attributes:
        ensemble_: the fitted `Ensemble`.
        hierarchy_: the hierarchy in use.
        classes_: (node, 2) of each node zero and one; of an y of two classes these, ascending.
        n_outputs_: number of nodes.
        n_features_in_: number of features.
        feature_names_in_: of a table whose columns all have names.

    Examples:
        Only the most specific nodes are given here; what is predicted is closed upward. Another
        rule needs no other fit:

        >>> import numpy as np
        >>> from pipeline.hml import Hierarchy, RareNodeClassifier
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> Y = X[:, [0, 0, 1]] > [9, 1.5, 1.5]  # animal, cat, dog
        >>> model = RareNodeClassifier(hierarchy, members=4, kinds=("kernel",)).fit(X, Y)
        >>> for rule in ("tuned", "half"):
        ...     print(rule, model.set_params(rule=rule).predict([[3, 0], [0, 3], [0, 0]]).tolist())
        tuned [[1, 1, 0], [1, 0, 1], [0, 0, 0]]
        half [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
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
        random_state: int | np.random.RandomState | None = 0,
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

    def fit(
        self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
    ) -> "RareNodeClassifier":
        """Fit on features X (example, feature), NaN where missing, and labels y.

        Args:
            X: dense numbers; float32 may be memory-mapped.
            y: (example, node) zeros and ones, dense or scipy sparse, closed upward here; or
                (example,) two classes.
            groups: (example,) what has the same one is left out together by `cross_fit`.
            sample_weight: (example,) finite and not negative. An example of weight w counts as w
                copies of it in one group do, of weight 0 not at all, in all that is fitted: scale
                of the features, priors, weights of nodes, loss, members of each kind, mixing,
                calibration, cuts. Chances aside: networks see an example once per epoch, with its
                loss weighted. Not only proportions matter: weights that sum to 1 say that there is
                one example, which is refused as one example is.

        Raises:
            ValueError: shapes, values or parameters do not fit.
        """
        given: Any = self.hierarchy
        if not (given is None or isinstance(given, Hierarchy)):
            raise ValueError(
                "hierarchy must be a Hierarchy (see Hierarchy.from_edges) or None. "
                f"Got {type(given).__name__}"
            )
        features = self._features(X, reset=True)
        weight = None
        if sample_weight is not None:
            weight = example_weights.checked(sample_weight, len(features))
        target = targets.as_array(y)
        if target.shape[0] != len(features):
            raise ValueError(
                f"X and y must have as many rows. Got {len(features)} and {target.shape[0]}"
            )
        self._check_rule()
        classes: Any = None
        if target.ndim == 2:
            labels = targets.labels_of_nodes(target)
        elif self.hierarchy is None or len(self.hierarchy) == 1:
            classes = targets.two_classes(target, weight)
            labels = targets.of_class(target, classes)
        else:
            raise ValueError(
                f"y must have shape (example, {len(self.hierarchy)}), as there are nodes. "
                f"Got {target.shape}"
            )
        hierarchy = self.hierarchy or targets.flat(labels.shape[1])
        if self.hierarchy is not None:
            targets.check_columns(y, hierarchy)
        hierarchy.check_nodes(labels.shape, "y")
        fitted = fit_members(
            features,
            labels,
            hierarchy,
            self._settings(),
            kinds=self.kinds,
            cross_fit=self.cross_fit,
            groups=groups,
            sample_weight=weight,
            seed=self._seed(),
        )
        self.ensemble_ = fitted.ensemble(beta=self.beta, budget=self.budget)
        self.hierarchy_ = hierarchy
        self.n_outputs_ = len(hierarchy)
        self.classes_ = np.tile([0, 1], (len(hierarchy), 1)) if classes is None else classes
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Coherent probabilities (example, node), of all kinds mixed and calibrated.

        Of two classes: (example, 2).
        """
        p = self._probability(X)
        return p if self._of_nodes() else np.hstack([1 - p, p])

    def predict(self, X: Any) -> np.ndarray:
        """Decisions (example, node), zeros and ones, closed upward; or classes (example,)."""
        p = self._probability(X)
        decided = self.ensemble_.decide(p, self.rule).astype(np.int64)
        return decided if self._of_nodes() else self.classes_[decided[:, 0]]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Average precision over all (example, node) entries at once: `micro_ap`.

        It judges the ranking, whatever the rule. Accuracy would say nothing: next to no example has
        all of its nodes right, and of the entries nearly all are right if none is predicted.

        Args:
            X: as in `fit`.
            y: as in `fit`.
            sample_weight: (example,); None is 1.

        Returns:
            Between 0 and 1; NaN where there is no positive.

        Raises:
            ValueError: shapes or values do not fit.
        """
        p = self._probability(X)
        labels = targets.as_fitted(y, self.classes_)
        if labels.shape != p.shape:
            raise ValueError(f"y must have shape {p.shape}. Got {labels.shape}")
        weight = np.ones(len(p))
        if sample_weight is not None:
            weight = example_weights.checked(sample_weight, len(p))
        closed = sparse.csr_array(self.hierarchy_.close(labels)).toarray()
        example = np.repeat(np.arange(len(p)), p.shape[1])
        found = metrics.average_precision_replicates(
            closed.ravel(), p.ravel(), weight[None], example=example
        )
        return float(found[0])

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.input_tags.allow_nan = True
        return tags

    def _features(self, X: Any, *, reset: bool) -> np.ndarray:
        validated: Any = validate_data
        return validated(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=reset)

    def _probability(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.ensemble_.predict_proba(self._features(X, reset=False))

    def _of_nodes(self) -> bool:
        """Whether y had an axis of nodes."""
        return self.classes_.ndim == 2

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_rule(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}. Got {self.rule!r}")
        if self.rule == "budget" and self.budget is None:
            raise ValueError("budget must be a number for the rule 'budget'. Got None")
        if self.budget is not None and not 0 < self.budget < 1000:
            raise ValueError(f"budget must lie between 0 and 1,000 examples. Got {self.budget}")
        if not self.cross_fit and self.rule != "half":
            raise ValueError(f"rule must be half without cross_fit. Got {self.rule!r}")

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
