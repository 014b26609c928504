"""RareNodeClassifier: scikit-learn's conventions, and predictions that respect the hierarchy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pipeline.hml import Hierarchy, RareNodeClassifier, metrics
from pipeline.hml.members import KINDS, ForestMembers
from pipeline.hml.training import TrainingError

HIERARCHY = Hierarchy.from_edges(
    [("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")], nodes=["alone", "never"]
)
QUICK = {"members": 4, "hidden": 16, "epochs": 3, "batch_size": 32}
ALL = ("network", "forest", "kernel")
ALONE = {"kinds": ("network",), "cross_fit": False, "rule": "half"}


@pytest.fixture(autouse=True, scope="module")
def few_trees() -> Iterator[None]:
    """Trees are what takes time, and twenty show what 300 would."""
    grow = ForestMembers.grow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ForestMembers, "grow", lambda *a, **k: grow(*a, **k | {"trees": 20}))
        yield


def data(examples: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Each node but `never` follows the sign of its own feature; labels are closed."""
    x = np.random.default_rng(seed).normal(size=(examples, len(HIERARCHY))).astype(np.float32)
    y = x > 1
    y[:, HIERARCHY.index["never"]] = False
    return x, HIERARCHY.close(y).astype(np.int64)


X, Y = data()


@pytest.fixture(scope="module")
def fitted() -> RareNodeClassifier:
    return RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y)


@pytest.mark.parametrize("kinds", [("network",), ALL], ids=len)
def test_it_learns_what_can_be_learnt(kinds: tuple[str, ...]):
    classifier = RareNodeClassifier(
        HIERARCHY, kinds=kinds, members=4, hidden=32, epochs=40, batch_size=32, learning_rate=1e-2
    ).fit(*data(400, seed=1))
    x, y = data(400, seed=2)
    assert metrics.macro_average_precision(y, classifier.predict_proba(x)) > 0.93  # chance: 0.23
    assert metrics.rule_scores(y, classifier.predict(x))["micro_f1"] > 0.7


def test_the_default_has_members_of_three_kinds(fitted: RareNodeClassifier):
    assert RareNodeClassifier().kinds == ALL
    assert {*ALL} < {*KINDS}
    assert tuple(fitted.ensemble_.members) == ALL
    assert fitted.ensemble_.combination is not None


def test_the_order_in_which_kinds_are_named_does_not_matter(fitted: RareNodeClassifier):
    other = RareNodeClassifier(HIERARCHY, **QUICK, kinds=list(ALL[::-1])).fit(X, Y)
    np.testing.assert_allclose(
        other.predict_proba(X), fitted.predict_proba(X), rtol=0.01, atol=1e-4
    )


def test_what_belongs_together_is_left_out_together():
    # Twins with labels that nothing but their twin tells: who learns from one knows the other.
    x, y = np.vstack([X, X]), np.tile(np.random.default_rng(0).permutation(Y), (2, 1))
    model = RareNodeClassifier(HIERARCHY, **QUICK, kinds=("neighbours",))
    apart = clone(model).fit(x, y).ensemble_
    together = clone(model).fit(x, y, groups=np.tile(np.arange(len(X)), 2)).ensemble_
    known = y.sum(0) > 0
    assert (apart.cuts["tuned"] > together.cuts["tuned"])[known].all()


@pytest.mark.parametrize("kinds", [("network",), ("forest",), ALL], ids="-".join)
def test_probabilities_are_coherent_and_lie_between_zero_and_one(kinds: tuple[str, ...]):
    p = RareNodeClassifier(HIERARCHY, **QUICK | {"kinds": kinds}).fit(X, Y).predict_proba(X)
    assert p.dtype == np.float32
    assert p.shape == Y.shape
    assert ((p >= 0) & (p <= 1)).all()
    child, parent = HIERARCHY.edge_index
    assert (p[:, parent] >= p[:, child]).all()


