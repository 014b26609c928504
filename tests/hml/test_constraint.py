"""The constraint against the reference, in value and gradient (docs/method.md, 2 and 3)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.hml import Hierarchy, coherent, constrained_probability

from . import reference
from .strategies import Case, build, cases, dags

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
DIAMOND = Hierarchy.from_edges([("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")])


def value_and_gradient(function, values: np.ndarray, dtype: torch.dtype = torch.float64):
    """Value, and the gradient of a weighted sum, so that no two entries can be mixed up."""
    z = torch.tensor(values, dtype=dtype, requires_grad=True)
    out = function(z)
    weights = torch.linspace(0.5, 2.0, out.numel(), dtype=torch.float64).reshape(out.shape)
    (out.double() * weights).sum().backward()
    return out.detach().double().numpy(), z.grad.double().numpy()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(case=cases())
def test_coherent_is_the_dense_maximum_in_value_and_gradient(dtype: torch.dtype, case: Case):
    ours = value_and_gradient(lambda p: coherent(p, case.hierarchy), case.p, dtype)
    theirs = value_and_gradient(lambda p: reference.coherent(p, case.dag), case.p, dtype)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype])


@given(cases())
def test_coherent_takes_numpy_and_gives_numpy(case: Case):
    found = coherent(case.p, case.hierarchy)
    assert isinstance(found, np.ndarray)
    assert found.dtype == case.p.dtype
    assert np.array_equal(found, reference.coherent(torch.from_numpy(case.p), case.dag).numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(case=cases())
def test_coherent_output_is_coherent_idempotent_and_never_below_its_input(dtype, case: Case):
    p = case.p.astype(dtype)
    c = coherent(p, case.hierarchy)
    assert c.dtype == dtype
    child, parent = np.asarray(case.hierarchy.edge_index)
    assert (c[..., parent] >= c[..., child]).all()
    assert (c >= p).all()
    assert np.array_equal(coherent(c, case.hierarchy), c)


@given(cases())
def test_coherent_works_on_any_leading_axes(case: Case):
    whole = coherent(case.p, case.hierarchy)
    assert np.array_equal(coherent(case.p[0, 0], case.hierarchy), whole[0, 0])
    assert np.array_equal(coherent(case.p[:, None], case.hierarchy), whole[:, None])
    assert coherent(case.p[:0], case.hierarchy).shape == (0, *case.shape[1:])


@given(cases())
def test_coherent_does_not_change_its_input_and_takes_strided_views(case: Case):
    p = torch.from_numpy(case.p)
    before = p.clone()
    whole = coherent(p, case.hierarchy)
    assert torch.equal(p, before)
    strided = p.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert torch.equal(coherent(strided, case.hierarchy), whole)
    assert torch.equal(coherent(strided[:, ::2], case.hierarchy), whole[:, ::2])
    for wide in (case.p.repeat(2, axis=0)[::2], np.asfortranarray(case.p)):
        assert np.array_equal(coherent(wide, case.hierarchy), whole.numpy())


def test_coherent_takes_reversed_views_and_arrays_that_may_not_be_written():
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.9, 0.1, 0.2, 0.0]])
    expected = [[0.4, 0.4, 0.4, 0.4], [0.9, 0.1, 0.2, 0.0]]
    assert coherent(p[::-1], DIAMOND).tolist() == expected[::-1]
    p.setflags(write=False)  # as a memory-mapped file is; torch warns about it once per process
    torch.set_warn_always(True)
    try:
        assert coherent(p, DIAMOND).tolist() == expected
    finally:
        torch.set_warn_always(False)


@given(cases())
def test_coherent_commutes_with_the_sigmoid(case: Case):
    z = torch.from_numpy(case.logits)
    assert torch.equal(
        coherent(torch.sigmoid(z), case.hierarchy), torch.sigmoid(coherent(z, case.hierarchy))
    )


@given(cases(), st.data())
def test_renaming_nodes_commutes_with_coherent(case: Case, data: st.DataObject):
    old = case.dag.order
    new = dict(zip(old, data.draw(st.permutations(old)), strict=True))
    renamed = reference.Dag(
        tuple((new[c], new[p]) for c, p in case.dag.edges), tuple(new[n] for n in case.dag.nodes)
    )
    columns = [renamed.order.index(new[name]) for name in old]
    p = np.empty_like(case.p)
    p[..., columns] = case.p
    moved = coherent(p, build(renamed))
    assert np.array_equal(moved[..., columns], coherent(case.p, case.hierarchy))


@given(cases(min_members=2), st.data())
def test_permuting_members_commutes(case: Case, data: st.DataObject):
    turn = data.draw(st.permutations(range(case.shape[0])))
    p = torch.from_numpy(case.p)
    q = constrained_probability(p, case.labels, case.hierarchy)
    assert torch.equal(constrained_probability(p[turn], case.labels, case.hierarchy), q[turn])
    assert torch.equal(coherent(p[turn], case.hierarchy), coherent(p, case.hierarchy)[turn])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(case=cases())
def test_constrained_probability_is_the_dense_one_in_value_and_gradient(dtype, case: Case):
    ours = value_and_gradient(
        lambda p: constrained_probability(p, case.labels, case.hierarchy), case.p, dtype
    )
    theirs = value_and_gradient(lambda p: reference.constrained(p, case.y, case.dag), case.p, dtype)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype])


@given(cases())
def test_constrained_probability_lies_between_the_input_and_the_coherent_output(case: Case):
    p = torch.from_numpy(case.p)
    q = constrained_probability(p, case.labels, case.hierarchy)
    assert (q >= p).all()
    assert (q <= coherent(p, case.hierarchy)).all()


@given(cases())
def test_constrained_probability_without_positives_is_coherent(case: Case):
    p, nothing = torch.from_numpy(case.p), torch.zeros(case.shape[1:], dtype=torch.bool)
    assert torch.equal(
        constrained_probability(p, nothing, case.hierarchy), coherent(p, case.hierarchy)
    )


@settings(max_examples=20)
@given(dags(), st.integers(0, 2**32 - 1))
def test_gradcheck_passes_where_no_two_values_are_equal(dag: reference.Dag, seed: int):
    hierarchy, rng = build(dag), np.random.default_rng(seed)
    shape = (2, 2, len(dag.order))
    values = torch.from_numpy(rng.permutation(np.arange(np.prod(shape))) / 100.0).reshape(shape)
    y = torch.from_numpy(dag.close(rng.random(shape[1:]) < 0.3))
    p = values.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: coherent(x, hierarchy), (p,))
    assert torch.autograd.gradcheck(lambda x: constrained_probability(x, y, hierarchy), (p,))


def test_all_of_a_tie_goes_to_the_node_itself_and_else_to_the_first_in_node_order():
    # Node order: t, l, r, d. At t all four tie; at "l" and "r" both tie with "d".
    _, gradient = value_and_gradient(lambda p: coherent(p, DIAMOND)[..., 0], np.full((1, 4), 0.5))
    assert np.flatnonzero(gradient).tolist() == [0]
    below = np.array([[0.1, 0.5, 0.5, 0.5]])
    _, gradient = value_and_gradient(lambda p: coherent(p, DIAMOND)[..., 0], below)
    assert np.flatnonzero(gradient).tolist() == [1]


def test_a_tie_between_branches_goes_to_the_first_in_node_order_not_to_the_first_branch():
    # Node order r, a, z, q, s: q hangs below z and s below a. Where q and s tie at the root, q
    # comes first, although the branch a comes before z.
    hierarchy = Hierarchy.from_edges([("a", "r"), ("z", "r"), ("q", "z"), ("s", "a")])
    assert hierarchy.nodes == ("r", "a", "z", "q", "s")
    tied = np.array([[0.1, 0.2, 0.2, 0.9, 0.9]])
    _, gradient = value_and_gradient(lambda p: coherent(p, hierarchy)[..., 0], tied)
    assert np.flatnonzero(gradient).tolist() == [3]


@given(cases(grid=(0.0, 1.0)))
def test_each_entry_passes_exactly_its_whole_gradient_on(case: Case):
    p = torch.tensor(case.logits, requires_grad=True)
    coherent(p, case.hierarchy).sum().backward()
    assert p.grad.sum() == p.numel()
    assert (p.grad == p.grad.round()).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 5e-324, 1e300, -1e300])
def test_extreme_values_stay_themselves(value: float):
    p = torch.full((1, 2, 4), value, dtype=torch.float64, requires_grad=True)
    c = coherent(p, DIAMOND)
    c.sum().backward()
    assert (c == value).all()
    assert torch.isfinite(p.grad).all()


def test_negative_values_of_isolated_nodes_and_leaves_are_kept():
    hierarchy = Hierarchy.from_edges([("leaf", "root")], nodes=["alone"])
    z = np.array([-5.0, -7.0, -6.0])
    assert coherent(z, hierarchy).tolist() == [-5.0, -6.0, -6.0]


def test_labels_that_are_not_closed_upward_are_refused():
    y = torch.zeros((2, 4), dtype=torch.bool)
    y[1, DIAMOND.index["d"]] = True
    with pytest.raises(ValueError, match="closed"):
        constrained_probability(torch.full((1, 2, 4), 0.5), y, DIAMOND)


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    """With a ValueError that says what was expected and what was found."""

    @pytest.mark.parametrize("shape", [(2, 3), (2, 5), (4, 3), (0,), ()])
    def test_another_number_of_nodes(self, shape: tuple[int, ...]):
        with pytest.raises(ValueError, match="4"):
            coherent(np.zeros(shape), DIAMOND)
        with pytest.raises(ValueError, match="4"):
            coherent(torch.zeros(shape), DIAMOND)

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
    def test_values_that_are_not_floats(self, dtype: torch.dtype):
        p = torch.zeros((1, 2, 4), dtype=dtype)
        with pytest.raises(ValueError, match="float"):
            coherent(p, DIAMOND)
        with pytest.raises(ValueError, match="float"):
            coherent(p.numpy(), DIAMOND)
        with pytest.raises(ValueError, match="float"):
            constrained_probability(p, torch.zeros((2, 4), dtype=torch.bool), DIAMOND)

    @pytest.mark.parametrize("shape", [(2, 5), (3, 4), (1, 2, 4), (4,)])
    def test_labels_of_another_shape(self, shape: tuple[int, ...]):
        p = torch.full((1, 2, 4), 0.5)
        with pytest.raises(ValueError, match=r"shape|\(2, 4\)"):
            constrained_probability(p, torch.zeros(shape, dtype=torch.bool), DIAMOND)

    def test_labels_other_than_zero_and_one(self):
        with pytest.raises(ValueError, match="2"):
            constrained_probability(torch.full((1, 2, 4), 0.5), torch.full((2, 4), 2.0), DIAMOND)
