"""Every uncertainty mode against the reference (docs/method.md, section 5)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.hml import uncertainty

from . import reference
from .strategies import Case, cases

SINGLE = ("margin", "predictive", "aleatoric")
PAIRWISE = ("mutual_information", "epistemic", "epistemic_kl", "gaussian_margin")
MODES = SINGLE + PAIRWISE

# The clamp 1 - 1e-6 lies 17 units from 1 in float32: what it leaves of 1 is off by up to 3 %.
SINGLE_PRECISION = {"epistemic_kl": 5e-3, "gaussian_margin": 2e-5}

# Probabilities at both ends, and ties; 1e-7 and 1e-300 lie beyond the clamp of `epistemic_kl`.
PROBABILITIES = (0.0, 1e-300, 1e-7, 0.1, 0.25, 0.5, 0.5 + 1e-9, 0.9, 1 - 1e-7, 1.0)


@st.composite
def ensembles(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    size = int(np.prod(shape))
    values = st.sampled_from(PROBABILITIES) | st.floats(0, 1)
    return np.array(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)


@pytest.mark.parametrize("mode", MODES)
class TestEveryMode:
    """What a new mode has to fulfil too: add it to MODES and to the reference."""

    @given(p=ensembles())
    def test_is_the_formula_s_value(self, mode: str, p: np.ndarray):
        found = np.asarray(uncertainty(torch.from_numpy(p), mode=mode))
        np.testing.assert_allclose(found, reference.uncertainty(p, mode), rtol=0, atol=1e-10)

    @given(p=ensembles())
    def test_is_the_formula_s_value_in_single_precision(self, mode: str, p: np.ndarray):
        single = p.astype(np.float32)
        found = np.asarray(uncertainty(torch.from_numpy(single), mode=mode))
        expected = reference.uncertainty(single.astype(np.float64), mode)
        np.testing.assert_allclose(found, expected, rtol=0, atol=SINGLE_PRECISION.get(mode, 1e-5))

    @settings(max_examples=25)
    @given(p=ensembles())
    def test_lies_between_zero_and_one_for_any_probabilities(self, mode: str, p: np.ndarray):
        for dtype in (np.float32, np.float64):
            found = np.asarray(uncertainty(torch.from_numpy(p.astype(dtype)), mode=mode))
            assert ((found >= 0) & (found <= 1)).all()

    @settings(max_examples=25)
    @given(p=ensembles())
    def test_gives_the_kind_of_array_and_dtype_that_it_takes(self, mode: str, p: np.ndarray):
        of_numpy = uncertainty(p, mode=mode)
        of_torch = uncertainty(torch.from_numpy(p), mode=mode)
        assert isinstance(of_numpy, np.ndarray)
        assert isinstance(of_torch, torch.Tensor)
        assert of_numpy.shape == tuple(of_torch.shape) == p.shape[1:]
        assert of_torch.dtype == torch.float64
        assert uncertainty(torch.from_numpy(p).float(), mode=mode).dtype == torch.float32
        np.testing.assert_allclose(of_numpy, of_torch.numpy(), rtol=0, atol=1e-12)

    @settings(max_examples=25)
    @given(p=ensembles(), data=st.data())
    def test_does_not_depend_on_the_order_of_members(self, mode: str, p, data: st.DataObject):
        turn = data.draw(st.permutations(range(len(p))))
        np.testing.assert_allclose(
            np.asarray(uncertainty(p[turn], mode=mode)),
            np.asarray(uncertainty(p, mode=mode)),
            rtol=0,
            atol=1e-12,
        )

    @settings(max_examples=25)
    @given(p=ensembles())
    def test_treats_positive_and_negative_alike(self, mode: str, p: np.ndarray):
        np.testing.assert_allclose(
            np.asarray(uncertainty(1 - p, mode=mode)),
            np.asarray(uncertainty(p, mode=mode)),
            rtol=0,
            atol=1e-7,  # 1 - p loses the smallest probabilities
        )

    def test_no_gradient_flows_through_it(self, mode: str):
        z = torch.tensor([[[0.3]], [[-1.2]]], requires_grad=True)
        assert not uncertainty(torch.sigmoid(z), mode=mode).requires_grad


@pytest.mark.parametrize("mode", SINGLE)
@given(case=cases(max_members=1))
def test_one_member_is_enough_for_the_modes_that_compare_nothing(mode: str, case: Case):
    found = np.asarray(uncertainty(case.p, mode=mode))
    np.testing.assert_allclose(found, reference.uncertainty(case.p, mode), rtol=0, atol=1e-10)


@pytest.mark.parametrize("mode", PAIRWISE)
def test_one_member_is_refused_by_the_modes_that_compare_members(mode: str):
    with pytest.raises(ValueError, match=rf"(?s){mode}.*1|1.*{mode}"):
        uncertainty(np.full((1, 2, 3), 0.3), mode=mode)


def test_reversed_views_and_arrays_that_may_not_be_written_are_taken():
    p = np.array([[[0.2, 0.4]], [[0.3, 0.9]]])
    expected = uncertainty(p, mode="margin")
    assert np.array_equal(uncertainty(p[:, :, ::-1], mode="margin"), expected[:, ::-1])
    p.setflags(write=False)  # as a memory-mapped file is; torch warns about it once per process
    torch.set_warn_always(True)
    try:
        assert np.array_equal(uncertainty(p, mode="margin"), expected)
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("mode", ["mutual_information", "epistemic", "epistemic_kl"])
def test_members_that_agree_leave_no_epistemic_uncertainty(mode: str):
    assert np.abs(np.asarray(uncertainty(np.full((3, 1, 2), 0.3), mode=mode))).max() < 1e-12


@given(st.floats(0, 1))
def test_gaussian_margin_is_the_margin_where_members_agree(p: float):
    same = np.full((2, 1, 1), p)
    np.testing.assert_allclose(
        np.asarray(uncertainty(same, mode="gaussian_margin")),
        np.asarray(uncertainty(same, mode="margin")),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("margin", 1.0),
        ("predictive", 1.0),
        ("aleatoric", 0.0),
        ("mutual_information", 1.0),
        ("epistemic", 1.0),
        ("epistemic_kl", 1.0),
        ("gaussian_margin", 1.0),
    ],
)
def test_two_members_that_are_sure_of_opposites(mode: str, expected: float):
    found = uncertainty(np.array([[[0.0]], [[1.0]]]), mode=mode)
    np.testing.assert_allclose(np.asarray(found), [[expected]], atol=1e-12)


def test_modes_worked_by_hand():
    p = np.array([0.5, 1.0]).reshape(2, 1, 1)  # m = 3/4, s = 1 / (2 sqrt 2)
    h = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    expected = {
        "margin": 0.5,
        "predictive": h,
        "aleatoric": 0.5,
        "mutual_information": h - 0.5,
        "epistemic": h - 0.5,  # of two members the only pair
        "gaussian_margin": 1 - 0.5 * (1 - np.exp(-0.5 / (2 / np.sqrt(8)))),
    }
    for mode, value in expected.items():
        np.testing.assert_allclose(np.asarray(uncertainty(p, mode=mode)), [[value]], rtol=1e-12)


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_unknown_mode(self):
        with pytest.raises(ValueError, match="confusion"):
            uncertainty(np.full((2, 1, 1), 0.5), mode="confusion")

    @pytest.mark.parametrize("shape", [(2, 3), (2,), (1, 2, 3, 4)])
    def test_other_than_three_axes(self, shape: tuple[int, ...]):
        with pytest.raises(ValueError, match="member"):
            uncertainty(np.full(shape, 0.5), mode="margin")

    def test_no_member_at_all(self):
        with pytest.raises(ValueError, match="member"):
            uncertainty(np.empty((0, 2, 3)), mode="margin")

    @pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
    def test_values_that_are_not_probabilities(self, wrong: float):
        with pytest.raises(ValueError, match=r"0.*1|nan|NaN"):
            uncertainty(np.full((2, 1, 1), wrong), mode="margin")

    def test_values_that_are_not_floats(self):
        with pytest.raises(ValueError, match="float"):
            uncertainty(np.ones((2, 1, 1), dtype=np.int64), mode="margin")
