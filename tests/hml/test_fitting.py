"""What is fitted on scores of training examples is fitted on scores that are honest."""

import copy
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipeline.hml import Ensemble, Settings, fitting, predictions
from pipeline.hml.calibration import Calibration, Noise
from pipeline.hml.decisions import half_cuts, prior_matched_cuts
from pipeline.hml.fitting import Fitted, fit_members
from pipeline.hml.folds import folds, learners
from pipeline.hml.members import KINDS, ForestMembers
from pipeline.hml.members.averages import PRIOR
from pipeline.hml.network import Networks
from pipeline.hml.objective import Objective
from pipeline.hml.pools import logit, pools_of
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import train
from pipeline.hml.tuned import tuned_cuts

from .toy import DAG, HIERARCHY, problem

MEMBERS = 4
SMALL = Settings(members=MEMBERS, hidden=8, epochs=3, batch_size=16, learning_rate=1e-2)
X, LABELS = problem()
CLOSED = HIERARCHY.close(LABELS)
ALL = [*KINDS]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch):
    """Trees are what takes time, and ten of them show all that 300 would."""
    grow = ForestMembers.grow

    def fewer(*arguments: Any, **options: Any) -> ForestMembers:
        return grow(*arguments, **options | {"trees": 3 * MEMBERS})

    monkeypatch.setattr(ForestMembers, "grow", fewer)


class Watch:
    """Remembers the networks after their last epoch, and how many epochs there were."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.networks: Networks | None = None

    def __call__(self, epoch: int, networks: Networks) -> None:
        self.epochs.append(epoch)
        self.networks = copy.deepcopy(networks)


def fit(
    x: np.ndarray = X, labels: sparse.csr_array = LABELS, settings: Settings = SMALL, **options: Any
) -> Ensemble:
    beta = options.pop("beta", 1.0)
    return fit_members(x, labels, HIERARCHY, settings, **{"seed": 0} | options).ensemble(beta=beta)


def fit_all(x: np.ndarray = X, labels: sparse.csr_array = LABELS, **options: Any) -> Fitted:
    options = {"seed": 0, "kinds": ALL, "settings": SMALL} | options
    return fit_members(x, labels, HIERARCHY, **options)


def weights(networks: Networks) -> list[bytes]:
    return [p.detach().numpy().tobytes() for p in networks.parameters()]


def pairs(fitted: Fitted) -> dict[str, np.ndarray]:
    """What the two members say that left an example out, by kind: (2, example, node)."""
    kinds = [*fitted.members]
    blocks = [pair for _, pair in fitted._pairs(kinds)]
    return {
        kind: np.concatenate([pair[place] for pair in blocks], axis=1)
        for place, kind in enumerate(kinds)
    }


class TestTraining:
    def test_nothing_is_trained_twice(self):
        watch = Watch()
        ensemble = fit(on_epoch=watch)
        assert watch.epochs == [1, 2, 3]
        networks = ensemble.members["network"].networks
        assert weights(networks) == weights(watch.networks)
        assert ensemble.preprocessing.mean == pytest.approx(X.mean(0), abs=1e-5)
        assert not networks.training

    def test_without_folds_all_members_learn_from_all_and_decide_at_half(self):
        ensemble = fit(cross_fit=False)
        assert set(ensemble.cuts) == {"half"}
        assert ensemble.combination is None
        scaling = Standardizer.fit(X)
        plain = train(X, LABELS, HIERARCHY, SMALL, seed=0, preprocessing=scaling)
        assert weights(ensemble.members["network"].networks) == weights(plain)

    def test_the_networks_learn_from_what_their_folds_leave(self):
        fold = folds(CLOSED, MEMBERS, seed=0)
        learns = learners(fold, MEMBERS)
        scaling = Standardizer.fit(X)
        expected = train(X, LABELS, HIERARCHY, SMALL, seed=0, learns=learns, preprocessing=scaling)
        fitted = fit_all()
        assert weights(fitted.members["network"].networks) == weights(expected)
        for kind in ("neighbours", "forest"):
            assert np.array_equal(fitted.members[kind].learns, learns)

    def test_the_same_seed_gives_the_same_ensemble_and_another_another(self):
        one, two, three = fit(kinds=ALL), fit(kinds=ALL), fit(kinds=ALL, seed=1)
        p = one.predict_proba(X)
        assert p.tobytes() == two.predict_proba(X).tobytes()
        assert not np.array_equal(p, three.predict_proba(X))
        for rule in ("prior_matched", "tuned"):
            assert one.cuts[rule].tobytes() == two.cuts[rule].tobytes()
            assert not np.array_equal(one.cuts[rule], three.cuts[rule])

    def test_rows_are_all_that_is_learnt_from(self):
        rows = np.arange(10, 90)
        x, y = X.copy(), LABELS.toarray()
        x[:10], y[:10] = 99, ~y[:10]
        x[90:], y[90:] = np.nan, ~y[90:]
        ours = fit(x, sparse.csr_array(y), kinds=ALL, rows=rows)
        theirs = fit(X[rows], LABELS[rows], kinds=ALL)
        assert ours.predict_proba(X).tobytes() == theirs.predict_proba(X).tobytes()
        assert ours.cuts["tuned"].tobytes() == theirs.cuts["tuned"].tobytes()

    def test_unscored_nodes_teach_the_networks_nothing(self, monkeypatch: pytest.MonkeyPatch):
        scored = np.array([name != "alone" for name in HIERARCHY.nodes])
        y = LABELS.toarray()
        y[:, HIERARCHY.index["alone"]] ^= True
        keep_folds(monkeypatch)
        one, other, counting = (
            fit(labels=labels, scored=counted).members["network"].networks
            for labels, counted in (
                (LABELS, scored),
                (sparse.csr_array(y), scored),
                (sparse.csr_array(y), None),
            )
        )
        assert weights(one) == weights(other) != weights(counting)

    def test_a_training_is_to_be_had_from_its_start(self):
        fitted = fit_all(kinds=["network"], groups=np.arange(96) // 2)
        training = fitted.training()
        with training.randomness():
            for _ in range(SMALL.epochs):
                training.networks.train()
                training.epoch()
        assert weights(training.networks) == weights(fitted.members["network"].networks)


def keep_folds(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Folds come from labels; here they stay when labels change. The fold of each example."""
    fold = folds(CLOSED, MEMBERS, seed=0)
    monkeypatch.setattr(fitting, "folds", lambda *_, **__: fold)
    return fold


