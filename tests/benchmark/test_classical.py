"""The classical baselines are scikit-learn's own, coherent, and cut by honest scores."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from pipeline.benchmark import classical
from pipeline.benchmark.classical import FOLDS, Classical
from pipeline.hml import Hierarchy, coherent
from pipeline.hml.decisions import half_cuts, prior_matched_cuts
from pipeline.hml.evaluation import row_weights
from pipeline.hml.folds import folds
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.tuned import tuned_cuts
from pipeline.stages import evaluate, learning
from tests.hml.toy import HIERARCHY, problem
from tests.stages.problem import prepared_problem

NAMES = [*FOLDS]
X, LABELS = problem()
X[::7, 2] = np.nan
CLOSED = np.asarray(HIERARCHY.close(LABELS.toarray()))
ROWS = np.arange(len(X))[::-1][:80]
GROUPS = np.arange(80) // 2
ALL = np.ones(len(HIERARCHY), bool)
NEVER = HIERARCHY.index["never"]
Z = Standardizer.fit(X, ROWS).transform(X)  # what is learnt from
TREES = 8


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(classical, "TREES", TREES)


def fit(name: str, labels: Any = LABELS, hierarchy: Hierarchy = HIERARCHY, **options: Any):
    given = {"groups": GROUPS, "scored": ALL, "seed": 0, "rows": ROWS} | options
    return classical.fit(name, X, labels, hierarchy, **given)


def directly(name: str, x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """By scikit-learn alone, before the maximum: (example, node), 0 where nothing is learnable."""
    p = np.zeros((len(new), y.shape[1]))
    known = np.flatnonzero(y.any(0) & ~y.all(0))
    if name == "logistic_regression":
        for node in known:
            regression = LogisticRegression(max_iter=1000).fit(x.astype(float), y[:, node])
            p[:, node] = regression.predict_proba(new)[:, 1]
    else:
        forest = RandomForestRegressor(
            TREES, min_samples_leaf=2, max_features="sqrt", random_state=0
        )
        p[:, known] = forest.fit(x, y[:, known].astype(float)).predict(new)
    return p


@pytest.mark.parametrize("name", NAMES)
class TestBoth:
    def test_probabilities_are_those_of_scikit_learn_made_coherent(self, name: str):
        model = fit(name)
        expected = directly(name, Z[ROWS], CLOSED[ROWS], Z)
        found = np.zeros_like(expected)
        found[:, model.model.learnt] = model.model.predict(Z)
        assert found == pytest.approx(expected, abs=1e-6)
        p = model.predict_proba(X)
        assert p.dtype == np.float32
        assert p == pytest.approx(coherent(expected, HIERARCHY), abs=1e-6)

    def test_without_edges_the_maximum_changes_nothing(self, name: str):
        flat = Hierarchy.from_edges([], nodes=HIERARCHY.nodes)
        order = [HIERARCHY.index[node] for node in flat.nodes]
        p = fit(name, sparse.csr_array(CLOSED[:, order]), flat).predict_proba(X)
        expected = directly(name, Z[ROWS], CLOSED[np.ix_(ROWS, order)], Z)
        assert p == pytest.approx(expected, abs=1e-6)

    def test_no_node_is_more_probable_than_a_node_above_it(self, name: str):
        model = fit(name)
        p = model.predict_proba(X)
        child, parent = HIERARCHY.edge_index
        assert (p[:, child] <= p[:, parent]).all()

    def test_decisions_are_closed_upward(self, name: str):
        model = fit(name)
        assert [*model.cuts] == ["half", "prior_matched", "tuned"]
        for rule in model.cuts:
            # Scores that are not coherent, so that there is something to close.
            decided = model.decide(np.random.default_rng(1).random(CLOSED.shape), rule)
            assert decided.dtype == np.bool_
            assert np.array_equal(decided, HIERARCHY.close(decided))
            assert model.decide(model.predict_proba(X), rule).any()
        with pytest.raises(KeyError):
            model.decide(X, "another")

    def test_cuts_are_placed_on_scores_of_refits_that_left_the_example_out(self, name: str):
        model = fit(name, beta=2.0)
        y, z = CLOSED[ROWS], Z[ROWS]
        closed = sparse.csr_array(y)
        fold = folds(closed, FOLDS[name], groups=GROUPS, seed=0)
        held_out = np.zeros(y.shape, np.float32)
        for number in range(FOLDS[name]):
            out = fold == number
            held_out[out] = coherent(directly(name, z[~out], y[~out], z[out]), HIERARCHY)
        assert model.share == pytest.approx(y.mean(0))
        assert np.array_equal(model.cuts["half"], half_cuts(len(HIERARCHY)))
        expected = prior_matched_cuts(held_out, y.mean(0))
        assert model.cuts["prior_matched"] == pytest.approx(expected, abs=1e-6)
        expected = tuned_cuts(Predictions(closed, lambda rows: held_out[rows]), beta=2.0)
        assert model.cuts["tuned"] == pytest.approx(expected, abs=1e-6)
        on_training = prior_matched_cuts(model.predict_proba(X[ROWS]), y.mean(0))
        assert model.cuts["prior_matched"] != pytest.approx(on_training, abs=1e-2)

    def test_a_node_without_positives_is_never_predicted(self, name: str):
        model = fit(name)
        p = model.predict_proba(X)
        assert not p[:, NEVER].any()
        for rule in model.cuts:
            assert not model.decide(p, rule)[:, NEVER].any()

    def test_a_node_that_a_fold_leaves_without_positives_still_has_cuts(self, name: str):
        labels = LABELS.tolil()
        labels[:, HIERARCHY.index["alone"]] = False
        labels[ROWS[0], HIERARCHY.index["alone"]] = True
        model = fit(name, labels.tocsr())
        assert model.predict_proba(X)[:, HIERARCHY.index["alone"]].any()
        assert not any(np.isnan(cuts).any() for cuts in model.cuts.values())

    def test_a_node_that_is_positive_everywhere_is_certain(self, name: str):
        labels = LABELS.tolil()
        labels[:, HIERARCHY.index["s"]] = True
        p = fit(name, labels.tocsr()).predict_proba(X)
        assert (p[:, HIERARCHY.index["s"]] == 1).all()

    def test_one_learnable_node_and_none(self, name: str):
        for kept in (["alone"], []):
            labels = LABELS.toarray()
            labels[:, [i for i, node in enumerate(HIERARCHY.nodes) if node not in kept]] = False
            p = fit(name, sparse.csr_array(labels)).predict_proba(X)
            assert np.flatnonzero(p.any(0)).tolist() == [HIERARCHY.index[node] for node in kept]

    def test_nodes_that_are_not_scored_are_not_learnt_but_coherent(self, name: str):
        scored = ALL.copy()
        scored[[HIERARCHY.index["t"], HIERARCHY.index["m"]]] = False
        model = fit(name, scored=scored)
        assert not {HIERARCHY.index["t"], HIERARCHY.index["m"]} & {*model.model.learnt.tolist()}
        p = model.predict_proba(X)
        below = [HIERARCHY.index[node] for node in ("l", "r", "e")]
        assert np.array_equal(p[:, HIERARCHY.index["t"]], p[:, below].max(1))
        assert not p[:, HIERARCHY.index["m"]].any()

    def test_the_same_seed_gives_the_same_model_and_another_other_cuts(self, name: str):
        one, two, three = fit(name), fit(name), fit(name, seed=1)
        assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()
        for rule in ("prior_matched", "tuned"):
            assert one.cuts[rule].tobytes() == two.cuts[rule].tobytes()
            assert not np.array_equal(one.cuts[rule], three.cuts[rule])

    def test_closed_and_most_specific_labels_are_the_same(self, name: str):
        one, two = fit(name), fit(name, sparse.csr_array(CLOSED))
        assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()

    def test_only_the_rows_are_learnt_from(self, name: str):
        before = fit(name).predict_proba(X[:20])
        others = np.setdiff1d(np.arange(len(X)), ROWS)
        labels = LABELS.toarray()
        labels[others] = ~labels[others]
        assert np.array_equal(fit(name, sparse.csr_array(labels)).predict_proba(X[:20]), before)

    def test_it_is_measured_as_an_ensemble_is(self, name: str):
        data = prepared_problem()
        given, rows = learning.problem(data), data.rows("train", "valid")
        group = data.examples["group"].to_numpy()
        model = classical.fit(
            name,
            data.features,
            data.labels,
            given.hierarchy,
            groups=group[rows],
            scored=given.scored,
            seed=0,
            rows=rows,
        )
        weights = row_weights(group[data.rows("test")], 3, seed=0)
        slices = evaluate.rarity_and_depth(given)
        result = evaluate.figures(
            evaluate.measure(model, evaluate.on_test(model, given), weights, slices),
            slices,
        )
        assert {*result["rules"]} == {"half", "prior_matched", "tuned"}
        prior = given.labels[data.rows("test")][:, np.flatnonzero(given.scored)].mean()
        assert result["micro_ap"] > 2 * prior

    def test_groups_are_never_on_both_sides(self, name: str, monkeypatch: pytest.MonkeyPatch):
        assert all(not learnt & told for learnt, told in self.sides(name, monkeypatch, GROUPS))
        # Each example in a group of its own: what this test would find if groups did not count.
        alone = self.sides(name, monkeypatch, np.arange(80))
        assert any(learnt & told for learnt, told in alone)

    def sides(self, name: str, monkeypatch: pytest.MonkeyPatch, groups: np.ndarray):
        """GROUPS that are learnt from and predicted in each refit; together they are all."""
        group_of = {z.tobytes(): group for z, group in zip(Z[ROWS], GROUPS, strict=True)}
        fits: list[tuple[set[int], list[int]]] = []

        def spy(x: np.ndarray, y: np.ndarray, seed: int):
            learnt, told = {group_of[z.tobytes()] for z in x}, []
            fits.append((learnt, told))

            def predict(x: np.ndarray) -> np.ndarray:
                told.extend(group_of[z.tobytes()] for z in x)
                return np.zeros((len(x), y.shape[1]))

            return predict

        monkeypatch.setitem(classical._METHODS, name, spy)
        fit(name, groups=groups)
        *refits, (learnt, told) = fits
        assert len(refits) == FOLDS[name]
        assert sorted(g for _, told in refits for g in told) == sorted(GROUPS.tolist())
        assert (learnt, told) == ({*GROUPS.tolist()}, [])
        return [(learnt, {*told}) for learnt, told in refits]


class TestRegressions:
    def test_they_are_not_coherent_by_themselves(self):
        model = fit("logistic_regression").model
        p = np.zeros(CLOSED.shape)
        p[:, model.learnt] = model.predict(Z)
        child, parent = HIERARCHY.edge_index
        assert (p[:, child] > p[:, parent]).any()

    def test_too_few_iterations_are_no_warning(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(classical, "_ITERATIONS", 1)
        assert np.isfinite(fit("logistic_regression").predict_proba(X)).all()


class TestForests:
    def test_of_one_node_they_are_forests_of_a_classifier(self):
        y = CLOSED[:, HIERARCHY.index["t"]]
        predict = classical._random_forest(Z, y[:, None], 0)
        forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=0).fit(Z, y)
        assert predict(Z)[:, 0] == pytest.approx(forest.predict_proba(Z)[:, 1], abs=1e-12)

    def test_nodes_with_the_same_positives_weigh_as_often_as_they_are(self):
        # Four copies: the square root is exact, and with it every split.
        y = np.repeat(CLOSED[:, :3], [4, 1, 1], axis=1)
        forest = RandomForestRegressor(
            TREES, min_samples_leaf=2, max_features="sqrt", random_state=0
        )
        expected = forest.fit(Z, y.astype(float)).predict(Z)
        assert classical._random_forest(Z, y, 0)(Z) == pytest.approx(expected, abs=1e-12)
        once = classical._random_forest(Z, CLOSED[:, :3], 0)(Z)
        assert np.abs(once - expected[:, [0, 4, 5]]).max() > 1e-2

    def test_threads_change_nothing(self, monkeypatch: pytest.MonkeyPatch):
        one = classical._random_forest(Z, CLOSED[:, :3], 0)(Z)
        monkeypatch.setattr(classical.torch, "get_num_threads", lambda: 2)
        assert classical._random_forest(Z, CLOSED[:, :3], 0)(Z).tobytes() == one.tobytes()


class TestRefusals:
    def test_an_unknown_name_is_refused_with_those_there_are(self):
        with pytest.raises(ValueError, match="logistic_regression, random_forest"):
            fit("svm")

    def test_fewer_groups_than_folds_are_refused(self):
        with pytest.raises(ValueError, match="at least as many groups"):
            fit("logistic_regression", groups=np.arange(80) % 4)

    def test_other_features_are_refused(self):
        model = fit("random_forest")
        assert isinstance(model, Classical)
        with pytest.raises(ValueError, match="features must have shape"):
            model.predict_proba(X[:, 1:])
