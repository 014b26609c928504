"""The weighted loss against the reference, in value and gradient (docs/method.md, 6)."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from pipeline.hml import Hierarchy, weighted_loss

from . import reference
from .strategies import Case, build, cases, dags
from .test_uncertainty import MODES, PAIRWISE, SINGLE_PRECISION

DIAMOND = Hierarchy.from_edges([("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")])
ALONE = Hierarchy.from_edges([], nodes=["a"])
REDUCTIONS = ("mean", "sum")


@st.composite
def settings(draw: st.DrawFn, case: Case, modes: tuple[str | None, ...]) -> dict[str, Any]:
    """Every option of the loss, as numpy arrays, each of them often left out."""
    members, examples, nodes = case.shape

    def array(shape: tuple[int, ...], values: st.SearchStrategy) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)

    weights, flags = st.sampled_from([0.0, 0.25, 1.0, 2.5]), st.booleans()
    options = {
        "positive_weight": array((nodes,), weights) if draw(flags) else None,
        "negative_weight": array((nodes,), weights) if draw(flags) else None,
        "scored": array((nodes,), flags) if draw(flags) else None,
        "mask": array((examples, nodes), flags) if draw(flags) else None,
        "member_mask": array((members, examples), flags) if draw(flags) else None,
        "mode": draw(st.sampled_from(modes)),
        "reduction": draw(st.sampled_from(REDUCTIONS)),
    }
    if options["mode"] is not None:
        options["focal_floor"] = draw(st.sampled_from([0.0, 0.25, 1.0]))
        options["focal_power"] = draw(st.sampled_from([1.0, 1.5, 2.0]))
    return options


def as_tensors(options: dict[str, Any], dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        tensor = torch.from_numpy(value)
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    return {name: convert(value) for name, value in options.items()}


def ours(case: Case, options: dict[str, Any], dtype: torch.dtype = torch.float64):
    z = torch.tensor(case.logits, dtype=dtype, requires_grad=True)
    loss = weighted_loss(z, case.labels, case.hierarchy, **as_tensors(options, dtype))
    assert loss.shape == ()
    assert loss.dtype == dtype
    loss.backward()
    return loss.item(), z.grad.double().numpy()


def theirs(case: Case, options: dict[str, Any]):
    z = torch.tensor(case.logits, requires_grad=True)
    loss = reference.weighted_loss(z, case.y, case.dag, **options)
    if loss.requires_grad:
        loss.backward()
    return loss.item(), np.zeros(case.shape) if z.grad is None else z.grad.numpy()


def compare(case: Case, options: dict[str, Any]) -> None:
    expected, expected_gradient = theirs(case, options)
    loss, gradient = ours(case, options)
    np.testing.assert_allclose(loss, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)
    # Single precision: what the uncertainty loses, times logits of up to 40.
    bound = 40 * SINGLE_PRECISION.get(options.get("mode"), 1e-6)
    loss, gradient = ours(case, options, torch.float32)
    np.testing.assert_allclose(loss, expected, rtol=2e-5 + bound, atol=bound)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=2e-5 + bound, atol=bound)


@given(cases(), st.data())
def test_loss_without_uncertainty_is_the_dense_one_in_value_and_gradient(
    case: Case, data: st.DataObject
):
    compare(case, data.draw(settings(case, (None,))))


@pytest.mark.parametrize("mode", MODES)
@given(case=cases(min_members=2), data=st.data())
def test_loss_with_uncertainty_is_the_dense_one_in_value_and_gradient(
    mode: str, case: Case, data: st.DataObject
):
    compare(case, data.draw(settings(case, (mode,))))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in PAIRWISE])
@given(case=cases(max_members=1), data=st.data())
def test_loss_of_one_member_is_the_dense_one(mode: str, case: Case, data: st.DataObject):
    compare(case, data.draw(settings(case, (mode,))))


@given(cases())
def test_plain_loss_on_a_flat_hierarchy_is_torch_s_binary_cross_entropy(case: Case):
    flat = build(reference.Dag((), case.dag.order))
    z = torch.from_numpy(case.logits)
    y = torch.from_numpy(case.y[:, [case.dag.order.index(name) for name in flat.nodes]])
    expected = sum(
        torch.nn.functional.binary_cross_entropy_with_logits(member, y.double()) for member in z
    )
    torch.testing.assert_close(weighted_loss(z, y, flat), expected, rtol=1e-8, atol=1e-8)


@given(cases(min_members=2), st.sampled_from(REDUCTIONS))
def test_a_member_s_gradient_does_not_depend_on_the_other_members(case: Case, reduction: str):
    _, together = ours(case, {"reduction": reduction})
    for h in range(case.shape[0]):
        alone = Case(case.dag, case.logits[h : h + 1], case.y)
        _, gradient = ours(alone, {"reduction": reduction})
        np.testing.assert_allclose(together[h : h + 1], gradient, rtol=1e-12, atol=1e-15)


@given(cases(min_members=2), st.data())
def test_permuting_members_and_examples_permutes_the_gradient(case: Case, data: st.DataObject):
    members = data.draw(st.permutations(range(case.shape[0])))
    examples = data.draw(st.permutations(range(case.shape[1])))
    options = {"mode": data.draw(st.sampled_from(MODES)), "reduction": "mean"}
    loss, gradient = ours(case, options)
    turned = Case(case.dag, case.logits[members][:, examples], case.y[examples])
    loss_of_turned, gradient_of_turned = ours(turned, options)
    np.testing.assert_allclose(loss_of_turned, loss, rtol=1e-10)
    np.testing.assert_allclose(
        gradient_of_turned, gradient[members][:, examples], rtol=1e-8, atol=1e-12
    )


@given(cases(grid=tuple(np.linspace(-2, 2, 997))), st.data())
def test_renaming_nodes_commutes_with_the_loss(case: Case, data: st.DataObject):
    # Without ties: a tie goes to the first in node order, and names decide that order.
    assume(len(np.unique(case.logits)) == case.logits.size)
    old = case.dag.order
    new = dict(zip(old, data.draw(st.permutations(old)), strict=True))
    renamed = reference.Dag(
        tuple((new[c], new[p]) for c, p in case.dag.edges), tuple(new[n] for n in case.dag.nodes)
    )
    columns = [renamed.order.index(new[name]) for name in old]
    logits, y = np.empty_like(case.logits), np.empty_like(case.y)
    logits[..., columns], y[..., columns] = case.logits, case.y
    loss, gradient = ours(case, {"mode": "margin"})
    loss_of_renamed, gradient_of_renamed = ours(Case(renamed, logits, y), {"mode": "margin"})
    np.testing.assert_allclose(loss_of_renamed, loss, rtol=1e-12)
    np.testing.assert_allclose(gradient_of_renamed[..., columns], gradient, rtol=1e-10, atol=1e-14)


@given(cases(), st.sampled_from(REDUCTIONS), st.data())
def test_what_is_unscored_unknown_or_not_its_own_never_reaches_a_member(
    case: Case, reduction: str, data: st.DataObject
):
    options = data.draw(settings(case, (None,))) | {"reduction": reduction}
    members, examples, nodes = case.shape
    counted = np.ones(case.shape, dtype=bool)
    for name, index in (
        ("scored", (None, None, slice(None))),
        ("mask", (None, slice(None), slice(None))),
        ("member_mask", (slice(None), slice(None), None)),
    ):
        if options[name] is not None:
            counted &= options[name][index]
    _, gradient = ours(case, options)
    # An entry passes gradient to its descendants only: no counted ancestor, no gradient.
    for h in range(members):
        for b in range(examples):
            for i in range(nodes):
                if not counted[h, b, case.dag.reach[:, i]].any():
                    assert gradient[h, b, i] == 0


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "left_out",
    [
        {"scored": [True, False]},
        {"mask": [[True, False]]},
        {"member_mask": [[False], [True]]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_infinite_logit_that_is_left_out_changes_nothing(left_out: dict, reduction: str):
    flat = Hierarchy.from_edges([], nodes=["a", "b"])
    losses, gradients = [], []
    for logit in (0.0, float("inf")):
        z = torch.tensor([[[0.3, logit]], [[0.3, logit if "member_mask" not in left_out else 0.0]]])
        z.requires_grad_()
        y = torch.zeros((1, 2), dtype=torch.bool)
        loss = weighted_loss(z, y, flat, reduction=reduction, **left_out)
        loss.backward()
        losses.append(loss.item())
        gradients.append(z.grad.tolist())
    assert losses[0] == losses[1] > 0
    assert gradients[0] == gradients[1]


@given(cases(min_members=1), st.sampled_from(REDUCTIONS))
def test_a_member_that_counts_nothing_adds_nothing(case: Case, reduction: str):
    nothing = {"member_mask": np.zeros(case.shape[:2], dtype=bool), "reduction": reduction}
    for options in (nothing, {"scored": np.zeros(case.shape[2], dtype=bool)}):
        loss, gradient = ours(case, options)
        assert loss == 0
        assert (gradient == 0).all()


@given(cases(min_members=2))
def test_the_mean_runs_over_each_member_s_own_entries(case: Case):
    # Member 0 learns from the first example alone, the others from all.
    member_mask = np.ones(case.shape[:2], dtype=bool)
    member_mask[0, 1:] = False
    loss, _ = ours(case, {"member_mask": member_mask})
    first, _ = ours(Case(case.dag, case.logits[:1, :1], case.y[:1]), {})
    others, _ = ours(Case(case.dag, case.logits[1:], case.y), {})
    np.testing.assert_allclose(loss, first + others, rtol=1e-12)


@profile(max_examples=20)
@given(dags(), st.integers(0, 2**32 - 1), st.sampled_from(REDUCTIONS))
def test_gradcheck_passes_where_no_two_logits_are_equal(
    dag: reference.Dag, seed: int, reduction: str
):
    rng = np.random.default_rng(seed)
    shape = (2, 2, len(dag.order))
    z = torch.from_numpy(rng.permutation(np.arange(np.prod(shape))) / 20.0 - 0.5).reshape(shape)
    y = torch.from_numpy(dag.close(rng.random(shape[1:]) < 0.3))
    weight = torch.from_numpy(rng.random(shape[2]) + 0.5)
    hierarchy = build(dag)
    assert torch.autograd.gradcheck(
        lambda x: weighted_loss(
            x, y, hierarchy, positive_weight=weight, negative_weight=1 / weight,
            reduction=reduction,
        ),
        (z.requires_grad_(),),
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_gradient_does_not_flow_through_the_uncertainty(mode: str):
    # One isolated node, so that the whole gradient can be written down.
    z = torch.tensor([[[0.3]], [[-1.2]]], dtype=torch.float64, requires_grad=True)
    weighted_loss(z, torch.tensor([[True]]), ALONE, mode=mode, focal_floor=0.5).backward()
    p = torch.sigmoid(z.detach())
    focal = 0.5 + reference.uncertainty(p.numpy(), mode)
    np.testing.assert_allclose(z.grad.numpy(), focal[None] * (p.numpy() - 1), rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [17.5, 40.0, 90.0, 800.0])
def test_wrong_logits_keep_their_gradient_however_large(dtype: torch.dtype, logit: float):
    for y, sign in ((True, -1.0), (False, 1.0)):
        z = torch.full((1, 1, 1), sign * logit, dtype=dtype, requires_grad=True)
        loss = weighted_loss(z, torch.tensor([[y]]), ALONE, reduction="sum")
        loss.backward()
        assert loss.item() == pytest.approx(logit, rel=1e-6)
        assert z.grad.item() == pytest.approx(sign, rel=1e-6)


@pytest.mark.parametrize("mode", [None, *MODES])
@pytest.mark.parametrize("logit", [0.0, 40.0, 1e4, 1e30])
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_extreme_logits_never_give_nan(mode: str | None, logit: float, power: float):
    for dtype in (torch.float32, torch.float64):
        for signs in ((1, 1), (1, -1), (-1, -1)):
            z = torch.stack([torch.full((2, 4), sign * logit, dtype=dtype) for sign in signs])
            z.requires_grad_()
            y = torch.tensor([[True] * 4, [False] * 4])
            loss = weighted_loss(z, y, DIAMOND, mode=mode, focal_floor=0.0, focal_power=power)
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(z.grad).all()


@given(cases(), st.sampled_from([torch.uint8, torch.int64, torch.float32, torch.float64]))
def test_labels_may_be_any_kind_of_zero_and_one(case: Case, dtype: torch.dtype):
    z = torch.from_numpy(case.logits)
    expected = weighted_loss(z, case.labels, case.hierarchy)
    assert weighted_loss(z, case.labels.to(dtype), case.hierarchy) == expected


def test_defaults_are_no_focal_weight_and_mean():
    z, y = torch.randn((2, 3, 4), generator=torch.manual_seed(0)), torch.zeros((3, 4), dtype=bool)
    assert weighted_loss(z, y, DIAMOND) == weighted_loss(
        z, y, DIAMOND, positive_weight=None, negative_weight=None, scored=None, mask=None,
        member_mask=None, mode=None, focal_floor=7.0, focal_power=3.0, reduction="mean",
    )  # fmt: skip
    assert weighted_loss(z, y, DIAMOND, mode="margin") == weighted_loss(
        z, y, DIAMOND, mode="margin", focal_floor=0.25, focal_power=1.0
    )


def test_labels_that_are_not_closed_upward_are_refused():
    y = torch.zeros((2, 4), dtype=torch.bool)
    y[1, DIAMOND.index["d"]] = y[1, DIAMOND.index["l"]] = y[1, DIAMOND.index["t"]] = True
    with pytest.raises(ValueError, match="closed"):
        weighted_loss(torch.zeros((1, 2, 4)), y, DIAMOND)


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"logits": torch.zeros((2, 3, 5))}, "4"),
            ({"logits": torch.zeros((3, 4))}, "member"),
            ({"logits": torch.zeros((2, 3, 4), dtype=torch.int64)}, "float"),
            ({"y": torch.zeros((3, 5), dtype=torch.bool)}, r"shape|\(3, 4\)"),
            ({"y": torch.zeros((2, 4), dtype=torch.bool)}, r"shape|\(3, 4\)"),
            ({"y": torch.full((3, 4), 0.5)}, r"0\.5"),
            ({"positive_weight": torch.ones(3)}, "positive_weight"),
            ({"positive_weight": torch.full((4,), float("nan"))}, "positive_weight"),
            ({"positive_weight": torch.full((4,), float("inf"))}, "positive_weight"),
            ({"negative_weight": torch.ones((3, 4))}, "negative_weight"),
            ({"negative_weight": -torch.ones(4)}, "negative_weight"),
            ({"scored": torch.ones(5, dtype=torch.bool)}, "scored"),
            ({"mask": torch.ones((4, 3), dtype=torch.bool)}, "mask"),
            ({"member_mask": torch.ones((3, 2), dtype=torch.bool)}, "member_mask"),
            ({"mode": "confusion"}, "confusion"),
            ({"mode": "margin", "focal_floor": -0.5}, r"-0\.5"),
            ({"mode": "margin", "focal_power": 0.0}, "0"),
            ({"mode": "margin", "focal_power": -1.0}, "-1"),
            ({"reduction": "median"}, "median"),
        ],
        ids=lambda value: value if isinstance(value, str) else "-".join(value),
    )
    def test_with_expectation_and_finding(self, change: dict[str, Any], found: str):
        options: dict[str, Any] = {
            "logits": torch.zeros((2, 3, 4)),
            "y": torch.zeros((3, 4), dtype=torch.bool),
            "hierarchy": DIAMOND,
        }
        with pytest.raises(ValueError, match=found):
            weighted_loss(**(options | change))

    @pytest.mark.parametrize("mode", PAIRWISE)
    def test_one_member_where_members_are_compared(self, mode: str):
        with pytest.raises(ValueError, match=mode):
            weighted_loss(
                torch.zeros((1, 3, 4)), torch.zeros((3, 4), dtype=torch.bool), DIAMOND, mode=mode
            )