def turned(group: np.ndarray) -> sparse.csr_array:
    """Other labels for a group of examples: those of their neighbours in it. Supports stay."""
    y = LABELS.toarray()
    y[group] = np.roll(y[group], 1, axis=0)
    return sparse.csr_array(y)


def flipped(group: np.ndarray) -> sparse.csr_array:
    y = LABELS.toarray()
    y[group] = ~y[group]
    return sparse.csr_array(y)


class TestHonesty:
    @pytest.mark.parametrize("group", [5, 20], ids=["a few of a fold", "most of a fold"])
    def test_what_is_said_out_of_fold_does_not_depend_on_the_labels_of_the_own_group(
        self, group: int, monkeypatch: pytest.MonkeyPatch
    ):
        rows = np.flatnonzero(keep_folds(monkeypatch) == 2)[:group]
        others = np.setdiff1d(np.arange(len(X)), rows)
        before, after = pairs(fit_all()), pairs(fit_all(labels=turned(rows)))
        for kind in ALL:
            assert before[kind][:, rows].tobytes() == after[kind][:, rows].tobytes(), kind
            assert not np.array_equal(before[kind][:, others], after[kind][:, others]), kind

    def test_it_does_not_with_weights_for_rare_nodes_either(self, monkeypatch: pytest.MonkeyPatch):
        settings = Settings(
            members=MEMBERS, hidden=8, epochs=3, batch_size=16, objective=Objective(variant="paper")
        )
        rows = np.flatnonzero(keep_folds(monkeypatch) == 0)[:9]
        before, after = (
            pairs(fit_all(labels=labels, kinds=["network"], settings=settings))["network"]
            for labels in (LABELS, turned(rows))
        )
        assert before[:, rows].tobytes() == after[:, rows].tobytes()
        assert not np.array_equal(before, after)

    def test_networks_do_not_see_labels_of_the_own_group_whatever_they_are(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        rows = np.flatnonzero(keep_folds(monkeypatch) == 1)
        before, after = (
            pairs(fit_all(labels=labels, kinds=["network"]))["network"]
            for labels in (LABELS, flipped(rows))
        )
        assert before[:, rows].tobytes() == after[:, rows].tobytes()
        assert not np.array_equal(before, after)

    def test_neighbours_see_nothing_of_them_but_each_nodes_share_in_all_examples(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        rows = np.flatnonzero(keep_folds(monkeypatch) == 1)
        fits = [fit_all(labels=y, kinds=["neighbours"]) for y in (LABELS, flipped(rows))]
        before, after = (pairs(fitted)["neighbours"] for fitted in fits)
        share = [HIERARCHY.close(y).toarray().mean(0) for y in (LABELS, flipped(rows))]
        moved = np.float32(PRIOR) * (share[1] - share[0])
        # The same for each of them: it tells no example from another.
        assert np.abs(moved).max() > 1e-3
        change = (after - before)[:, rows]
        assert change == pytest.approx(np.broadcast_to(moved, change.shape), abs=1e-6)

    def test_features_of_other_examples_do_not_count_beyond_their_scale(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        # Two examples of a fold exchange their features and labels: each takes the other's place.
        fold = keep_folds(monkeypatch)
        one, two = np.flatnonzero(fold == 3)[:2]
        order = np.arange(len(X))
        order[[one, two]] = two, one
        before, after = fit_all(), fit_all(X[order], LABELS[order])
        for kind in ("neighbours", "forest"):
            p, q = pairs(before)[kind], pairs(after)[kind]
            assert np.abs(p[:, order] - q)[:, [one, two]].max() < 1e-6, kind

    def test_each_example_is_scored_by_the_two_members_that_left_it_out(self):
        fitted = fit_all()
        x = Standardizer.fit(X).transform(X)
        learns = learners(fitted.fold, MEMBERS)
        for kind, found in pairs(fitted).items():
            p = fitted.members[kind].probability(x)
            for example in range(len(X)):
                expected = p[~learns[:, example], example]
                assert len(expected) == 2
                ordered = np.sort(found[:, example], axis=0)
                assert ordered == pytest.approx(np.sort(expected, axis=0), abs=1e-6)

    def test_groups_are_left_out_together(self):
        groups = np.arange(len(X)) // 5
        fold = fit_all(kinds=["network"], groups=groups).fold
        assert all(len({*fold[groups == group].tolist()}) == 1 for group in range(20))
        assert {*fold.tolist()} == {*range(MEMBERS)}


def held_out(fitted: Fitted, ensemble: Ensemble) -> np.ndarray:
    """Out-of-fold probabilities once more, from the members' own."""
    learns = learners(fitted.fold, MEMBERS)
    x = Standardizer.fit(X).transform(X)
    said = []
    for members in ensemble.members.values():
        p = members.probability(x)
        both = np.stack([p[~learns[:, i], i] for i in range(len(X))], axis=1)
        said.append(both)
    weight = np.ones((1, len(HIERARCHY)))
    curve = Calibration.none(len(HIERARCHY))
    if ensemble.combination is not None:
        made = ensemble.combination
        weight, curve = made.weight, made.calibration

    def score(parts: list[np.ndarray]) -> np.ndarray:
        return sum(
            w * logit(part.astype(np.float64)) for w, part in zip(weight, parts, strict=True)
        )

    together = score([both.mean(0) for both in said])
    blocks = [(together, score([both[0] for both in said]), score([both[1] for both in said]))]
    spread = Noise.of(blocks, pools_of(CLOSED), MEMBERS).as_of_all(together)
    # Coherent by the maximum over descendants.
    p = 1 / (1 + np.exp(-curve.log_odds(spread)))
    return np.stack([p[:, DAG.reach[node]].max(1) for node in range(p.shape[1])], axis=1)


class TestCuts:
    @pytest.mark.parametrize("kinds", [["network"], ["forest"], ALL], ids="-".join)
    def test_they_are_those_of_the_out_of_fold_scores_and_the_share_of_all_labels(
        self, kinds: list[str]
    ):
        fitted = fit_all(kinds=kinds)
        ensemble = fitted.ensemble()
        p = held_out(fitted, ensemble)
        share = CLOSED.toarray().mean(0)
        expected = prior_matched_cuts(p, share)
        known = share > 0
        assert ensemble.cuts["prior_matched"][known] == pytest.approx(expected[known], rel=1e-3)
        tuned = tuned_cuts(Predictions(CLOSED, lambda rows: p[rows]))
        assert ensemble.cuts["tuned"][known] == pytest.approx(tuned[known], rel=1e-3)
        assert np.array_equal(ensemble.cuts["half"], half_cuts(len(HIERARCHY)))
        assert ensemble.share == pytest.approx(share)

    def test_beta_is_that_of_the_tuned_cuts(self):
        fitted = fit_all(kinds=["neighbours"])
        wide, narrow = (fitted.ensemble(beta=beta).cuts for beta in (4.0, 0.25))
        known = CLOSED.sum(0) > 0
        assert (wide["tuned"] <= narrow["tuned"])[known].all()
        assert (wide["tuned"] < narrow["tuned"]).any()
        assert np.array_equal(wide["prior_matched"], narrow["prior_matched"])

    @pytest.mark.parametrize("kinds", [["network"], ALL], ids="-".join)
    def test_a_node_without_positives_is_never_predicted_even_where_it_is_most_probable(
        self, kinds: list[str]
    ):
        ensemble = fit(kinds=kinds)
        never = HIERARCHY.index["never"]
        assert ensemble.share[never] == 0
        sure = np.ones((2, len(HIERARCHY)), np.float32)
        for rule in ("prior_matched", "tuned"):
            assert not ensemble.decide(sure, rule)[:, never].any()
        assert ensemble.decide(sure, "half").all()

    def test_a_node_with_a_single_positive_gets_a_cut_of_its_own(self):
        y = LABELS.toarray()
        never = HIERARCHY.index["never"]
        y[7, never] = True
        ensemble = fit(labels=sparse.csr_array(y), kinds=ALL)
        assert ensemble.share[never] == pytest.approx(1 / len(X))
        assert 0 < ensemble.cuts["prior_matched"][never] < 1
        assert 0 < ensemble.cuts["tuned"][never] < 1

    @pytest.mark.parametrize("kinds", [["network"], ALL], ids="-".join)
    def test_a_node_that_every_example_has_is_always_predicted(self, kinds: list[str]):
        root = HIERARCHY.index["never"]
        y = LABELS.toarray()
        y[:, root] = True
        ensemble = fit(labels=sparse.csr_array(y), kinds=kinds)
        unlikely = np.zeros((1, len(HIERARCHY)), np.float32)
        for rule in ("prior_matched", "tuned"):
            assert np.flatnonzero(ensemble.decide(unlikely, rule)).tolist() == [root]
        y[3, root] = False
        ensemble = fit(labels=sparse.csr_array(y), kinds=kinds)
        assert ensemble.cuts["prior_matched"][root] > 0

    def test_predicted_shares_on_new_data_are_near_the_training_shares(self):
        # Most features are noise, which the ensemble learns by heart: its own examples' scores are
        # more extreme than new ones'.
        settings = Settings(
            members=5, hidden=32, epochs=15, batch_size=64, dropout=0.0, learning_rate=1e-2
        )
        ours, naive = [], []
        for seed in (0, 1):
            x, labels = with_noise(1200, seed=2 * seed)
            ensemble = fit(x, labels, settings, seed=seed)
            fresh = ensemble.predict_proba(with_noise(4000, seed=2 * seed + 1)[0])
            own = prior_matched_cuts(ensemble.predict_proba(x), ensemble.share)
            known = ensemble.share > 0
            for cuts, off in ((ensemble.cuts["prior_matched"], ours), (own, naive)):
                predicted = (fresh >= cuts).mean(0)
                # Relative error of the predicted share of the nodes that can be predicted.
                off.append(np.abs(predicted[known] / ensemble.share[known] - 1).mean())
        assert np.mean(ours) < 0.15
        assert np.mean(ours) < 0.75 * np.mean(naive)


def with_noise(examples: int, seed: int) -> tuple[np.ndarray, sparse.csr_array]:
    x, labels = problem(examples, seed=seed, noise=1.0)
    noise = np.random.default_rng([seed, 1]).normal(size=(examples, 80))
    return np.hstack([x, noise.astype(np.float32)]), labels


class TestKinds:
    def test_some_of_the_kinds_give_the_ensemble_that_they_alone_would_have_given(self):
        fitted = fit_all()
        for kinds in (["forest"], ["neighbours", "network"]):
            ours, theirs = fitted.ensemble(kinds), fit(kinds=kinds)
            assert [*ours.members] == kinds
            assert ours.predict_proba(X).tobytes() == theirs.predict_proba(X).tobytes()
            for rule in theirs.cuts:
                assert ours.cuts[rule].tobytes() == theirs.cuts[rule].tobytes()

    def test_held_out_predictions_are_those_that_cuts_are_placed_by(self):
        fitted = fit_all()
        for kinds in (None, ["forest"]):
            held_out = np.concatenate([p for _, p in fitted.held_out(kinds)])
            ensemble = fitted.ensemble(kinds)
            cuts = prior_matched_cuts(held_out, ensemble.share)
            assert cuts == pytest.approx(ensemble.cuts["prior_matched"], rel=1e-12)
        apart = fit_all(kinds=["network"], cross_fit=False)
        with pytest.raises(ValueError, match="only with cross_fit"):
            apart.held_out()

    def test_one_kind_is_left_as_it_is(self):
        ensemble = fit_all().ensemble(["neighbours"])
        assert ensemble.combination is None
        (members,) = ensemble.members.values()
        x = ensemble.preprocessing.transform(X)
        assert ensemble.predict_proba(X) == pytest.approx(members.mean(x), abs=1e-7)

    def test_several_are_mixed_by_weights_of_the_pools(self):
        made = fit_all().ensemble().combination
        assert made.weight.shape == (len(ALL), len(HIERARCHY))
        for pool in {*pools_of(CLOSED).tolist()}:
            nodes = pools_of(CLOSED) == pool
            assert (made.weight[:, nodes] == made.weight[:, nodes][:, :1]).all()
        assert (made.weight >= 0).all()

    def test_labels_of_unscored_nodes_do_not_touch_the_combination(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        alone = HIERARCHY.index["alone"]
        scored = np.arange(len(HIERARCHY)) != alone
        keep_folds(monkeypatch)
        y = LABELS.toarray()
        y[:, alone] = np.random.default_rng(0).permutation(y[:, alone])  # its pool stays

        def combined(labels: sparse.csr_array, scored: np.ndarray | None) -> list[bytes]:
            kinds = ["network", "neighbours"]
            made = fit_all(labels=labels, kinds=kinds, scored=scored).ensemble().combination
            curve = made.calibration
            return [a.tobytes() for a in (made.weight, curve.low, curve.high, curve.bias)]

        shuffled = sparse.csr_array(y)
        assert combined(LABELS, scored) == combined(shuffled, scored) != combined(shuffled, None)
        # They count as much for calibration as for weights.
        assert combined(LABELS, scored)[3] != combined(LABELS, None)[3]

    def test_small_blocks_that_nobody_keeps_give_the_same_ensemble(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        fitted = fit_all()
        expected = fitted.ensemble()
        for module in (fitting, predictions):
            monkeypatch.setattr(module, "BLOCK", 7 * len(HIERARCHY))
            monkeypatch.setattr(module, "KEPT", 0)
        fitted._kept.clear()
        fitted._combined.clear()
        found = fitted.ensemble()
        assert not fitted._kept
        for ours, theirs in (
            (found.combination.weight, expected.combination.weight),
            (found.combination.calibration.low, expected.combination.calibration.low),
            (found.combination.calibration.high, expected.combination.calibration.high),
            (found.combination.calibration.bias, expected.combination.calibration.bias),
            (found.cuts["prior_matched"], expected.cuts["prior_matched"]),
        ):
            assert ours == pytest.approx(theirs, rel=1e-3)

    def test_what_is_kept_is_predicted_once(self, monkeypatch: pytest.MonkeyPatch):
        fitted = fit_all(kinds=["network", "neighbours"])
        calls: list[str] = []
        for members in fitted.members.values():
            kind, means = members.kind, members.means

            def counted(*arguments: Any, kind: str = kind, means: Any = means) -> Any:
                calls.append(kind)
                return means(*arguments)

            monkeypatch.setattr(members, "means", counted)
        fitted.ensemble()
        fitted.ensemble(["neighbours"])
        assert sorted(calls) == ["neighbours", "network"]  # both left-out members at once


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            {"kinds": ["network", "trees"]},
            r"kinds must be some of network, neighbours, forest.*Got",
        ),
        ({"kinds": ["forest", "forest"]}, "each once. Got"),
        ({"kinds": []}, r"each once. Got \[\]"),
        ({"kinds": ["forest"], "cross_fit": False}, "network alone where nothing is left out"),
        ({"kinds": ALL, "cross_fit": False}, "network alone where nothing is left out"),
        ({"settings": Settings(members=3)}, "at least 4 members. Got 3"),
        ({"groups": np.arange(len(X)) % 3}, "as many groups of examples as folds, 4. Got 3"),
        ({"groups": np.arange(5)}, r"groups must have shape \(96,\). Got \(5,\)"),
    ],
    ids=["unknown", "twice", "none", "alone", "several", "members", "few groups", "groups"],
)
def test_what_cannot_be_fitted_is_refused(options: dict[str, Any], found: str):
    with pytest.raises(ValueError, match=found):
        fit(**options)


def test_all_judged_is_what_nobody_says():
    same = fit(kinds=ALL, judged=np.ones(len(X), np.bool_))
    for rule, cuts in fit(kinds=ALL).cuts.items():
        np.testing.assert_array_equal(same.cuts[rule], cuts)


def test_cuts_come_from_the_judged_examples_alone():
    judged = np.arange(len(X)) % 3 > 0
    fitted = fit_all(judged=judged)
    assert fitted.fold is not None
    assert fitted.fold.shape == (judged.sum(),)
    held = fitted.held_out()
    assert held.shape[0] == judged.sum()
    everything = CLOSED[judged]
    cuts = tuned_cuts(held, beta=1.0, weight=None)
    np.testing.assert_array_equal(fitted.ensemble().cuts["tuned"], cuts)
    assert held.labels.shape == everything.shape
    assert (held.labels != everything).nnz == 0
    # The members themselves learn from all.
    assert fitted.training().networks.members == MEMBERS


def test_features_that_learnt_from_labels_do_not_move_the_cuts():
    """As of an encoder that knows the labels of two thirds of the examples by heart."""
    judged = np.arange(len(X)) % 3 == 0
    known = CLOSED.toarray().astype(np.float32)
    known[judged] = np.random.default_rng(0).permuted(known[judged], axis=0)
    leaky = np.hstack([X, 4 * known])
    positives = CLOSED[judged].mean(axis=0)

    def expected(**options: Any) -> np.ndarray:
        """Mean probability of the judged examples, which are as new ones are."""
        ensemble = fit_all(leaky, **options).ensemble()
        return np.abs(ensemble.predict_proba(leaky[judged]).mean(0) - positives)

    assert expected(judged=judged).mean() < expected().mean()


def test_judged_examples_are_refused_that_are_none_or_do_not_fit():
    with pytest.raises(ValueError, match=r"judged must hold an example"):
        fit(judged=np.zeros(len(X), np.bool_))
    with pytest.raises(ValueError, match=r"judged must have shape"):
        fit(judged=np.ones(3, np.bool_))


def test_a_node_without_a_judged_positive_is_predicted_as_often_as_it_occurs():
    positives = CLOSED.toarray()
    support = positives.sum(0)
    rarest = int(np.argmin(np.where(support > 0, support, np.inf)))
    judged = ~positives[:, rarest]
    ensemble = fit(kinds=ALL, judged=judged)
    matched = ensemble.cuts["prior_matched"][rarest]
    expected = matched if np.isfinite(matched) else 0.5
    assert ensemble.cuts["tuned"][rarest] == expected
