"""Reliability curves against scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.calibration import calibration_curve

from pipeline.hml import predictions
from pipeline.hml.predictions import Predictions
from pipeline.hml.reliability import BINS, reliability

ALL = {"all": np.ones(1, dtype=bool)}


def stream(p: np.ndarray, y: np.ndarray, **options: Any) -> Predictions:
    return Predictions(sparse.csr_array(y), lambda rows: p[rows], **options)


@st.composite
def drawn_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (example, node), on the bins' edges or not, and labels."""
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = rng.integers(0, 21, shape) / 20 if draw(st.booleans()) else rng.random(shape)
    y = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return p.astype(draw(st.sampled_from([np.float32, np.float64]))), y


@given(drawn_cases(), st.integers(1, 60))
def test_curves_are_scikit_learn_s_however_the_probabilities_come(drawn, block: int):
    p, y = drawn
    groups = {
        "all": np.ones(p.shape[1], dtype=bool),
        "first": np.arange(p.shape[1]) == 0,
        "none": np.zeros(p.shape[1], dtype=bool),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "BLOCK", block)
        found = reliability(stream(p, y), groups)
    assert found.groups == ("all", "first", "none")
    for line, chosen in enumerate(groups.values()):
        values, truth = p[:, chosen].ravel().astype(np.float64), y[:, chosen].ravel()
        filled = found.count[line] > 0
        assert found.count[line].sum() == values.size
        assert np.isnan(found.mean_p[line][~filled]).all()
        assert np.isnan(found.observed[line][~filled]).all()
        if not values.size:
            assert np.isnan(found.error[line])
            continue
        observed, mean_p = calibration_curve(truth, values, n_bins=BINS)
        np.testing.assert_allclose(found.observed[line][filled], observed, rtol=1e-12)
        np.testing.assert_allclose(found.mean_p[line][filled], mean_p, rtol=1e-12)
        gap = found.count[line][filled] @ np.abs(observed - mean_p) / values.size
        np.testing.assert_allclose(found.error[line], gap, rtol=1e-12, atol=1e-12)


def test_each_probability_lies_in_its_bin_and_an_edge_in_the_bin_below():
    p = np.array([0.0, 0.1, 0.15, 0.5, 0.95, 1.0])[:, None]
    found = reliability(stream(p, np.zeros(p.shape, dtype=bool)), ALL)
    assert found.count.tolist() == [[2, 1, 0, 0, 1, 0, 0, 0, 0, 2]]


def test_the_error_is_the_distance_between_what_is_said_and_what_is_so():
    p, y = np.full((10, 1), 0.75), np.arange(10)[:, None] < 5
    assert reliability(stream(p, y), ALL).error == pytest.approx(0.25)
    assert reliability(stream(y.astype(np.float64), y), ALL).error.tolist() == [0.0]
    assert reliability(stream(1.0 - y, y), ALL).error.tolist() == [1.0]


def test_errors_within_a_bin_that_cancel_across_nodes_are_not_seen():
    # What the figure is blind to is known: a group is one curve, not the mean of its nodes' curves.
    p = np.full((10, 2), 0.55)
    y = np.zeros(p.shape, dtype=bool)
    y[:, 0], y[0, 1] = True, True
    both = reliability(stream(p, y), {"both": np.array([True, True])})
    each = reliability(stream(p, y), {"a": np.array([True, False]), "b": np.array([False, True])})
    assert both.error == pytest.approx(0.0)
    assert each.error == pytest.approx([0.45, 0.45])


def test_only_scored_nodes_count():
    rng = np.random.default_rng(0)
    p, y, scored = rng.random((20, 4)), rng.random((20, 4)) < 0.5, np.arange(4) < 2
    groups = {"two": np.ones(2, dtype=bool)}
    found = reliability(stream(p, y, scored=scored), groups)
    alone = reliability(stream(p[:, :2], y[:, :2]), groups)
    assert np.array_equal(found.count, alone.count)
    assert np.array_equal(found.error, alone.error)


def test_no_group_and_no_example_give_empty_and_unknown_curves():
    p, y = np.full((3, 1), 0.5), np.zeros((3, 1), dtype=bool)
    assert reliability(stream(p, y), {}).count.shape == (0, BINS)
    found = reliability(stream(p[:0], y[:0]), ALL)
    assert found.count.sum() == 0
    assert np.isnan(found.error).all()


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_a_group_of_other_nodes(self):
        with pytest.raises(ValueError, match=r"all.*\(2,\).*\(1,\)"):
            reliability(stream(np.zeros((3, 2)), np.zeros((3, 2), dtype=bool)), ALL)

    @pytest.mark.parametrize("p", [-0.1, 1.1])
    def test_what_is_no_probability(self, p: float):
        with pytest.raises(ValueError, match=rf"\[0, 1\].*{p}"):
            reliability(stream(np.array([[p]]), np.zeros((1, 1), dtype=bool)), ALL)
