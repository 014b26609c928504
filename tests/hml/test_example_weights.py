"""An example of weight w is as good as w copies of it that belong together, part by part."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load
from scipy import sparse

from pipeline.hml import (
    Ensemble,
    Objective,
    Settings,
    example_weights,
    fit_members,
    imbalance_weights,
    load_bundle,
    save_bundle,
    train,
)
from pipeline.hml.calibration import Noise, fit_calibration
from pipeline.hml.decisions import budget_cuts, prior_matched_cuts, prior_matched_cuts_streamed
from pipeline.hml.folds import folds, learners
from pipeline.hml.members import (
    KINDS,
    ForestMembers,
    KernelMembers,
    Members,
    NeighbourMembers,
    NetworkMembers,
)
from pipeline.hml.mixing import fit_weights
from pipeline.hml.pools import pools_of
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.tuned import tuned_cuts

from .toy import HIERARCHY, problem

MEMBERS, ROWS = 4, 60
NODES = len(HIERARCHY)
X, LABELS = problem(ROWS)
FRESH, _ = problem(30, seed=1)
CLOSED = sparse.csr_array(HIERARCHY.close(LABELS)).astype(np.bool_)
WEIGHT = np.random.default_rng(5).integers(1, 4, ROWS).astype(np.float64)
COPIES = np.repeat(np.arange(ROWS), WEIGHT.astype(int))  # the row that each copy is of
FOLD = folds(CLOSED, MEMBERS, weight=WEIGHT, seed=0)
LEARNS = learners(FOLD, MEMBERS)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch):
    grow = ForestMembers.grow
    fewer = {"trees": 3 * MEMBERS}
    monkeypatch.setattr(ForestMembers, "grow", lambda *a, **k: grow(*a, **k | fewer))


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("weight", "found"),
    [
        (np.ones(3), r"shape \(4,\).*\(3,\)"),
        (np.ones((4, 1)), r"shape \(4,\).*\(4, 1\)"),
        (1.0, r"shape \(4,\).*\(\)"),
        ([1, -0.5, 1, 1], r"not negative. Got -0\.5"),
        ([1, np.nan, 1, 1], "finite.*nan"),
        ([1, np.inf, 1, 1], "finite.*inf"),
        ([0, 0, 0, 0], "not be zero for every example"),
    ],
    ids=str,
)
def test_weights_that_make_no_sense_are_refused(weight: Any, found: str):
    with pytest.raises(ValueError, match=found):
        example_weights.checked(weight, 4)


def test_features_are_standardised_as_those_of_copies():
    x = X.copy()
    x[::4, 1] = np.nan
    x[:, 2] = 7
    ours, theirs = Standardizer.fit(x, weight=WEIGHT), Standardizer.fit(x[COPIES])
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-6)
    assert np.abs(ours.mean - Standardizer.fit(x).mean).max() > 1e-2
    rows = np.arange(10, ROWS)
    some = Standardizer.fit(x, rows, weight=WEIGHT[rows])
    np.testing.assert_allclose(some.mean, Standardizer.fit(x[rows], weight=WEIGHT[rows]).mean)


def test_a_feature_is_known_by_weights_however_small():
    ours, theirs = Standardizer.fit(X, weight=1e-6 * WEIGHT), Standardizer.fit(X, weight=WEIGHT)
    np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-5)


def test_supports_and_weights_of_nodes_are_those_of_copies():
    support = example_weights.support(CLOSED, WEIGHT)
    assert np.array_equal(support, HIERARCHY.support(LABELS[COPIES]))
    assert np.array_equal(example_weights.support(CLOSED, None), HIERARCHY.support(LABELS))
    assert np.array_equal(pools_of(CLOSED, WEIGHT), pools_of(CLOSED[COPIES]))
    ours = imbalance_weights(support, WEIGHT.sum(), HIERARCHY)
    theirs = imbalance_weights(support, len(COPIES), HIERARCHY)
    assert np.array_equal(ours[0], theirs[0])


def test_the_weight_of_a_node_that_all_have_is_the_weight_of_all():
    everyone = sparse.csr_array(np.ones((ROWS, 1), dtype=bool))
    weight = np.random.default_rng(0).random(ROWS)
    assert example_weights.support(everyone, weight)[0] == weight.sum()


@pytest.mark.parametrize("groups", [None, np.arange(ROWS) // 2], ids=["alone", "pairs"])
def test_folds_are_those_of_copies(groups: np.ndarray | None):
    ours = folds(CLOSED, MEMBERS, groups=groups, weight=WEIGHT, seed=3)
    whose = np.arange(ROWS) if groups is None else groups
    theirs = folds(CLOSED[COPIES], MEMBERS, groups=whose[COPIES], seed=3)
    assert np.array_equal(ours[COPIES], theirs)
    assert not np.array_equal(ours, folds(CLOSED, MEMBERS, groups=groups, seed=3))


OBJECTIVES = {
    "mean": Objective(variant="paper"),
    "sum": Objective(variant="released", reduction="sum"),
    "focal": Objective(mode="predictive"),
    "bce": Objective(constraint=False),
}


def trained(rows: np.ndarray, objective: Objective, **options: Any) -> NetworkMembers:
    """By batches of all examples: what copies are in a batch is no chance then."""
    settings = Settings(
        members=MEMBERS,
        hidden=8,
        epochs=5,
        batch_size=4 * ROWS,
        dropout=0.0,
        learning_rate=1e-2,
        prior_start=options.pop("prior_start", True),
        objective=objective,
    )
    networks = train(X[rows], LABELS[rows], HIERARCHY, settings, seed=0, **options)
    return NetworkMembers(networks, HIERARCHY)


@pytest.mark.parametrize("learns", [LEARNS, None], ids=["folds", "all"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_networks_learn_as_from_copies(name: str, learns: np.ndarray | None):
    everyone, of_copies = np.arange(ROWS), None if learns is None else learns[:, COPIES]
    objective = OBJECTIVES[name]
    ours = trained(everyone, objective, learns=learns, weight=WEIGHT).probability(FRESH)
    theirs = trained(COPIES, objective, learns=of_copies).probability(FRESH)
    plain = trained(everyone, objective, learns=learns).probability(FRESH)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert np.abs(ours - plain).max() > 1e-3


def test_in_small_batches_networks_learn_about_what_they_do_from_copies():
    weight = np.where(X[:, 0] > 0, 6, 1).astype(np.float64)
    copies = np.repeat(np.arange(ROWS), weight.astype(int))

    def learnt(rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        # As many steps, whatever the number of examples.
        settings = Settings(members=4, hidden=8, epochs=3000 // len(rows), batch_size=8)
        networks = train(X[rows], LABELS[rows], HIERARCHY, settings, seed=0, weight=weight)
        return NetworkMembers(networks, HIERARCHY).mean(FRESH)

    theirs = learnt(copies, None)
    plain, ours = (
        np.abs(learnt(np.arange(ROWS), counts) - theirs).mean() for counts in (None, weight)
    )
    assert ours < 0.4 * plain


def test_a_member_s_weights_are_one_on_average_over_what_it_learns_from():
    # So the mean over batches of a batch's mean is the weighted mean of all.
    weight = np.random.default_rng(0).exponential(size=ROWS)
    counts = example_weights.per_member(weight, LEARNS, relative=True)
    assert counts.sum(1) == pytest.approx(LEARNS.sum(1), rel=1e-6)
    assert not counts[~LEARNS].any()
    assert (counts / weight)[0, LEARNS[0]] == pytest.approx((counts / weight)[0, LEARNS[0]][0])


@pytest.mark.parametrize("baseline", ["focal", "class_balanced", "oversampling"])
def test_baselines_do_not_take_weights(baseline: Any):
    objective = Objective(constraint=baseline == "oversampling", baseline=baseline)
    with pytest.raises(ValueError, match=f"sample_weight must be None with baseline '{baseline}'"):
        trained(np.arange(ROWS), objective, weight=WEIGHT)


Make = Callable[[np.ndarray, sparse.csr_array, np.ndarray, np.ndarray | None], Members]
MAKE: dict[str, Make] = {
    "forest": lambda x, y, learns, weight: ForestMembers.grow(
        x, y, HIERARCHY, learns, weight=weight, seed=0
    ),
    "kernel": lambda x, y, learns, weight: KernelMembers(x, y, HIERARCHY, learns, weight=weight),
    "neighbours": lambda x, y, learns, weight: NeighbourMembers(
        x, y, HIERARCHY, learns, neighbours=15, weight=weight
    ),
}


@pytest.mark.parametrize("kind", MAKE)
class TestMembers:
    def test_they_predict_as_from_copies(self, kind: str):
        ours = MAKE[kind](X, LABELS, LEARNS, WEIGHT).probability(FRESH)
        theirs = MAKE[kind](X[COPIES], LABELS[COPIES], LEARNS[:, COPIES], None).probability(FRESH)
        plain = MAKE[kind](X, LABELS, LEARNS, None).probability(FRESH)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert np.abs(ours - plain).max() > 1e-2

    def test_weights_of_one_are_none(self, kind: str):
        ours = MAKE[kind](X, LABELS, LEARNS, np.ones(ROWS)).probability(FRESH)
        np.testing.assert_allclose(
            ours, MAKE[kind](X, LABELS, LEARNS, None).probability(FRESH), atol=2e-6
        )

    def test_halves_of_an_example_count_as_the_whole(self, kind: str):
        weight = np.random.default_rng(2).exponential(size=ROWS) + 0.1
        twice = np.repeat(np.arange(ROWS), 2)
        ours = MAKE[kind](X, LABELS, LEARNS, weight).probability(FRESH)
        half = MAKE[kind](X[twice], LABELS[twice], LEARNS[:, twice], weight[twice] / 2)
        np.testing.assert_allclose(ours, half.probability(FRESH), atol=1e-4)

    def test_what_is_written_and_read_is_the_same(self, kind: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("pipeline.hml.members.kernel.STORED", 0)  # solved ones have none
        members = MAKE[kind](X, LABELS, LEARNS, WEIGHT)
        read = type(members).from_arrays(members.arrays(), members.options(), HIERARCHY)
        assert read.probability(FRESH).tobytes() == members.probability(FRESH).tobytes()
        assert read.arrays().keys() == members.arrays().keys()
        assert "weight" not in MAKE[kind](X, LABELS, LEARNS, None).arrays()

    @pytest.mark.parametrize(
        "weight",
        [WEIGHT[:-1], 0 * WEIGHT, -WEIGHT, np.nan * WEIGHT, WEIGHT.astype(np.int64)],
        ids=["short", "zero", "negative", "nan", "integer"],
    )
    @pytest.mark.usefixtures("as_users_call_it")
    def test_stored_weights_that_make_no_sense_are_refused(
        self, kind: str, weight: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("pipeline.hml.members.kernel.STORED", 0)  # solved ones have none
        members = MAKE[kind](X, LABELS, LEARNS, WEIGHT)
        with pytest.raises(ValueError, match="weight must be float64"):
            type(members).from_arrays(
                members.arrays() | {"weight": weight}, members.options(), HIERARCHY
            )


def test_neighbours_of_little_weight_are_sought_further_away(monkeypatch: pytest.MonkeyPatch):
    weight = np.random.default_rng(0).permutation(np.where(np.arange(ROWS) < 45, 0.01, 1.0))
    members = NeighbourMembers(X, LABELS, HIERARCHY, LEARNS, neighbours=1, weight=weight)
    search, searched = members._search, []
    monkeypatch.setattr(
        members, "_search", lambda x, number: searched.append(number) or search(x, number)
    )
    p = members.probability(FRESH)
    assert searched[0] < ROWS == searched[-1]
    members._searched = ROWS
    np.testing.assert_allclose(p, members.probability(FRESH), atol=1e-6)


@pytest.mark.parametrize("entries", [None, 0], ids=["by nodes", "by examples"])
@pytest.mark.parametrize("great", [1e5, 1e9])
def test_an_example_of_great_weight_is_learnt_by_heart_by_a_kernel(
    great: float, entries: int | None, monkeypatch: pytest.MonkeyPatch
):
    weight = np.ones(ROWS)
    weight[7] = great
    members = KernelMembers(X, LABELS, HIERARCHY, np.ones((1, ROWS), bool), weight=weight)
    if entries is not None:
        monkeypatch.setattr("pipeline.hml.members.kernel._ENTRIES", entries)
    p, prior = members.mean(X[7:8])[0], members._prior
    expected = 0.9 * CLOSED.toarray()[7] + 0.1 * prior
    np.testing.assert_allclose(p, expected, atol=2e-3)


SCORES = np.random.default_rng(8).normal(size=(ROWS, NODES)).astype(np.float32) + 2 * (
    CLOSED.toarray() - 0.5
).astype(np.float32)
OTHER = SCORES + np.random.default_rng(9).normal(size=SCORES.shape).astype(np.float32)
SCORED = np.arange(NODES) != 2


def by_blocks(*arrays: np.ndarray) -> list[tuple[slice, list[np.ndarray]]]:
    parts = [slice(start, start + 25) for start in range(0, len(arrays[0]), 25)]
    return [(rows, [array[rows] for array in arrays]) for rows in parts]


def test_mixing_weights_are_those_of_copies():
    p, q = (1 / (1 + np.exp(-scores)) for scores in (SCORES, OTHER))
    options = {"scored": SCORED, "kinds": 2, "seed": 0}
    ours = fit_weights(by_blocks(p, q), CLOSED, weight=WEIGHT, **options)
    theirs = fit_weights(by_blocks(p[COPIES], q[COPIES]), CLOSED[COPIES], **options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.abs(ours - fit_weights(by_blocks(p, q), CLOSED, **options)).max() > 1e-4


def test_calibration_is_that_of_copies():
    def curves(rows: np.ndarray, **options: Any) -> Any:
        scores = SCORES[rows]
        return fit_calibration(
            lambda: [(part, block[0]) for part, block in by_blocks(scores)],
            CLOSED[rows],
            scored=SCORED,
            seed=0,
            **options,
        )

    ours, theirs = curves(np.arange(ROWS), weight=WEIGHT), curves(COPIES)
    for name in ("low", "high", "bias"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-4)
    assert np.abs(ours.bias - curves(np.arange(ROWS)).bias).max() > 1e-3


def test_noise_is_that_of_copies():
    pool = pools_of(CLOSED, WEIGHT)
    both = (SCORES + OTHER) / 2

    def noise(rows: np.ndarray, weight: np.ndarray | None) -> Noise:
        blocks = by_blocks(both[rows], SCORES[rows], OTHER[rows])
        return Noise.of((tuple(block) for _, block in blocks), pool, MEMBERS, weight)

    ours, theirs = noise(np.arange(ROWS), WEIGHT), noise(COPIES, None)
    for name in ("mean", "shift", "spread"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-6)


@st.composite
def weighted_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Scores (example, node) with ties, labels, whole weights, and where blocks end."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    examples, nodes = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    levels = draw(st.sampled_from([2, 5, 1000]))
    scores = rng.integers(1, levels + 1, (examples, nodes)) / (levels + 1)
    labels = rng.random((examples, nodes)) < draw(st.sampled_from([0.1, 0.4, 0.9]))
    weight = rng.integers(1, draw(st.sampled_from([2, 4, 50])), examples).astype(np.float64)
    return scores, labels, weight, draw(st.integers(1, examples))


def blocks(scores: np.ndarray, size: int) -> list[np.ndarray]:
    return [scores[start : start + size] for start in range(0, len(scores), size)]


def all_cuts(scores: np.ndarray, labels: np.ndarray, weight: np.ndarray, size: int) -> Any:
    """Those of each rule, by weighted examples."""
    closed, count = sparse.csr_array(labels), len(scores)
    share = example_weights.support(closed, weight) / weight.sum()
    matched = prior_matched_cuts_streamed(blocks(scores, size), count, share, weight=weight)
    held_out = Predictions(closed, lambda rows: scores[rows])
    budgets = [
        budget_cuts(
            blocks(scores, size), count, most, per=100, nodes=scores.shape[1], weight=weight
        )
        for most in (0.0, 3.0, 20.0, 70.0, 200.0)
    ]
    return [matched, tuned_cuts(held_out, weight=weight), *budgets]


@given(weighted_scores())
def test_cuts_are_those_of_copies(case: tuple[np.ndarray, np.ndarray, np.ndarray, int]):
    scores, labels, weight, size = case
    copies = np.repeat(np.arange(len(scores)), weight.astype(int))
    many, y = scores[copies], labels[copies]
    held_out = Predictions(sparse.csr_array(y), lambda rows: many[rows])
    budgets = [
        budget_cuts([many], len(many), most, per=100, nodes=many.shape[1])
        for most in (0.0, 3.0, 20.0, 70.0, 200.0)
    ]
    expected = [prior_matched_cuts(many, y.mean(0)), tuned_cuts(held_out), *budgets]
    for found, cuts in zip(all_cuts(scores, labels, weight, size), expected, strict=True):
        np.testing.assert_allclose(found, cuts, rtol=1e-9)
        assert np.array_equal(scores >= found, scores >= cuts)  # at ties, too


@given(weighted_scores(), st.integers(0, 99))
def test_halves_of_examples_give_the_cuts_of_the_whole(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, int], seed: int
):
    scores, labels, weight, size = case
    weight = weight * np.random.default_rng(seed).exponential(size=len(weight)) + 0.05
    twice = np.repeat(np.arange(len(scores)), 2)
    whole = all_cuts(scores, labels, weight, size)
    halves = all_cuts(scores[twice], labels[twice], weight[twice] / 2, size)
    for found, cuts in zip(whole, halves, strict=True):
        np.testing.assert_allclose(found, cuts, rtol=1e-7)


def test_weights_that_are_nothing_beside_others_take_no_more_place_than_there_is():
    scores = np.random.default_rng(0).random((200, 2))
    weight = np.full(200, 1e-30)
    weight[np.argsort(scores[:, 0])[100:103]] = 1.0
    cuts = prior_matched_cuts_streamed([scores], 200, np.array([0.5, 0.5]), weight=weight)
    assert np.isfinite(cuts).all()
    assert (scores[:, 0] >= cuts[0])[weight == 1].sum() in (1, 2)


def test_weights_of_other_examples_are_refused():
    share = np.array([0.5])
    for examples in (3, 5):
        with pytest.raises(ValueError, match="held_out must have 4 examples"):
            prior_matched_cuts_streamed(
                [np.zeros((examples, 1))], examples, share, weight=np.ones(4)
            )


SMALL = Settings(
    members=MEMBERS,
    hidden=8,
    epochs=3,
    batch_size=4 * ROWS,
    dropout=0.0,
    learning_rate=1e-2,
    prior_start=True,
    objective=Objective(variant="paper"),
)


def fit(rows: np.ndarray | slice = slice(None), **options: Any) -> Ensemble:
    kinds = [*KINDS]
    fitted = fit_members(X[rows], LABELS[rows], HIERARCHY, SMALL, kinds=kinds, seed=0, **options)
    return fitted.ensemble(budget=50.0)


def same(ours: Ensemble, theirs: Ensemble) -> None:
    assert ours.predict_proba(FRESH).tobytes() == theirs.predict_proba(FRESH).tobytes()
    assert ours.share.tobytes() == theirs.share.tobytes()
    for rule in theirs.cuts:
        assert ours.cuts[rule].tobytes() == theirs.cuts[rule].tobytes()


class TestAltogether:
    def test_an_ensemble_is_that_of_copies_of_one_group(self):
        ours, theirs = fit(sample_weight=WEIGHT), fit(COPIES, groups=COPIES)
        plain = fit()
        p = ours.predict_proba(FRESH)
        np.testing.assert_allclose(p, theirs.predict_proba(FRESH), atol=1e-3)
        assert np.abs(p - plain.predict_proba(FRESH)).max() > 2e-2
        np.testing.assert_allclose(ours.share, theirs.share)
        for rule in ("prior_matched", "tuned", "budget"):
            np.testing.assert_allclose(ours.cuts[rule], theirs.cuts[rule], atol=2e-3)

    def test_what_weighs_nothing_is_as_if_it_were_not_there(self):
        weight = np.where(np.arange(ROWS) % 3 > 0, 1.0, 0.0)
        rows = np.flatnonzero(weight)
        same(fit(sample_weight=weight), fit(rows))
        groups = np.arange(ROWS) // 2
        same(fit(sample_weight=2 * weight, groups=groups), fit_twice(rows, groups))

    def test_weights_of_one_are_none_to_the_last_bit(self):
        same(fit(sample_weight=[1] * ROWS), fit())

    def test_weights_are_those_of_the_rows_that_are_learnt_from(self):
        rows = np.arange(5, 55)
        ours = fit_members(
            X, LABELS, HIERARCHY, SMALL, kinds=[*KINDS], seed=0, rows=rows,
            sample_weight=WEIGHT[rows],
        ).ensemble(budget=50.0)  # fmt: skip
        same(ours, fit(rows, sample_weight=WEIGHT[rows]))

    def test_weights_that_were_divided_by_their_sum_are_refused(self):
        with pytest.raises(ValueError, match=r"sum to at least 4, as many examples.*Got 1$"):
            fit(sample_weight=WEIGHT / WEIGHT.sum())

    def test_groups_of_another_number_are_refused(self):
        with pytest.raises(ValueError, match=r"groups must have shape \(60,\). Got \(59,\)"):
            fit(sample_weight=WEIGHT, groups=np.arange(59))

    def test_a_training_is_to_be_had_with_its_weights(self):
        fitted = fit_members(X, LABELS, HIERARCHY, SMALL, seed=0, sample_weight=WEIGHT)
        training = fitted.training()
        with training.randomness():
            for _ in range(SMALL.epochs):
                training.epoch()
        networks = fitted.members["network"].networks
        for ours, theirs in zip(training.networks.parameters(), networks.parameters(), strict=True):
            assert torch.equal(ours, theirs)

    def test_a_bundle_keeps_weights_where_there_are_any(self, tmp_path: Path):
        weighted, plain = fit(sample_weight=WEIGHT), fit()
        save_bundle(tmp_path / "weighted", weighted)
        save_bundle(tmp_path / "plain", plain)
        same(load_bundle(tmp_path / "weighted"), weighted)
        named = load((tmp_path / "weighted" / "arrays.safetensors").read_bytes())
        without = load((tmp_path / "plain" / "arrays.safetensors").read_bytes())
        expected = {"forest/weight", "neighbours/weight"}  # kernels are stored solved
        assert {*named} - {*without} == expected


def fit_twice(rows: np.ndarray, groups: np.ndarray) -> Ensemble:
    return fit(rows, groups=groups[rows], sample_weight=np.full(len(rows), 2.0))
