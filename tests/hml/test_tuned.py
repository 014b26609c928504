"""The rule `tuned` against dense F-measures of every cut, node by node."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import fbeta_score

from pipeline.hml import decisions, predictions, tuned
from pipeline.hml.predictions import Predictions
from pipeline.hml.tuned import GRID, tuned_cuts


def stream(p: np.ndarray, y: np.ndarray, **options: Any) -> Predictions:
    return Predictions(sparse.csr_array(y), lambda rows: p[rows], **options)


def cut_for(column: np.ndarray, count: int) -> float:
    """Between the scores that are wanted and the others; beside ties that would miss by more."""
    falling = np.sort(column.astype(np.float64))[::-1]
    last, following = falling[count - 1], falling[min(count, len(falling) - 1)]
    cut = last - (last - following) / 2
    reach, beyond = (column >= cut).sum(), (column > cut).sum()
    return np.nextafter(cut, np.inf) if reach > 1 and reach - count > count - beyond else cut


def dense_cuts(p: np.ndarray, y: np.ndarray, beta: float) -> np.ndarray:
    """The docstring of `tuned_cuts` once more: every decision is taken, every F is scikit-learn's.

    Of cuts that are equally good within rounding, either would be right: the first is taken.
    """
    support = y.sum(axis=0)
    cuts, curves = np.full((y.shape[1], len(GRID)), np.inf), np.zeros((y.shape[1], len(GRID)))
    for node in np.flatnonzero(support):
        for place, relative in enumerate(GRID):
            count = int(np.clip(np.floor(relative * support[node] + 0.5), 1, len(y)))
            cuts[node, place] = cut_for(p[:, node], count)
            said = p[:, node] >= cuts[node, place]
            curves[node, place] = fbeta_score(y[:, node], said, beta=beta, zero_division=0.0)
    found = np.full(y.shape[1], np.inf)
    for node in np.flatnonzero(support):
        near = np.zeros(y.shape[1])
        for other in np.flatnonzero(support):
            distance = np.log(support[other]) - np.log(support[node])
            near[other] = np.exp(-0.5 * (distance / tuned._SIMILAR) ** 2)
        own = support[node] / (support[node] + tuned._SHRINKAGE)
        curve = own * curves[node] + (1 - own) * (near @ curves) / near.sum()
        found[node] = cuts[node, np.flatnonzero(curve >= curve.max() - 1e-12)[0]]
    return found


@st.composite
def held_out(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores (example, node), tied or not, and labels from none to all positive."""
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.random(shape) < rng.choice([0.0, 0.05, 0.2, 0.6, 1.0], shape[1])
    p = np.clip(0.3 * y + rng.random(shape), 0, 1)
    if draw(st.booleans()):
        p = np.round(p * 4) / 4
    return p.astype(draw(st.sampled_from([np.float32, np.float64]))), y


@given(held_out(), st.sampled_from([0.5, 1.0, 2.0]), st.integers(1, 30))
def test_cuts_are_those_of_a_dense_search_however_the_scores_come(drawn, beta: float, block: int):
    p, y = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "BLOCK", block)
        found = tuned_cuts(stream(p, y), beta=beta)
    assert found.tobytes() == dense_cuts(p, y, beta).tobytes()