@pytest.mark.parametrize("rule", ["half", "prior_matched", "tuned"])
def test_decisions_are_zeros_and_ones_and_closed_upward(rule: str):
    decided = RareNodeClassifier(HIERARCHY, rule=rule, **QUICK).fit(X, Y).predict(X)
    assert decided.shape == Y.shape
    assert np.isin(decided, (0, 1)).all()
    assert np.array_equal(HIERARCHY.close(decided), decided)


@pytest.mark.parametrize("rule", ["prior_matched", "tuned"])
def test_a_node_without_training_positives_is_never_predicted(rule: str):
    fitted = RareNodeClassifier(HIERARCHY, rule=rule, **QUICK).fit(X, Y)
    assert not fitted.predict(X)[:, HIERARCHY.index["never"]].any()
    assert fitted.predict(X).any()


def test_half_decides_at_one_half(fitted: RareNodeClassifier):
    half = RareNodeClassifier(HIERARCHY, rule="half", **QUICK).fit(X, Y)
    assert np.array_equal(half.predict(X) == 1, HIERARCHY.close(half.predict_proba(X) >= 0.5))
    # The rule changes decisions, not the model.
    assert np.array_equal(half.predict_proba(X), fitted.predict_proba(X))


def test_without_a_hierarchy_columns_stay_where_they_are():
    # Twelve columns: "10" sorts before "2".
    x = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
    classifier = RareNodeClassifier(
        members=4, hidden=32, epochs=40, batch_size=32, learning_rate=1e-2
    ).fit(x, x > 0.5)
    assert metrics.macro_average_precision(x > 0.5, classifier.predict_proba(x)) > 0.9
    assert classifier.hierarchy_.edge_index.shape == (2, 0)


