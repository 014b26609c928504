"""The classifier among scikit-learn's tools: scores, searches, pipelines, metadata routing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from pipeline.hml import Hierarchy, RareNodeClassifier, classifier
from pipeline.hml.members import ForestMembers

HIERARCHY = Hierarchy.from_edges([("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")], nodes=["alone"])
QUICK = {"members": 4, "hidden": 8, "epochs": 3, "batch_size": 32}
KERNEL = {"members": 4, "kinds": ("kernel",)}  # nothing of it is chance but the folds
ROWS = 120
GROUPS = np.arange(ROWS) // 4
WEIGHT = np.random.default_rng(4).integers(0, 4, ROWS)


def data(examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(examples, len(HIERARCHY))).astype(np.float32)
    return x, np.asarray(HIERARCHY.close(x > 0.9)).astype(np.int64)


X, Y = data(ROWS, seed=0)
FRESH, FRESH_Y = data(50, seed=1)
BINARY = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")


@pytest.fixture(autouse=True, scope="module")
def few_trees() -> Iterator[None]:
    grow = ForestMembers.grow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ForestMembers, "grow", lambda *a, **k: grow(*a, **k | {"trees": 8}))
        yield


@pytest.fixture(scope="module")
def fitted() -> RareNodeClassifier:
    return RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each fit was given."""
    calls: list[dict[str, Any]] = []
    fit = classifier.fit_members

    def recorded(features: np.ndarray, *arguments: Any, **options: Any) -> Any:
        calls.append({"features": features} | options)
        return fit(features, *arguments, **options)

    monkeypatch.setattr(classifier, "fit_members", recorded)
    return calls


class TestScore:
    def test_it_is_scikit_learn_s_micro_average_precision(self, fitted: RareNodeClassifier):
        p = fitted.predict_proba(FRESH)
        expected = average_precision_score(FRESH_Y, p, average="micro")
        assert fitted.score(FRESH, FRESH_Y) == pytest.approx(expected, abs=1e-12)

    def test_it_weighs_examples(self, fitted: RareNodeClassifier):
        weight = np.random.default_rng(0).exponential(size=len(FRESH))
        p = fitted.predict_proba(FRESH)
        expected = average_precision_score(FRESH_Y, p, average="micro", sample_weight=weight)
        assert fitted.score(FRESH, FRESH_Y, weight) == pytest.approx(expected, abs=1e-12)
        rows = np.arange(0, len(FRESH), 2)
        some = np.isin(np.arange(len(FRESH)), rows)
        assert fitted.score(FRESH, FRESH_Y, sample_weight=some) == pytest.approx(
            fitted.score(FRESH[rows], FRESH_Y[rows]), abs=1e-9
        )

    def test_labels_are_closed_upward_and_may_be_sparse(self, fitted: RareNodeClassifier):
        specific = FRESH_Y.copy()
        for child, parent in HIERARCHY.edge_index.T:
            specific[FRESH_Y[:, child] == 1, parent] = 0
        assert (specific != FRESH_Y).any()
        for form in (specific, sparse.csr_array(specific), FRESH_Y.astype(bool)):
            assert fitted.score(FRESH, form) == fitted.score(FRESH, FRESH_Y)

    def test_without_a_positive_it_is_no_number(self, fitted: RareNodeClassifier):
        assert np.isnan(fitted.score(FRESH, np.zeros_like(FRESH_Y)))

    @pytest.mark.parametrize(
        ("y", "weight", "found"),
        [
            (FRESH_Y[:, :3], None, r"y must have shape \(50, 5\). Got \(50, 3\)"),
            (FRESH_Y[:40], None, r"y must have shape \(50, 5\). Got \(40, 5\)"),
            (FRESH_Y[:, 0], None, r"as many axes as in fit. Got shape \(50,\)"),
            (FRESH_Y + 1, None, "zeros and ones"),
            (FRESH_Y, np.ones(3), r"sample_weight must have shape \(50,\)"),
            (FRESH_Y, -np.ones(50), "not negative"),
        ],
        ids=["nodes", "examples", "axes", "values", "weights", "negative"],
    )
    def test_what_does_not_fit_is_refused(
        self, y: np.ndarray, weight: Any, found: str, fitted: RareNodeClassifier
    ):
        with pytest.raises(ValueError, match=found):
            fitted.score(FRESH, y, weight)


