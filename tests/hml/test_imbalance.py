"""Imbalance weights (docs/method.md, section 4) against the formula, node by node."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.hml import Hierarchy, imbalance_weights, weighted_loss

from .reference import Dag
from .reference import imbalance_weights as dense_weights
from .strategies import build, dags

FLAT = Hierarchy.from_edges([], nodes=["a", "b", "c", "d"])
CHAIN = Hierarchy.from_edges([("b", "a"), ("c", "b")])


@st.composite
def weightings(draw: st.DrawFn) -> tuple[Dag, np.ndarray, int, np.ndarray, float, str]:
    dag = draw(dags())
    nodes, n = len(dag.order), draw(st.integers(1, 30))
    # Few values, the edges 0 and n among them.
    counts = st.sampled_from(sorted({0, 1, n // 3, n // 2, n - 1, n})) | st.integers(0, n)
    support = np.array(draw(st.lists(counts, min_size=nodes, max_size=nodes)))
    scored = np.array(draw(st.lists(st.booleans(), min_size=nodes, max_size=nodes)))
    floor = draw(st.sampled_from([0.0, 0.25, 1.0, 3.0]))
    return dag, support, n, scored, floor, draw(st.sampled_from(["node", "binary"]))


@pytest.mark.parametrize("variant", ["paper", "released"])
@given(drawn=weightings(), use_scored=st.booleans())
def test_weights_are_those_of_the_formula(variant: str, drawn, use_scored: bool):
    dag, support, n, scored, floor, kind = drawn
    chosen = scored if use_scored else None
    found = imbalance_weights(
        support, n, build(dag), variant=variant, floor=floor, kind=kind, scored=chosen
    )
    expected = dense_weights(support.tolist(), n, dag, variant, floor, kind, chosen)
    for ours, theirs in zip(found, expected, strict=True):
        ours = np.asarray(ours)
        assert ours.shape == support.shape
        assert np.issubdtype(ours.dtype, np.floating)
        assert np.isfinite(ours).all()
        # What an unscored node would weigh never enters a loss.
        counts = np.ones_like(scored) if chosen is None or variant == "released" else scored
        np.testing.assert_allclose(ours[counts], np.array(theirs)[counts], rtol=1e-12)


@given(weightings())
def test_unscored_nodes_never_change_the_paper_weights_of_scored_ones(drawn):
    dag, support, n, scored, floor, kind = drawn
    options = {"floor": floor, "kind": kind, "scored": scored}
    before, _ = imbalance_weights(support, n, build(dag), **options)
    other = np.where(scored, support, n - support)
    after, _ = imbalance_weights(other, n, build(dag), **options)
    assert np.array_equal(np.asarray(before)[scored], np.asarray(after)[scored])


@pytest.mark.parametrize("variant", ["paper", "released"])
@given(drawn=weightings())
def test_weights_are_never_negative(variant: str, drawn):
    dag, support, n, scored, floor, kind = drawn
    for weight in imbalance_weights(
        support, n, build(dag), variant=variant, floor=floor, kind=kind, scored=scored
    ):
        assert (np.asarray(weight) >= 0).all()


def test_the_loss_takes_the_weights_of_a_frequent_node_that_is_not_scored():
    # A namespace root of GO: in most examples, not scored, r far below that of all scored nodes.
    scored = np.array([False, True, True])
    positive, negative = imbalance_weights(np.array([90, 10, 5]), 100, CHAIN, scored=scored)
    loss = weighted_loss(
        torch.zeros((1, 1, 3)),
        torch.ones((1, 3), dtype=torch.bool),
        CHAIN,
        positive_weight=torch.as_tensor(positive),
        negative_weight=torch.as_tensor(negative),
        scored=torch.from_numpy(scored),
    )
    assert torch.isfinite(loss)


@given(weightings(), st.data())
def test_renaming_nodes_moves_the_weights_with_them(drawn, data: st.DataObject):
    dag, support, n, scored, floor, kind = drawn
    new = dict(zip(dag.order, data.draw(st.permutations(dag.order)), strict=True))
    renamed = Dag(
        tuple((new[c], new[p]) for c, p in dag.edges), tuple(new[name] for name in dag.nodes)
    )
    columns = np.array([renamed.order.index(new[name]) for name in dag.order])
    moved_support, moved_scored = np.empty_like(support), np.empty_like(scored)
    moved_support[columns], moved_scored[columns] = support, scored
    for variant in ("paper", "released"):
        options = {"variant": variant, "floor": floor, "kind": kind}
        plain = imbalance_weights(support, n, build(dag), scored=scored, **options)
        moved = imbalance_weights(moved_support, n, build(renamed), scored=moved_scored, **options)
        for one, other in zip(plain, moved, strict=True):
            np.testing.assert_allclose(np.asarray(other)[columns][scored], np.asarray(one)[scored])


def test_paper_weights_worked_by_hand():
    # n = 8, N = 4: r = 8 / (4 * [8, 4, 2, 1]); the first node is always positive.
    positive, negative = imbalance_weights(np.array([8, 4, 2, 1]), 8, FLAT, floor=0.25)
    np.testing.assert_allclose(positive, [1.0, 0.25, 0.25 + 2 * 0.5 / 1.5, 2.25])
    np.testing.assert_allclose(negative, np.ones(4))


def test_released_weights_worked_by_hand():
    # The support 4, 2, 1 of a chain is summed once more: 7, 3, 1; n = 6, N = 3: r = 2/7, 2/3, 2.
    positive, negative = imbalance_weights(
        np.array([4, 2, 1]), 6, CHAIN, variant="released", floor=0.25
    )
    low = 2 / 7
    np.testing.assert_allclose(negative, [0.25, 0.25 + 2 * (2 / 3 - low) / (2 - low), 2.25])
    np.testing.assert_allclose(positive, np.ones(3))


def test_released_gives_absent_nodes_the_ratio_one_and_lets_them_set_the_extremes():
    # r = 1 for the absent node, 4 / (4 * 2) = 0.5 for the others: it is the greatest.
    _, negative = imbalance_weights(np.array([2, 2, 2, 0]), 4, FLAT, variant="released", floor=0.25)
    np.testing.assert_allclose(negative, [0.25, 0.25, 0.25, 1.25])


def test_absent_and_constant_nodes_weigh_one_in_the_paper_variant():
    positive, _ = imbalance_weights(np.array([0, 8, 2, 1]), 8, FLAT, floor=0.5)
    assert np.asarray(positive)[:2].tolist() == [1.0, 1.0]


def test_equal_supports_all_weigh_the_floor():
    positive, _ = imbalance_weights(np.array([3, 3, 3, 3]), 9, FLAT, floor=0.7)
    np.testing.assert_allclose(positive, np.full(4, 0.7))


def test_binary_kind_divides_by_two():
    positive, _ = imbalance_weights(np.array([4, 2, 1, 1]), 8, FLAT, floor=0.0, kind="binary")
    np.testing.assert_allclose(positive, [0, 4 * (2 - 1) / 3, 4, 4])


@example([1, 2, 0])
@given(st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_defaults_are_paper_floor_a_quarter_and_node_wise(support: list[int]):
    plain = imbalance_weights(np.array(support), 4, CHAIN)
    spelt = imbalance_weights(
        np.array(support), 4, CHAIN, variant="paper", floor=0.25, kind="node", scored=None
    )
    for one, other in zip(plain, spelt, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_our_variant_is_not_there_yet(self):
        with pytest.raises(ValueError, match="ours"):
            imbalance_weights(np.array([1, 1, 1]), 4, CHAIN, variant="ours")

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"variant": "papers"}, "papers"),
            ({"kind": "class"}, "class"),
            ({"floor": -0.1}, r"-0\.1"),
            ({"floor": float("nan")}, "nan"),
            ({"scored": np.array([True, False])}, r"3|2"),
            ({"support": np.array([1, 1])}, r"3|2"),
            ({"support": np.array([[1, 1, 1]])}, r"3"),
            ({"support": np.array([1, 5, 1])}, "5"),
            ({"support": np.array([1, -2, 1])}, "-2"),
            ({"n_examples": 0}, "0"),
        ],
        ids=str,
    )
    def test_options_out_of_range(self, change: dict, found: str):
        options = {"support": np.array([2, 1, 1]), "n_examples": 4, "hierarchy": CHAIN} | change
        with pytest.raises(ValueError, match=found):
            imbalance_weights(**options)
