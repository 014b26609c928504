"""Metrics against loops over thresholds and nodes, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from pipeline.hml import metrics

from . import reference

GRID = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])  # few values: ties are the rule


@st.composite
def columns(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with a positive, scores and weights of one node."""
    size = draw(st.integers(1, 12))
    y = draw(hnp.arrays(np.bool_, size))
    y[draw(st.integers(0, size - 1))] = True
    score = draw(hnp.arrays(np.float64, size, elements=GRID | st.floats(0, 1)))
    weight = draw(hnp.arrays(np.float64, size, elements=st.floats(0.01, 5)))
    return y, score, weight


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and scores (example, node), and which nodes are scored: at least one."""
    shape = (draw(st.integers(1, 8)), draw(st.integers(1, 5)))
    scored = draw(hnp.arrays(np.bool_, shape[1]))
    scored[draw(st.integers(0, shape[1] - 1))] = True
    return (
        draw(hnp.arrays(np.bool_, shape)),
        draw(hnp.arrays(np.float64, shape, elements=GRID)),
        scored,
    )


@given(columns())
def test_average_precision_sums_over_distinct_thresholds(drawn):
    y, score, weight = drawn
    assert metrics.average_precision(y, score) == pytest.approx(
        reference.average_precision(y, score), abs=1e-12
    )
    assert metrics.average_precision(y, score, weight) == pytest.approx(
        reference.average_precision(y, score, weight), abs=1e-12
    )


@given(columns())
def test_average_precision_is_scikit_learn_s(drawn):
    y, score, weight = drawn
    assert metrics.average_precision(y, score, weight) == pytest.approx(
        average_precision_score(y, score, sample_weight=weight), abs=1e-12
    )


@given(columns())
def test_average_precision_in_single_precision_ranks_the_same_values(drawn):
    y, score, _ = drawn
    single = score.astype(np.float32)
    assert metrics.average_precision(y, single) == pytest.approx(
        reference.average_precision(y, single.astype(np.float64)), abs=1e-12
    )


@given(columns(), st.randoms(use_true_random=False))
def test_average_precision_does_not_depend_on_the_order_of_examples(drawn, rng):
    y, score, weight = drawn
    turn = list(range(len(y)))
    rng.shuffle(turn)
    assert metrics.average_precision(y[turn], score[turn], weight[turn]) == pytest.approx(
        metrics.average_precision(y, score, weight), abs=1e-12
    )


@given(columns())
def test_a_weight_of_two_is_an_example_twice_and_of_zero_none(drawn):
    y, score, _ = drawn
    times = 1 + np.arange(len(y)) % 2
    assert metrics.average_precision(y, score, times.astype(float)) == pytest.approx(
        metrics.average_precision(np.repeat(y, times), np.repeat(score, times)), abs=1e-12
    )
    zero = np.concatenate([np.ones(len(y)), [0.0]])
    padded = metrics.average_precision(np.append(y, False), np.append(score, 2.0), zero)
    assert padded == pytest.approx(metrics.average_precision(y, score), abs=1e-12)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16])
def test_average_precision_ranks_scores_of_any_dtype(dtype: type):
    y, score = np.array([True, False, True, False]), np.array([1, 0, 1, 1])
    assert metrics.average_precision(y, score.astype(dtype)) == pytest.approx(2 / 3)
    y, score = np.array([False, True]), np.array([0, 1])
    assert metrics.average_precision(y, score.astype(dtype)) == 1


def test_without_a_positive_there_is_no_average_precision():
    # Not 0, which would look like the worst of rankings.
    nothing = np.zeros((3, 2), dtype=bool)
    assert np.isnan(metrics.average_precision(nothing[:, 0], np.arange(3.0)))
    assert np.isnan(metrics.macro_average_precision(nothing, np.ones((3, 2))))
    assert np.isnan(metrics.micro_average_precision(nothing, np.ones((3, 2))))


def test_average_precision_of_constant_scores_is_the_share_of_positives():
    y = np.array([True, False, False, True, False])
    assert metrics.average_precision(y, np.full(5, 0.3)) == pytest.approx(0.4)


@given(columns(), st.integers(0, 2**32 - 1))
def test_replicates_are_scikit_learn_s_weighted_average_precision(drawn, seed: int):
    y, score, weight = drawn
    rng = np.random.default_rng(seed)
    weights = np.vstack([weight, rng.dirichlet(np.ones(len(y)), size=3) * len(y)])
    found = metrics.average_precision_replicates(y, score, weights)
    assert np.shape(found) == (4,)
    for value, row in zip(np.asarray(found), weights, strict=True):
        assert value == pytest.approx(
            average_precision_score(y, score, sample_weight=row), abs=1e-9
        )
        assert value == pytest.approx(reference.average_precision(y, score, row), abs=1e-9)


@given(tables())
def test_macro_average_precision_is_the_mean_over_scored_nodes_with_a_positive(drawn):
    y, score, scored = drawn
    learnt = np.flatnonzero(scored & y.any(axis=0))
    assume(len(learnt))
    expected = np.mean([reference.average_precision(y[:, j], score[:, j]) for j in learnt])
    found = metrics.macro_average_precision(y, score, scored)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(
        average_precision_score(y[:, learnt], score[:, learnt], average="macro"), abs=1e-12
    )


@given(tables())
def test_micro_average_precision_pools_the_scored_entries(drawn):
    y, score, scored = drawn
    assume(y[:, scored].any())
    found = metrics.micro_average_precision(y, score, scored)
    pooled = y[:, scored].ravel(), score[:, scored].ravel()
    assert found == pytest.approx(reference.average_precision(*pooled), abs=1e-12)
    assert found == pytest.approx(average_precision_score(*pooled), abs=1e-12)


@given(tables())
def test_without_scored_every_node_counts(drawn):
    y, score, scored = drawn
    everything = np.ones_like(scored)
    assume(y.any())
    prior = np.full(len(scored), 0.3)
    for metric, second in (
        (metrics.macro_average_precision, ()),
        (metrics.micro_average_precision, ()),
        (metrics.brier_skill, (prior,)),
    ):
        with_all = metric(y, score, *second, everything)
        assert metric(y, score, *second) == pytest.approx(with_all, abs=1e-12)
    assert metrics.rule_scores(y, score > 0.5) == metrics.rule_scores(y, score > 0.5, everything)


@given(tables())
def test_rule_scores_are_the_counted_ones(drawn):
    y, score, scored = drawn
    decision = score >= 0.5
    found = metrics.rule_scores(y, decision, scored)
    assert found == pytest.approx(reference.rule_scores(y, decision, scored), abs=1e-12)
    assert set(found) == {"macro_f1", "macro_precision", "macro_recall", "micro_f1"}
    assert all(type(value) is float for value in found.values())  # they go into metrics.json


@given(tables())
def test_rule_scores_are_scikit_learn_s_with_zero_for_nothing(drawn):
    y, score, scored = drawn
    decision = score >= 0.5
    found = metrics.rule_scores(y, decision, scored)
    # One scored node is a plain binary problem to scikit-learn, so a node without anything joins:
    # it counts as 0 in each macro figure.
    true = np.pad(y[:, scored], ((0, 0), (0, 1)))
    said = np.pad(decision[:, scored], ((0, 0), (0, 1)))
    correct = (scored.sum() + 1) / scored.sum()
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, said, average="macro", zero_division=0
    )
    micro = precision_recall_fscore_support(true, said, average="micro", zero_division=0)[2]
    assert found["macro_precision"] == pytest.approx(precision * correct, abs=1e-12)
    assert found["macro_recall"] == pytest.approx(recall * correct, abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1 * correct, abs=1e-12)
    assert found["micro_f1"] == pytest.approx(micro, abs=1e-12)


def test_a_node_without_test_positives_counts_as_zero_in_macro_f1():
    y = np.array([[True, False], [False, False]])
    assert metrics.rule_scores(y, y)["macro_f1"] == pytest.approx(0.5)
    assert metrics.macro_average_precision(y, y.astype(float)) == pytest.approx(1.0)


@given(tables(), st.data())
def test_brier_skill_compares_squared_errors_with_the_prior_s(drawn, data: st.DataObject):
    y, p, scored = drawn
    prior = data.draw(hnp.arrays(np.float64, len(scored), elements=st.floats(0.05, 0.95)))
    assert metrics.brier_skill(y, p, prior, scored) == pytest.approx(
        reference.brier_skill(y, p, prior, scored), abs=1e-10
    )


def test_brier_skill_is_one_for_the_truth_and_zero_for_the_prior():
    y = np.array([[True, False], [False, True], [False, False]])
    prior = np.array([0.2, 0.4])
    assert metrics.brier_skill(y, y.astype(float), prior) == 1
    assert metrics.brier_skill(y, np.tile(prior, (3, 1)), prior) == pytest.approx(0)


@given(tables(), st.data())
def test_permuting_nodes_changes_no_metric(drawn, data: st.DataObject):
    y, score, scored = drawn
    assume(y[:, scored].any())
    turn = data.draw(st.permutations(range(len(scored))))
    for metric in (metrics.macro_average_precision, metrics.micro_average_precision):
        assert metric(y[:, turn], score[:, turn], scored[turn]) == pytest.approx(
            metric(y, score, scored), abs=1e-12
        )
    assert metrics.rule_scores(y[:, turn], score[:, turn] > 0.5, scored[turn]) == pytest.approx(
        metrics.rule_scores(y, score > 0.5, scored)
    )


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_scores_of_another_shape(self):
        y = np.ones((3, 2), dtype=bool)
        with pytest.raises(ValueError, match=r"3"):
            metrics.average_precision(y[:, 0], np.zeros(4))
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            metrics.macro_average_precision(y, np.zeros((2, 3)))
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            metrics.micro_average_precision(y, np.zeros((2, 3)))
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            metrics.rule_scores(y, np.zeros((2, 3), dtype=bool))
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            metrics.brier_skill(y, np.zeros((2, 3)), np.zeros(2))

    def test_a_prior_of_another_length(self):
        y = np.ones((3, 2), dtype=bool)
        with pytest.raises(ValueError, match=r"\(2,\).*\(1,\)"):
            metrics.brier_skill(y, np.zeros((3, 2)), [0.5])

    @pytest.mark.parametrize("decision", [0.7, 2, np.nan])
    def test_decisions_that_are_none(self, decision: float):
        with pytest.raises(ValueError, match=f"Got {decision}"):
            metrics.rule_scores([[True, False]], [[1, decision]])

    def test_scores_that_are_not_numbers(self):
        y = np.array([True, False])
        with pytest.raises(ValueError, match=r"(?i)nan|finite"):
            metrics.average_precision(y, np.array([0.1, np.nan]))