class TestTools:
    def test_cross_validation_ranks_by_it_unless_told_otherwise(self):
        model = RareNodeClassifier(HIERARCHY, **QUICK)
        found = cross_val_score(model, X, Y, cv=2)
        half = ROWS // 2
        first = clone(model).fit(X[half:], Y[half:]).score(X[:half], Y[:half])
        assert found[0] == first
        assert found.shape == (2,)

    def test_scorers_of_scikit_learn_judge_each_node(self):
        model = RareNodeClassifier(HIERARCHY, **QUICK)
        names = ["average_precision", "f1_macro", "roc_auc"]
        found = cross_validate(model, X, Y, cv=2, scoring=names)
        half = ROWS // 2
        one = clone(model).fit(X[half:], Y[half:])
        expected = average_precision_score(Y[:half], one.predict_proba(X[:half]), average="macro")
        assert found["test_average_precision"][0] == pytest.approx(expected, abs=1e-12)
        assert all(0 < found[f"test_{name}"].min() <= 1 for name in names)

    def test_predictions_of_cross_validation_are_probabilities_of_nodes(self):
        model = RareNodeClassifier(HIERARCHY, **KERNEL)
        p = cross_val_predict(model, X, Y, cv=2, method="predict_proba")
        half = ROWS // 2
        np.testing.assert_array_equal(
            p[:half], clone(model).fit(X[half:], Y[half:]).predict_proba(X[:half])
        )

    def test_a_search_takes_the_best_by_score_with_groups_for_its_folds(self, seen: list):
        grid = {"epochs": [1, 30]}
        model = RareNodeClassifier(
            HIERARCHY, **QUICK | {"kinds": ("network",), "learning_rate": 1e-2}
        )
        search = GridSearchCV(model, grid, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS)
        assert search.best_params_ == {"epochs": 30}
        assert search.best_estimator_.score(FRESH, FRESH_Y) == search.score(FRESH, FRESH_Y)
        assert all(call["groups"] is None for call in seen)  # they were for the search's folds

    def test_a_search_passes_weights_to_fit_and_score(self, seen: list):
        model = RareNodeClassifier(HIERARCHY, **KERNEL)
        search = GridSearchCV(model, {"beta": [1.0]}, cv=2, refit=False)
        search.fit(X, Y, sample_weight=WEIGHT)
        half = ROWS // 2
        assert np.array_equal(seen[0]["sample_weight"], WEIGHT[half:])
        one = clone(model).fit(X[half:], Y[half:], sample_weight=WEIGHT[half:])
        expected = one.score(X[:half], Y[:half], WEIGHT[:half])
        assert search.cv_results_["split0_test_score"][0] == expected

    def test_a_pipeline_passes_weights_and_groups_by_name(self):
        chain = make_pipeline(StandardScaler(), RareNodeClassifier(HIERARCHY, **KERNEL))
        chain.fit(X, Y, rarenodeclassifier__sample_weight=WEIGHT, rarenodeclassifier__groups=GROUPS)
        x = StandardScaler().fit(X).transform(X)
        alone = RareNodeClassifier(HIERARCHY, **KERNEL).fit(x, Y, GROUPS, WEIGHT)
        assert np.array_equal(chain.predict(X), alone.predict(x))
        assert chain.score(X, Y) == alone.score(x, Y)
        assert chain.named_steps["rarenodeclassifier"].n_features_in_ == X.shape[1]

    def test_metadata_are_routed_where_they_are_asked_for(self, seen: list):
        with sklearn.config_context(enable_metadata_routing=True):
            model = RareNodeClassifier(HIERARCHY, **KERNEL)
            model.set_fit_request(groups=True, sample_weight=True)
            model.set_score_request(sample_weight=True)
            chain = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
            grid = {"rarenodeclassifier__beta": [0.5, 2.0]}
            search = GridSearchCV(chain, grid, cv=GroupKFold(2), refit=False)
            search.fit(X, Y, groups=GROUPS, sample_weight=WEIGHT)
        assert len(seen) == 4
        for call in seen:
            groups = {*call["groups"].tolist()}
            rows = np.isin(GROUPS, [*groups])
            assert len(groups) == len({*GROUPS.tolist()}) / 2
            assert np.array_equal(call["groups"], GROUPS[rows])
            assert np.array_equal(call["sample_weight"], WEIGHT[rows])


