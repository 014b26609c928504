"""Decision rules (docs/method.md, section 8)."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.hml import Hierarchy, decisions

from . import reference
from .strategies import Case, cases

DIAMOND = Hierarchy.from_edges([("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")])


@st.composite
def cut_cases(draw: st.DrawFn) -> tuple[Case, np.ndarray, np.ndarray]:
    case = draw(cases(grid=(-1.0, 0.0, 0.5, 1.0)))
    cuts = st.sampled_from([0.0, 0.25, 0.5, 0.7, np.inf])
    return case, case.p.mean(axis=0), draw(hnp.arrays(np.float64, case.shape[2], elements=cuts))


@given(cut_cases())
def test_decisions_are_taken_at_the_cut_and_closed_upward(drawn):
    case, p, cuts = drawn
    found = decisions.decide(p, cuts, case.hierarchy)
    assert found.dtype == np.bool_
    assert np.array_equal(found, reference.decide(p, cuts, case.dag))
    child, parent = np.asarray(case.hierarchy.edge_index)
    assert (found[:, parent] >= found[:, child]).all()


@given(cut_cases())
def test_decisions_work_on_any_leading_axes(drawn):
    case, p, cuts = drawn
    whole = decisions.decide(p, cuts, case.hierarchy)
    assert np.array_equal(decisions.decide(p[0], cuts, case.hierarchy), whole[0])
    assert np.array_equal(decisions.decide(p[None], cuts, case.hierarchy), whole[None])


@given(cut_cases())
def test_one_example_is_decided_alone_as_among_others(drawn):
    case, p, cuts = drawn
    whole = decisions.decide(p, cuts, case.hierarchy)
    for row, expected in zip(p, whole, strict=True):
        assert np.array_equal(decisions.decide(row[None], cuts, case.hierarchy)[0], expected)


@given(st.integers(1, 40), st.integers(1, 4), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_predicted_share_equals_the_training_share(
    examples: int, nodes: int, share: float, seed: int
):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.linspace(0, 1, examples)[:, None], nodes), axis=0)
    shares = np.full(nodes, share)
    cuts = decisions.prior_matched_cuts(scores, shares)
    assert np.shape(cuts) == (nodes,)
    predicted = (scores >= np.asarray(cuts)).sum(axis=0)
    if share == 0:
        assert np.isposinf(cuts).all()
    # Shares that fall between two numbers of examples may go to either.
    assert (np.abs(predicted - share * examples) <= 1).all()


@given(st.integers(1, 40), st.data())
def test_a_share_that_can_be_met_is_met_exactly(examples: int, data: st.DataObject):
    count = data.draw(st.integers(1, examples))
    scores = np.random.default_rng(examples).permutation(np.linspace(0.1, 0.9, examples))[:, None]
    cuts = decisions.prior_matched_cuts(scores, np.array([count / examples]))
    assert (scores >= np.asarray(cuts)).sum() == count


@given(hnp.arrays(np.float64, (12, 3), elements=st.sampled_from([0.0, 0.2, 0.4])))
def test_cuts_never_rise_with_the_share_whatever_the_ties(scores: np.ndarray):
    cuts = [
        np.asarray(decisions.prior_matched_cuts(scores, np.full(3, share)))
        for share in (0.0, 0.1, 0.3, 0.5, 0.9, 1.0)
    ]
    for before, after in pairwise(cuts):
        assert (after <= before).all()
    for cut, share in zip(cuts, (0.0, 0.1, 0.3, 0.5, 0.9, 1.0), strict=True):
        assert ((scores > cut).sum(axis=0) <= share * 12 + 1).all()


def test_a_node_without_training_positives_is_never_predicted():
    scores = np.array([[0.9, 0.9], [0.1, 1.0]])
    cuts = np.asarray(decisions.prior_matched_cuts(scores, np.array([0.5, 0.0])))
    assert np.isposinf(cuts[1])
    flat = Hierarchy.from_edges([], nodes=["a", "b"])
    assert decisions.decide(scores, cuts, flat).tolist() == [[True, False], [False, False]]


@st.composite
def held_out(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores (example, node), with ties or with all digits, and shares that can be met or not."""
    shape = (draw(st.integers(1, 30)), draw(st.integers(1, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, 3, shape) / 5 if draw(st.booleans()) else rng.random(shape)
    met = rng.integers(0, shape[0] + 1, shape[1]) / shape[0]
    share = np.where(rng.random(shape[1]) < 0.4, met, rng.random(shape[1]))
    return scores.astype(draw(st.sampled_from([np.float32, np.float64]))), share


@given(held_out(), st.integers(1, 30))
def test_cuts_are_numpy_s_quantiles_to_the_last_bit_however_the_scores_come(drawn, size: int):
    scores, share = drawn
    expected = []
    for column, wanted in zip(scores.T.astype(np.float64), share, strict=True):
        cut = np.quantile(column, 1 - wanted, method="hazen")
        reach, beyond = (column >= cut).sum(), (column > cut).sum()
        wanted_examples = wanted * len(column)
        if reach > 1 and reach - wanted_examples > wanted_examples - beyond:
            cut = np.nextafter(cut, np.inf)
        expected.append(cut if wanted > 0 else np.inf)
    blocks = (scores[first : first + size] for first in range(0, len(scores), size))
    found = decisions.prior_matched_cuts_streamed(blocks, len(scores), share)
    assert found.tobytes() == np.array(expected).tobytes()
    assert decisions.prior_matched_cuts(scores, share).tobytes() == found.tobytes()


def test_ties_that_came_before_and_after_the_kept_scores_are_counted():
    # Two of four are wanted; three tie at the boundary, so that none of them is taken.
    for order in ([0.5, 0.9, 0.5, 0.5], [0.9, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.9]):
        scores = np.array(order)[:, None]
        cuts = decisions.prior_matched_cuts_streamed(iter(scores[:, None]), 4, np.array([0.45]))
        assert (scores >= cuts).sum() == 1


def test_each_node_has_its_own_cut():
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    cuts = np.asarray(decisions.prior_matched_cuts(scores, np.array([0.25, 0.5])))
    assert (scores >= cuts).tolist() == [
        [False, True], [False, True], [False, False], [True, False],
    ]  # fmt: skip


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_another_number_of_nodes(self):
        with pytest.raises(ValueError, match="4"):
            decisions.decide(np.zeros((2, 3)), np.zeros(3), DIAMOND)
        with pytest.raises(ValueError, match="4"):
            decisions.decide(np.zeros((2, 4)), np.zeros(3), DIAMOND)
        with pytest.raises(ValueError, match=r"3"):
            decisions.prior_matched_cuts(np.zeros((2, 3)), np.zeros(4))

    @pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
    def test_shares_that_are_none(self, share: float):
        with pytest.raises(ValueError, match=r"0.*1|nan"):
            decisions.prior_matched_cuts(np.zeros((2, 1)), np.array([share]))

    def test_no_held_out_example(self):
        with pytest.raises(ValueError, match="example"):
            decisions.prior_matched_cuts(np.empty((0, 1)), np.array([0.5]))
        with pytest.raises(ValueError, match="example"):
            decisions.prior_matched_cuts_streamed([], 0, np.array([0.5]))

    @pytest.mark.parametrize("examples", [3, 5])
    def test_another_number_of_examples_than_was_promised(self, examples: int):
        blocks = [np.zeros((2, 1)), np.zeros((2, 1))]
        with pytest.raises(ValueError, match=rf"{examples} examples.*4"):
            decisions.prior_matched_cuts_streamed(blocks, examples, np.array([0.5]))

    @pytest.mark.parametrize("score", [np.nan, np.inf])
    def test_scores_that_are_not_finite(self, score: float):
        with pytest.raises(ValueError, match="finite"):
            decisions.prior_matched_cuts(np.array([[0.5], [score]]), np.array([0.5]))
