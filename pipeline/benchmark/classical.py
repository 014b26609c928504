"""Classical methods of scikit-learn as baselines, coherent by the maximum over descendants.

`logistic_regression`: one per node, L2 with C = 1, scikit-learn's default. Of its solvers
lbfgs took about half the time of the next with 50 to 80 features, and a fifth with 300.

`random_forest`: 100 trees of all nodes together. Squared error of a 0/1 label is half its Gini
impurity, so a regression forest of many outputs splits as a classifier does by the mean impurity of
its nodes, and a leaf holds each node's share of positives (Breiman, Machine Learning 2001); it is
coherent by itself. Each split chooses among the square root of the number of features, a leaf has
two examples or more: on the validation data of four data sets one was worse throughout, three and
five were better on some and worse on others. A tree stores every node's share at each of its
places, so that a forest of 3,700 gene functions takes 2.8 GB.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse, special
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pipeline.hml import Hierarchy, coherent
from pipeline.hml.decisions import decide, half_cuts, prior_matched_cuts
from pipeline.hml.folds import folds
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.tuned import tuned_cuts

TREES = 100
# Cuts are placed on scores of refits that left the example out. A forest takes minutes where there
# are hundreds of nodes, so it has fewer of them.
FOLDS = {"logistic_regression": 5, "random_forest": 3}
_LEAF = 2  # fewest examples of a leaf
_ITERATIONS = 1000  # of a regression at most; a few dozen are usual

# From standardised features (example, feature) to (example, learnt node).
_Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, repr=False)
class _Model:
    """What a method learnt of the nodes that it could learn, and what is known of the others.

    Attributes:
        hierarchy: of the nodes.
        learnt: columns of the nodes with positives and negatives.
        always: (node,) bool, positive in every example. Nodes that are neither have probability 0.
        predict: of the learnt nodes.
    """

    hierarchy: Hierarchy
    learnt: Int[np.ndarray, " learnt"]
    always: Bool[np.ndarray, " node"]
    predict: _Predict

    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example node"]:
        """Coherent probabilities of standardised features, float32."""
        p = np.zeros((len(x), len(self.hierarchy)), dtype=np.float32)
        p[:, self.always] = 1
        if len(self.learnt) and len(x):
            p[:, self.learnt] = self.predict(x)
        return coherent(p, self.hierarchy)


@dataclass(frozen=True, repr=False)
class Classical:
    """A fitted baseline; it predicts and decides as an `Ensemble` does.

    Attributes:
        hierarchy: of the nodes.
        preprocessing: fitted on the training data.
        share: (node,) float64 share of positives in the training data.
        cuts: decision rule -> (node,) float64; see `decisions`.
        model: fitted on all of the training data.
    """

    hierarchy: Hierarchy
    preprocessing: Standardizer
    share: np.ndarray
    cuts: dict[str, np.ndarray]
    model: _Model

    def predict_proba(
        self, features: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example node"]:
        """Coherent probabilities, float32; NaN is a missing value.

        Raises:
            ValueError: another number of features than was fitted, or a value is infinite.
        """
        return self.model.probability(self.preprocessing.transform(np.asarray(features)))

    def decide(self, p: Any, rule: str) -> Bool[np.ndarray, "example node"]:
        """Decisions by one of the rules in `cuts`, closed upward; KeyError for another name."""
        return decide(np.asarray(p), self.cuts[rule], self.hierarchy)


def fit(
    name: str,
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    *,
    groups: Any,
    scored: Bool[np.ndarray, " node"],
    seed: int,
    rows: Int[np.ndarray, " row"],
    beta: float = 1.0,
) -> Classical:
    """Fit a baseline on all training examples, and its cuts on scores of examples left out.

    For the cuts it is fitted again without each fold, which are dealt as those of the members of an
    ensemble are: groups stay together, rare positives are spread (see `folds`).

    Args:
        name: one of `FOLDS`.
        features: (example, feature) float32, NaN where missing; may be memory-mapped.
        labels: (example, node) boolean CSR; most specific nodes suffice.
        hierarchy: of these nodes.
        groups: (row,) what belongs together is left out together; None keeps no two together.
        scored: (node,) bool; the other nodes are not learnt, only the maximum reaches them.
        seed: of folds and trees.
        rows: (row,) the examples that are learnt from.
        beta: of the rule `tuned`: recall counts beta times as much as precision.

    Raises:
        ValueError: the name is unknown, a shape does not fit, a value is infinite, or there are
            fewer groups than folds.
    """
    if name not in _METHODS:
        raise ValueError(f"name must be one of {', '.join(_METHODS)}. Got {name!r}")
    hierarchy.check_nodes(scored.shape, "scored")
    closed = sparse.csr_array(hierarchy.close(sparse.csr_array(labels)[rows])).astype(np.bool_)
    fold = folds(closed, FOLDS[name], groups=groups, seed=seed)
    preprocessing = Standardizer.fit(features, rows)
    x = preprocessing.transform(np.asarray(features[rows]))

    held_out = np.empty(closed.shape, dtype=np.float32)
    for number in range(FOLDS[name]):
        out = fold == number
        refit = _fit(name, x[~out], closed[~out], hierarchy, scored, seed)
        held_out[out] = refit.probability(x[out])
        del refit  # a forest is large: one at a time
    share = hierarchy.support(closed) / len(rows)
    cuts = {
        "half": half_cuts(len(hierarchy)),
        "prior_matched": prior_matched_cuts(held_out, share),
        "tuned": tuned_cuts(Predictions(closed, lambda part: held_out[part]), beta=beta),
    }
    model = _fit(name, x, closed, hierarchy, scored, seed)
    return Classical(hierarchy, preprocessing, share, cuts, model)


def _fit(
    name: str, x: np.ndarray, closed: Any, hierarchy: Hierarchy, scored: np.ndarray, seed: int
) -> _Model:
    support = np.bincount(closed.indices, minlength=len(hierarchy))
    learnt = np.flatnonzero(scored & (support > 0) & (support < len(x)))
    y = closed[:, learnt].toarray()
    predict = _METHODS[name](x, y, seed) if len(learnt) else np.zeros_like
    return _Model(hierarchy, learnt, scored & (support == len(x)), predict)


def _logistic_regression(x: np.ndarray, y: np.ndarray, seed: int) -> _Predict:
    """Nothing is left to chance in it."""
    x = x.astype(np.float64)  # in float32 a line search can fail
    weight, bias = np.empty((x.shape[1], y.shape[1])), np.empty(y.shape[1])
    with warnings.catch_warnings():
        # Where many iterations were not enough, more would hardly change what is predicted.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for node, positive in enumerate(y.T):
            regression: Any = LogisticRegression(solver="lbfgs", C=1.0, max_iter=_ITERATIONS)
            regression.fit(x, positive)
            weight[:, node], bias[node] = regression.coef_[0], regression.intercept_[0]
    return lambda x: special.expit(x @ weight + bias)


def _random_forest(x: np.ndarray, y: np.ndarray, seed: int) -> _Predict:
    """Nodes with the same positives are one output; a third of the gene functions are such.

    An output that is multiplied by the square root of their number weighs in an impurity as all of
    them do: the trees are the same, but for what rounding decides.
    """
    distinct, place, count = np.unique(y, axis=1, return_inverse=True, return_counts=True)
    root = np.sqrt(count)
    regressor: Any = RandomForestRegressor
    forest = regressor(
        TREES,
        min_samples_leaf=_LEAF,
        max_features="sqrt",
        random_state=seed,
        n_jobs=torch.get_num_threads(),
    )
    y = distinct * root
    forest.fit(x, y.ravel() if len(root) == 1 else y)  # of a single column it warns
    forest.set_params(n_jobs=1)  # several threads add trees up in any order

    def predict(x: np.ndarray) -> np.ndarray:
        return (forest.predict(x).reshape(len(x), -1) / root)[:, place]

    return predict


_METHODS: dict[str, Callable[[np.ndarray, np.ndarray, int], _Predict]] = {
    "logistic_regression": _logistic_regression,
    "random_forest": _random_forest,
}