class TestTwoClasses:
    def test_they_are_one_node_whose_class_is_the_second(self):
        model = RareNodeClassifier(**QUICK).fit(X, BINARY)
        assert model.classes_.tolist() == ["no", "yes"]
        assert (model.n_outputs_, len(model.hierarchy_)) == (1, 1)
        nodes = RareNodeClassifier(**QUICK).fit(X, (BINARY == "yes")[:, None])
        p = model.predict_proba(FRESH)
        assert np.array_equal(p[:, 1:], nodes.predict_proba(FRESH))
        np.testing.assert_allclose(p.sum(1), 1)
        said = nodes.predict(FRESH)
        assert np.array_equal(model.predict(FRESH) == "yes", said[:, 0] == 1)
        assert 0 < said.mean() < 1
        assert model.score(X, BINARY) == nodes.score(X, (BINARY == "yes")[:, None])

    def test_scorers_of_scikit_learn_take_them(self):
        model = RareNodeClassifier(**KERNEL)
        for name in ("average_precision", "roc_auc", "accuracy"):
            y = BINARY == "yes" if name == "average_precision" else BINARY
            assert cross_val_score(model, X, y, cv=2, scoring=name).min() > 0.7

    def test_a_hierarchy_of_one_node_takes_them_and_of_more_does_not(self):
        one = Hierarchy.from_edges([], nodes=["yes"])
        assert RareNodeClassifier(one, **KERNEL).fit(X, BINARY).hierarchy_ is one
        with pytest.raises(ValueError, match=r"y must have shape \(example, 5\), as there are"):
            RareNodeClassifier(HIERARCHY, **KERNEL).fit(X, BINARY)

    @pytest.mark.parametrize(
        ("y", "found"),
        [
            (np.arange(ROWS) % 3, r"Only binary classification is supported.*Got 3 classes"),
            (np.ones(ROWS), "two classes. Got 1 class"),
            (X[:, 0], "Unknown label type"),
            (np.full(ROWS, np.nan), "NaN"),
            (np.zeros((ROWS, 2, 2)), r"shape \(example, node\).*Got \(120, 2, 2\)"),
            (None, "requires y to be passed"),
        ],
        ids=["three", "one", "numbers", "nan", "axes", "none"],
    )
    def test_other_than_two_are_refused(self, y: Any, found: str):
        with pytest.raises(ValueError, match=found):
            RareNodeClassifier(**KERNEL).fit(X, y)

    def test_an_unknown_class_is_no_negative(self):
        model = RareNodeClassifier(**KERNEL).fit(X, BINARY)
        with pytest.raises(ValueError, match=r"classes of fit only\. Got 'maybe'"):
            model.score(X, np.where(X[:, 0] > 1, "maybe", BINARY))