@pytest.mark.parametrize("kinds", [("network",), ("forest",), ALL], ids="-".join)
def test_the_same_seed_gives_the_same_model_and_another_seed_another(kinds: tuple[str, ...]):
    one, again, other = (
        RareNodeClassifier(HIERARCHY, **QUICK | {"kinds": kinds}, random_state=seed).fit(X, Y)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(again.predict_proba(X), one.predict_proba(X))
    assert np.array_equal(again.predict(X), one.predict(X))
    assert not np.array_equal(other.predict_proba(X), one.predict_proba(X))


def test_without_folds_there_is_one_training_and_no_cuts(fitted: RareNodeClassifier):
    plain = RareNodeClassifier(HIERARCHY, **QUICK | ALONE | {"members": 2}).fit(X, Y)
    assert set(plain.ensemble_.cuts) == {"half"}
    assert set(fitted.ensemble_.cuts) == {"half", "prior_matched", "tuned"}


def test_fitting_leaves_global_random_generators_and_data_alone():
    x, y = X.copy(), Y.copy()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
    RareNodeClassifier(HIERARCHY, **QUICK | {"kinds": ALL}).fit(x, y)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


@pytest.mark.parametrize("kind", ALL)
def test_labels_may_be_sparse_boolean_or_most_specific_only(kind: str):
    options = QUICK | {"kinds": (kind,)}
    expected = RareNodeClassifier(HIERARCHY, **options).fit(X, Y)
    specific = Y.copy()
    for child, parent in HIERARCHY.edge_index.T:
        specific[Y[:, child] == 1, parent] = 0
    assert (specific != Y).any()
    zeros_stored = sparse.csr_array(np.ones_like(Y))
    zeros_stored.data = Y.reshape(-1).copy()
    forms = (
        zeros_stored,
        sparse.csr_array(Y),
        sparse.csr_matrix(Y),
        sparse.coo_array(Y),
        Y == 1,
        specific,
        Y * 1.0,
    )
    for form in forms:
        again = RareNodeClassifier(HIERARCHY, **options).fit(X, form)
        assert np.array_equal(again.predict_proba(X), expected.predict_proba(X))


def test_networks_that_diverged_are_an_error_and_no_prediction():
    # One batch: its loss is finite still, but not what the networks become.
    diverging = QUICK | {"epochs": 1, "batch_size": 200, "layers": 3, "learning_rate": 1e30}
    with pytest.raises(TrainingError, match=r"found NaN.*learning rate"):
        RareNodeClassifier(HIERARCHY, **diverging).fit(X, Y)


def test_missing_values_are_taken_in_training_and_prediction():
    x = X.copy()
    x[::3, 0] = np.nan
    classifier = RareNodeClassifier(HIERARCHY, **QUICK | {"kinds": ALL}).fit(x, Y)
    assert np.isfinite(classifier.predict_proba(x)).all()
    assert np.isfinite(classifier.predict_proba(np.full((1, X.shape[1]), np.nan))).all()


@pytest.mark.parametrize("kinds", [("network",), ALL], ids=len)
def test_one_example_is_predicted_alone_as_among_others(kinds: tuple[str, ...]):
    fitted = RareNodeClassifier(HIERARCHY, **QUICK | {"kinds": kinds}).fit(X, Y)
    together = fitted.predict_proba(X[:5])
    alone = np.vstack([fitted.predict_proba(X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together, rtol=1e-5)


@pytest.mark.parametrize("mode", ["predictive", "epistemic", "gaussian_margin"])
@pytest.mark.parametrize("variant", ["paper", "released", None])
def test_every_weighting_trains(mode: str, variant: str | None):
    classifier = RareNodeClassifier(HIERARCHY, mode=mode, variant=variant, **QUICK)
    assert np.isfinite(classifier.fit(X, Y).predict_proba(X)).all()


def test_it_can_be_cloned_and_its_parameters_set():
    classifier = RareNodeClassifier(HIERARCHY, members=3)
    copy = clone(classifier)
    assert copy.kinds == ALL
    assert copy.hierarchy.nodes == HIERARCHY.nodes
    assert copy.get_params()["members"] == 3
    copy.set_params(members=4)
    assert (copy.members, classifier.members) == (4, 3)


def test_cross_validation_works():
    def score(classifier: RareNodeClassifier, x: np.ndarray, y: np.ndarray) -> float:
        return metrics.micro_average_precision(y, classifier.predict_proba(x))

    values = cross_val_score(RareNodeClassifier(HIERARCHY, **QUICK), X, Y, cv=2, scoring=score)
    assert np.isfinite(values).all()


def test_a_clone_fits_the_same_model(fitted: RareNodeClassifier):
    assert np.array_equal(clone(fitted).fit(X, Y).predict_proba(X), fitted.predict_proba(X))


def test_it_works_at_the_end_of_a_pipeline(fitted: RareNodeClassifier):
    chain = make_pipeline(FunctionTransformer(), RareNodeClassifier(HIERARCHY, **QUICK))
    assert np.array_equal(chain.fit(X, Y).predict(X), fitted.predict(X))


def test_fit_returns_the_classifier_and_records_the_number_of_features(fitted):
    classifier = RareNodeClassifier(HIERARCHY, **QUICK)
    assert classifier.fit(X, Y) is classifier
    assert fitted.n_features_in_ == X.shape[1]


def test_an_unfitted_classifier_says_so():
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(RareNodeClassifier(HIERARCHY), method)(X)


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({**ALONE, "members": 1, "mode": "epistemic"}, "epistemic"),
            ({"variant": "ours"}, "ours"),
            ({"variant": "papers"}, "papers"),
            ({"mode": "confusion"}, "confusion"),
            ({"kind": "class"}, "class"),
            ({"reduction": "median"}, "median"),
            ({"rule": "always"}, "always"),
            ({"kinds": ("oracle",)}, "kinds must be some of .*oracle"),
            ({"kinds": ()}, "kinds"),
            ({"cross_fit": False}, "rule must be half without cross_fit"),
            ({"cross_fit": False, "rule": "half"}, "kinds must be network alone"),
            ({"beta": 0.0}, "beta"),
            ({"budget": -3.0}, "budget must lie between 0 and 1,000"),
            ({"budget": 1000.0}, "budget must lie between 0 and 1,000"),
            ({"rule": "budget"}, "budget must be a number"),
            ({"floor": -1.0}, "-1"),
        ],
        ids=lambda value: value if isinstance(value, str) else "-".join(value),
    )
    def test_parameters(self, change: dict[str, Any], found: str):
        with pytest.raises(ValueError, match=found):
            RareNodeClassifier(HIERARCHY, **(QUICK | change)).fit(X, Y)

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"members": 0}, "members.*0"),
            ({"members": 3}, "at least 4 members. Got 3"),
            ({"epochs": -1}, "epochs.*-1"),
            ({"batch_size": 0}, "batch_size.*0"),
            ({"dropout": 1.5}, r"dropout.*1\.5"),
            ({"layers": 0}, "layers.*0"),
            ({"hidden": 0}, "hidden.*0"),
            ({"learning_rate": -1.0}, "-1"),
        ],
        ids=lambda value: value if isinstance(value, str) else "-".join(value),
    )
    def test_sizes_and_rates_out_of_range(self, change: dict[str, Any], found: str):
        with pytest.raises(ValueError, match=found):
            RareNodeClassifier(HIERARCHY, **(QUICK | change)).fit(X, Y)

    def test_labels_of_another_number_of_examples(self):
        with pytest.raises(ValueError, match=r"200.*199|199.*200"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y[:-1])

    def test_groups_of_another_number_of_examples(self):
        with pytest.raises(ValueError, match=r"groups.*200.*199"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y, groups=np.arange(199))

    def test_fewer_examples_than_folds(self):
        with pytest.raises(ValueError, match=r"as many groups of examples as folds, 4. Got 3"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X[:3], Y[:3])

    def test_labels_of_another_number_of_nodes(self):
        with pytest.raises(ValueError, match="6"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y[:, :5])

    def test_labels_other_than_zero_and_one(self):
        with pytest.raises(ValueError, match="2"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y * 2)

    def test_labels_of_one_axis(self):
        with pytest.raises(ValueError, match=r"y must have shape \(example, 6\)"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(X, Y[:, 0])

    def test_infinite_features(self):
        x = X.copy()
        x[0, 0] = np.inf
        with pytest.raises(ValueError, match="inf"):
            RareNodeClassifier(HIERARCHY, **QUICK).fit(x, Y)

    def test_infinite_features_of_an_ensemble(self, fitted: RareNodeClassifier):
        x = X.copy()
        x[0, 0] = -np.inf
        with pytest.raises(ValueError, match="inf"):
            fitted.ensemble_.predict_proba(x)

    def test_another_number_of_features_than_in_training(self, fitted: RareNodeClassifier):
        with pytest.raises(ValueError, match=r"6[\s\S]*5|5[\s\S]*6"):
            fitted.predict_proba(X[:, :5])


class Table(np.ndarray):
    """An array with column names, as a data frame has them."""

    columns: tuple[str, ...]


def test_columns_in_another_order_than_the_nodes_are_refused():
    hierarchy = Hierarchy.from_edges([("b", "a"), ("c", "a")])
    labels = np.array([[1, 1, 0], [1, 0, 1]] * 4)
    table = labels.view(Table)
    table.columns = ("c", "b", "a")
    model = RareNodeClassifier(hierarchy, members=4, epochs=1)
    with pytest.raises(ValueError, match=r"node order.*Got 'c', 'b', 'a'"):
        model.fit(np.eye(8, dtype=np.float32), table)
    table.columns = hierarchy.nodes
    model.fit(np.eye(8, dtype=np.float32), table)


def test_hierarchy_of_another_type_is_refused(as_users_call_it: None):
    model = RareNodeClassifier([("b", "a")])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hierarchy must be a Hierarchy"):
        model.fit(np.eye(4, dtype=np.float32), np.ones((4, 2)))
