"""The rule `budget`: so many positives per node, and so many per example."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.hml import Hierarchy, Settings, decisions, fit_members
from pipeline.hml.decisions import budget_cuts, decide_budget

from . import reference
from .strategies import build, dags
from .toy import HIERARCHY as TOY
from .toy import problem

CHAIN = Hierarchy.from_edges([("b", "a"), ("c", "b")])
FLAT = Hierarchy.from_edges([], nodes=["a", "b"])


@st.composite
def coherent_cases(draw: st.DrawFn) -> tuple[reference.Dag, np.ndarray, np.random.Generator]:
    """A hierarchy and coherent probabilities (example, node), tied or not."""
    dag = draw(dags())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 30)), len(dag.order))
    raw = rng.integers(0, 4, shape) / 5 if draw(st.booleans()) else rng.random(shape)
    p = np.stack([raw[:, below].max(axis=1) for below in dag.reach], axis=1)
    return dag, p.astype(draw(st.sampled_from([np.float32, np.float64]))), rng


# Per node --------------------------------------------------------------------------------------


@given(coherent_cases(), st.integers(1, 50), st.integers(1, 30))
def test_cuts_lie_just_above_the_score_that_the_budget_ends_at(drawn, per: int, size: int):
    _, p, rng = drawn
    most, examples = rng.integers(0, 20, p.shape[1]), len(p)
    own = []
    for column, budget in zip(p.T.astype(np.float64), most.tolist(), strict=True):
        rank = budget * (examples + 1) // per
        falling = np.sort(column)[::-1]
        bound = np.inf if rank == 0 else 0.0
        own.append(np.nextafter(falling[rank - 1], np.inf) if 1 <= rank <= examples else bound)
    blocks = (p[first : first + size] for first in range(0, examples, size))
    found = budget_cuts(blocks, examples, most, per=per, nodes=p.shape[1])
    assert found.tolist() == own


@given(coherent_cases())
def test_held_out_examples_reach_a_cut_at_most_so_often(drawn):
    _, p, rng = drawn
    most = rng.integers(0, len(p) + 2, p.shape[1])
    cuts = budget_cuts([p], len(p), most, per=len(p), nodes=p.shape[1])
    assert ((p >= cuts).sum(axis=0) <= most).all()


def test_a_rare_node_has_its_budget_below_a_common_one():
    # The child is never as probable as most of its parent's examples are.
    rng = np.random.default_rng(0)
    parent = rng.uniform(0.5, 1, 1000)
    p = np.stack([parent, parent * rng.uniform(0, 0.4, 1000)], axis=1)
    chain = Hierarchy.from_edges([("b", "a")])
    cuts = budget_cuts([p], 1000, 20, per=1000, nodes=2)
    said = decisions.decide(p, cuts, chain)
    assert said[:, 1].sum() == 19  # a cut lies above the 20th
    assert 19 < said[:, 0].sum() <= 38  # its own, and those of its child


@pytest.mark.parametrize("tied", [False, True])
def test_fresh_examples_keep_the_budget_in_expectation(tied: bool):
    rng = np.random.default_rng(0)
    p = rng.random((20, 4000))
    if tied:
        p = np.round(p, 1)
    # Each node is a repetition: the mean over them is the expectation.
    cuts = budget_cuts([p], len(p), 3, per=10, nodes=p.shape[1])
    fresh = rng.random((50, p.shape[1]))
    said = ((np.round(fresh, 1) if tied else fresh) >= cuts).mean()
    assert said <= 0.3 + 0.004
    # 6 / 21 is what the held-out examples can tell of it.
    assert tied or said == pytest.approx(6 / 21, abs=0.004)


def test_a_budget_that_the_held_out_examples_cannot_resolve_is_not_used():
    p = np.array([[0.9, 0.9], [0.8, 0.8]])
    cuts = budget_cuts([p], 2, np.array([1, 0]), per=4, nodes=2)
    assert cuts.tolist() == [np.inf, np.inf]
    assert np.isfinite(budget_cuts([p], 2, 1, per=3, nodes=2)).all()


def test_a_budget_that_is_no_limit_cuts_nothing():
    p = np.array([[0.0, 0.9], [0.8, 0.8]])
    assert budget_cuts([p], 2, 5, per=5, nodes=2).tolist() == [0.0, 0.0]
    assert budget_cuts([p], 2, 1.0, per=1, nodes=2).tolist() == [0.0, 0.0]


def test_an_ensemble_keeps_about_the_budget_and_predicts_its_rare_nodes():
    x, y = problem(600)
    settings = Settings(members=4, hidden=16, epochs=3)
    fitted = fit_members(x, y, TOY, settings, kinds=("network", "forest", "kernel"), seed=0)
    ensemble = fitted.ensemble(budget=100.0)
    assert "budget" not in fitted.ensemble().cuts
    support = TOY.support(y)
    reached = (ensemble.predict_proba(problem(2000, seed=1)[0]) >= ensemble.cuts["budget"]).mean(0)
    known = support > 0
    assert (reached[known] > 0.03).all()
    assert (reached[known] < 0.25).all()


# Per example -----------------------------------------------------------------------------------


def dense(p: np.ndarray, number: int, dag: reference.Dag, cuts: np.ndarray) -> np.ndarray:
    """Example by example: sorted by falling probability, then node order; the first ones."""
    allowed = reference.decide(p, cuts, dag)
    taken = np.zeros(p.shape, dtype=bool)
    for row in range(len(p)):
        candidates = np.flatnonzero(allowed[row]).tolist()
        first = sorted(candidates, key=lambda node: (-p[row, node], node))[:number]
        for node in first:
            taken[row, node] = any(
                dag.reach[node, below] and p[row, below] >= cuts[below] for below in first
            )
    return taken


@given(coherent_cases(), st.integers(0, 10), st.booleans())
def test_the_most_probable_nodes_are_taken(drawn, number: int, cut: bool):
    dag, p, rng = drawn
    cuts = rng.choice([0.0, 0.3, 0.6, np.inf], p.shape[1])
    found = decide_budget(p, number, build(dag), cuts if cut else None)
    assert found.dtype == np.bool_
    assert np.array_equal(found, dense(p, number, dag, cuts if cut else np.zeros(p.shape[1])))


@given(coherent_cases(), st.integers(0, 10), st.booleans())
def test_the_budget_is_kept_and_decisions_are_closed_even_of_incoherent_p(
    drawn, number: int, coherent: bool
):
    dag, p, rng = drawn
    cuts = rng.choice([0.0, 0.3, 0.6], p.shape[1])
    given_p = p if coherent else rng.permuted(p, axis=1)
    found = decide_budget(given_p, number, build(dag), cuts)
    assert (found.sum(axis=1) <= number).all()
    assert np.array_equal(found, dag.close(found))
    assert not (found & ~decisions.decide(given_p, cuts, build(dag))).any()


@given(coherent_cases(), st.integers(0, 10))
def test_one_example_torch_and_leading_axes_give_the_same(drawn, number: int):
    dag, p, _ = drawn
    hierarchy = build(dag)
    whole = decide_budget(p, number, hierarchy)
    as_torch = decide_budget(torch.from_numpy(p), number, hierarchy)
    assert as_torch.dtype == torch.bool
    assert np.array_equal(as_torch.numpy(), whole)
    assert np.array_equal(decide_budget(p[0], number, hierarchy), whole[0])
    assert np.array_equal(decide_budget(p[None], number, hierarchy), whole[None])


def test_among_equals_ancestors_go_first():
    assert decide_budget(np.full((1, 3), 0.5), 2, CHAIN).tolist() == [[True, True, False]]


def test_ancestors_go_where_the_node_that_they_stand_for_does_not_fit():
    p, cuts = np.array([[0.4, 0.3, 0.2]]), np.array([0.5, 0.5, 0.1])
    assert decide_budget(p, 3, CHAIN, cuts).tolist() == [[True, True, True]]
    assert decide_budget(p, 2, CHAIN, cuts).tolist() == [[False, False, False]]


def test_probabilities_are_left_as_they_were():
    p = np.array([[0.4, 0.3, 0.2]])
    decide_budget(p, 1, CHAIN, np.array([0.5, 0.5, 0.1]))
    assert p.tolist() == [[0.4, 0.3, 0.2]]


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    @pytest.mark.parametrize("most", [-1, float("nan"), np.array([1, -2])])
    def test_a_budget_that_is_none(self, most: object):
        with pytest.raises(ValueError, match="most must"):
            budget_cuts([np.zeros((2, 2))], 2, most, per=10, nodes=2)
        with pytest.raises(ValueError, match=r"per_example.*-1"):
            decide_budget(np.zeros((1, 2)), -1, FLAT)

    def test_another_number_of_nodes(self):
        with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
            budget_cuts([np.zeros((2, 2))], 2, np.ones(3), per=10, nodes=2)
        with pytest.raises(ValueError, match=r"2\)"):
            budget_cuts([np.zeros((2, 3))], 2, 1, per=10, nodes=2)
        with pytest.raises(ValueError, match="2 nodes"):
            decide_budget(np.zeros((1, 3)), 1, FLAT)
        with pytest.raises(ValueError, match="2 nodes"):
            decide_budget(np.zeros((1, 2)), 1, FLAT, np.zeros(3))

    def test_another_number_of_examples_than_was_promised(self):
        with pytest.raises(ValueError, match=r"3 examples.*2"):
            budget_cuts([np.zeros((2, 2))], 3, 1, per=10, nodes=2)

    @pytest.mark.parametrize(("examples", "per"), [(0, 10), (2, 0)])
    def test_no_example(self, examples: int, per: int):
        with pytest.raises(ValueError, match="at least 1"):
            budget_cuts([np.zeros((2, 2))], examples, 1, per=per, nodes=2)