def separable(support: int, examples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """One node whose positives are the highest scores."""
    p = np.linspace(0, 1, examples)[:, None]
    return p, p >= np.sort(p[:, 0])[-support]


@pytest.mark.parametrize("support", [1, 2, 10, 100, 200])
def test_a_node_that_is_told_apart_is_predicted_where_it_is_positive(support: int):
    p, y = separable(support)
    assert np.array_equal(p >= tuned_cuts(stream(p, y)), y)


def test_a_curve_that_peaks_at_the_share_gives_the_prior_matched_cut():
    p, y = separable(20)
    expected = decisions.prior_matched_cuts(p, y.mean(axis=0))
    np.testing.assert_allclose(tuned_cuts(stream(p, y)), expected, rtol=1e-12)


def test_the_cut_at_the_largest_share_lies_between_two_scores_as_well():
    # Both positives lie beyond all shares of the grid but the last, 16 times 2.
    p = np.linspace(1, 0, 100)[:, None]
    y = np.isin(np.arange(100), [29, 30])[:, None]
    assert tuned_cuts(stream(p, y)) == pytest.approx((p[31] + p[32]) / 2, rel=1e-12)


def test_a_node_with_many_positives_goes_its_own_way_and_one_with_few_does_not():
    rng = np.random.default_rng(3)
    examples = 4000
    # All nodes but the first of each support are told apart; the first has noise on top of its
    # positives, so that its own maximum lies at twice its share.
    y = np.zeros((examples, 40), dtype=bool)
    for node in range(40):
        y[: 2 if node < 20 else 400, node] = True
    p = 0.5 * y + 0.2 * rng.random(y.shape)
    for node, support in ((0, 2), (20, 400)):
        noise = rng.choice(np.arange(support, examples), support, replace=False)
        p[noise, node] = 0.75 + 0.01 * rng.random(support)
    cuts = tuned_cuts(stream(p, y))
    said = (p >= cuts).sum(axis=0)
    assert said[0] == 2
    assert said[20] >= 780
    assert (said[1:20] == 2).all()
    assert (said[21:] == 400).all()


def test_what_is_alike_in_support_is_cut_alike():
    # The node at 0 is told apart, but the others favour twice their share.
    rng = np.random.default_rng(4)
    y = np.zeros((1000, 10), dtype=bool)
    y[:2] = True
    p = 0.5 * y + 0.2 * rng.random(y.shape)
    p[2:4, 1:] = 0.9
    cuts = tuned_cuts(stream(p, y))
    assert ((p >= cuts)[:, 0].sum(), (p >= cuts)[:, 1].sum()) == (4, 4)


def test_a_greater_beta_predicts_more():
    rng = np.random.default_rng(5)
    y = rng.random((500, 30)) < 0.1
    p = np.clip(0.2 * y + 0.5 * rng.random(y.shape), 0, 1)
    few, some, many = ((p >= tuned_cuts(stream(p, y), beta=b)).sum() for b in (0.3, 1.0, 3.0))
    assert few < some < many


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_scores_that_are_all_tied_are_predicted_for_most_or_none(level: float):
    p = np.full((100, 3), level)
    y = np.zeros(p.shape, dtype=bool)
    y[:1, 0], y[:60, 1] = True, True
    said = (p >= tuned_cuts(stream(p, y))).sum(axis=0)
    # At its smallest shares the second node would say nothing; all is nearer to 60 and more.
    assert said.tolist() == [0, 100, 0]


def test_a_node_without_held_out_positive_is_never_predicted():
    p, y = np.array([[0.9, 1.0], [0.1, 1.0]]), np.array([[True, False], [False, False]])
    assert np.isposinf(tuned_cuts(stream(p, y))).tolist() == [False, True]
    assert np.isposinf(tuned_cuts(stream(p, np.zeros_like(y)))).all()


def test_a_node_that_is_always_positive_is_always_predicted():
    p = np.random.default_rng(6).random((30, 1))
    cuts = tuned_cuts(stream(p, np.ones(p.shape, dtype=bool)))
    assert (p >= cuts).all()


def test_one_example_is_enough():
    cuts = tuned_cuts(stream(np.array([[0.4, 0.2]]), np.array([[True, False]])))
    assert cuts.tolist() == [0.4, np.inf]


def test_nodes_that_are_not_scored_have_no_cut():
    rng = np.random.default_rng(7)
    y, p, scored = rng.random((50, 6)) < 0.2, rng.random((50, 6)), np.arange(6) % 2 == 1
    found = tuned_cuts(stream(p, y, scored=scored))
    assert np.array_equal(found, tuned_cuts(stream(p[:, scored], y[:, scored])))


def test_on_fresh_examples_rare_nodes_gain_over_their_own_maxima(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(8)
    nodes, support = 300, 3

    def drawn(examples: int, positives: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.zeros((examples, nodes), dtype=bool)
        for node in range(nodes):
            y[rng.choice(examples, positives, replace=False), node] = True
        return 1 / (1 + np.exp(4 - rng.normal(size=y.shape) - 1.5 * y)), y

    p, y = drawn(300, support)
    fresh, truth = drawn(3000, 10 * support)

    def quality() -> float:
        said = fresh >= tuned_cuts(stream(p, y))
        return float((2 * (said & truth).sum(0) / (said.sum(0) + truth.sum(0))).mean())

    shrunk = quality()
    monkeypatch.setattr(tuned, "_SHRINKAGE", 0.0)
    assert shrunk > quality() + 0.005


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    @pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
    def test_a_beta_that_is_none(self, beta: float):
        with pytest.raises(ValueError, match=rf"beta.*{beta}"):
            tuned_cuts(stream(np.zeros((2, 1)), np.ones((2, 1), dtype=bool)), beta=beta)

    def test_no_held_out_example(self):
        with pytest.raises(ValueError, match="example"):
            tuned_cuts(stream(np.zeros((0, 1)), np.zeros((0, 1), dtype=bool)))

    def test_an_infinite_probability(self):
        with pytest.raises(ValueError, match="finite"):
            tuned_cuts(stream(np.array([[np.inf]]), np.ones((1, 1), dtype=bool)))