class TestWeights:
    @pytest.mark.parametrize("y", [Y, BINARY], ids=["nodes", "classes"])
    def test_whole_weights_are_copies_in_one_group(self, y: np.ndarray):
        model = RareNodeClassifier(kinds=("neighbours", "kernel"), members=4)
        copies = np.repeat(np.arange(ROWS), WEIGHT)
        ours = clone(model).fit(X, y, sample_weight=WEIGHT)
        theirs = clone(model).fit(X[copies], y[copies], groups=copies)
        p = ours.predict_proba(FRESH)
        np.testing.assert_allclose(p, theirs.predict_proba(FRESH), atol=2e-3)
        assert np.abs(p - clone(model).fit(X, y).predict_proba(FRESH)).max() > 0.02

    def test_a_weight_of_zero_is_as_good_as_leaving_out(self):
        rows = np.flatnonzero(np.arange(ROWS) % 4)
        weight = [int(row in rows) for row in range(ROWS)]
        x, y = X.copy(), Y.copy()
        x[::4], y[::4] = 99, 1
        ours = RareNodeClassifier(HIERARCHY, **QUICK).fit(x, y, GROUPS, weight)
        theirs = RareNodeClassifier(HIERARCHY, **QUICK).fit(X[rows], Y[rows], GROUPS[rows])
        assert np.array_equal(ours.predict_proba(FRESH), theirs.predict_proba(FRESH))

    def test_a_class_that_weighs_nothing_is_none(self):
        with pytest.raises(ValueError, match=r"two classes\. Got 1 class"):
            RareNodeClassifier(**KERNEL).fit(X, BINARY, sample_weight=BINARY == "yes")


class TestRandomState:
    def test_a_generator_draws_a_seed_at_each_fit(self):
        def fit(state: Any) -> np.ndarray:
            model = RareNodeClassifier(HIERARCHY, **QUICK, kinds=("network",), random_state=state)
            return model.fit(X, Y).predict_proba(FRESH)

        state = np.random.RandomState(7)
        first, second = fit(state), fit(state)
        assert not np.array_equal(first, second)
        assert np.array_equal(first, fit(np.random.RandomState(7)))
        seed = np.random.RandomState(7).randint(2**31 - 1)
        assert np.array_equal(first, fit(int(seed)))

    def test_none_draws_from_numpys_own(self):
        model = RareNodeClassifier(HIERARCHY, **KERNEL, random_state=None)
        before = np.random.get_state()
        try:
            np.random.seed(3)
            first = model.fit(X, Y).predict_proba(FRESH)
            second = model.fit(X, Y).predict_proba(FRESH)
            np.random.seed(3)
            assert np.array_equal(first, model.fit(X, Y).predict_proba(FRESH))
        finally:
            np.random.set_state(before)
        assert not np.array_equal(first, second)
        assert model.random_state is None


class TestAttributes:
    def test_it_says_what_it_is(self, fitted: RareNodeClassifier):
        tags = get_tags(fitted)
        assert is_classifier(fitted)
        assert tags.target_tags.multi_output
        assert tags.target_tags.required
        assert tags.classifier_tags.multi_label
        assert not tags.classifier_tags.multi_class
        assert tags.input_tags.allow_nan
        assert not tags.input_tags.sparse
        assert fitted.n_outputs_ == len(fitted.classes_) == len(HIERARCHY)
        assert fitted.classes_.tolist() == [[0, 1]] * len(HIERARCHY)

    def test_names_of_a_table_s_columns_are_kept_and_checked(self):
        names = ["a", "b", "c", "d", "e"]
        table = pd.DataFrame(X, columns=names)
        model = RareNodeClassifier(HIERARCHY, **KERNEL).fit(
            table, pd.DataFrame(Y, columns=list(HIERARCHY.nodes))
        )
        assert model.feature_names_in_.tolist() == names
        plain = RareNodeClassifier(HIERARCHY, **KERNEL).fit(X, Y)
        assert np.array_equal(model.predict_proba(table), plain.predict_proba(X))
        with pytest.raises(ValueError, match="same order"):
            model.predict(table[names[::-1]])

    def test_fitting_changes_no_parameter(self):
        model = RareNodeClassifier(HIERARCHY, **QUICK, random_state=np.random.RandomState(0))
        before = dict(vars(model))
        model.fit(X, Y, groups=GROUPS, sample_weight=WEIGHT)
        assert all(vars(model)[name] is value for name, value in before.items())
        new = {*vars(model)} - {*before}
        assert new == {"ensemble_", "hierarchy_", "classes_", "n_outputs_", "n_features_in_"}
