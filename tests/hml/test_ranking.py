"""Average precision from counts between the positives, against the plain sums over thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import average_precision_score

from pipeline.hml import metrics, ranking
from pipeline.hml.ranking import ByNode, Pooled, Rankings

from .strategies import closed_labels, dags

GRID = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])  # few values: ties are the rule


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Closed labels and scores (example, node), and weights (row, example)."""
    dag, examples, rows = draw(dags()), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = (examples, len(dag.order))
    p = draw(hnp.arrays(np.float64, shape, elements=GRID | st.floats(0, 1))).astype(dtype)
    weights = draw(hnp.arrays(np.float64, (rows, examples), elements=st.floats(0.01, 5)))
    return draw(closed_labels(dag, examples)), p, weights


def bounds(
    kind: type[ByNode] | type[Pooled], y: np.ndarray, p: np.ndarray, weights: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both bounds (ranking, row), counted in blocks of `size` examples."""
    found: Rankings = kind.of(sparse.csr_array(y), p[y].astype(np.float64))
    transposed = np.ascontiguousarray(weights.T)
    sums = np.zeros((len(found.threshold), len(weights)))
    for first in range(0, len(y), size):
        rows = slice(first, first + size)
        found.count(p[rows], transposed[rows], sums)
    return found.bounds(transposed, sums, slice(None))


@given(tables(), st.integers(1, 9))
def test_each_node_s_average_precision_is_the_plain_sum(drawn, size: int):
    y, p, weights = drawn
    low, high = bounds(ByNode, y, p, weights, size)
    expected = [
        metrics.average_precision_replicates(y[:, node], p[:, node], weights)
        for node in range(y.shape[1])
    ]
    np.testing.assert_allclose(low, expected, rtol=0, atol=1e-12)
    assert np.array_equal(low, high, equal_nan=True)
    for node, row in zip(*np.nonzero(~np.isnan(low)), strict=True):
        assert low[node, row] == pytest.approx(
            average_precision_score(y[:, node], p[:, node], sample_weight=weights[row]), abs=1e-9
        )


@given(tables(), st.integers(1, 9))
def test_the_pooled_average_precision_is_the_plain_sum_over_all_entries(drawn, size: int):
    y, p, weights = drawn
    low, high = bounds(Pooled, y, p, weights, size)
    owner = np.repeat(np.arange(len(y)), y.shape[1])
    expected = metrics.average_precision_replicates(y.ravel(), p.ravel(), weights, example=owner)
    np.testing.assert_allclose(low[0], expected, rtol=0, atol=1e-12)
    assert np.array_equal(low, high, equal_nan=True)


@given(tables(), st.sampled_from([ByNode, Pooled]))
def test_how_examples_are_cut_into_blocks_changes_no_bit(drawn, kind: type[ByNode] | type[Pooled]):
    whole = bounds(kind, *drawn, len(drawn[0]))
    for size in range(1, len(drawn[0])):
        assert np.array_equal(bounds(kind, *drawn, size), whole, equal_nan=True)


@given(tables(), st.sampled_from([ByNode, Pooled]))
def test_a_row_is_what_it_is_alone(drawn, kind: type[ByNode] | type[Pooled]):
    y, p, weights = drawn
    together, _ = bounds(kind, y, p, weights, 4)
    for row, weight in enumerate(weights):
        alone, _ = bounds(kind, y, p, weight[None], 4)
        assert np.array_equal(together[:, [row]], alone, equal_nan=True)


@given(tables(), st.integers(1, 6))
def test_bounds_of_merged_thresholds_hold_the_exact_value(drawn, limit: int):
    y, p, weights = drawn
    exact, _ = bounds(Pooled, y, p, weights, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "POOLED", limit)
        low, high = bounds(Pooled, y, p, weights, 4)
        merged = Pooled.of(sparse.csr_array(y), p[y].astype(np.float64))
    assert len(merged.threshold) <= limit
    if not y.any():
        assert np.isnan(low).all()
        return
    assert (low <= exact + 1e-12).all()
    assert (exact <= high + 1e-12).all()
    if len(np.unique(p[y])) <= limit:
        assert np.array_equal(low, exact)
        assert np.array_equal(high, exact)


def test_bounds_are_as_far_apart_as_a_threshold_s_share_of_positives(
    monkeypatch: pytest.MonkeyPatch,
):
    rng = np.random.default_rng(3)
    y = rng.random((500, 20)) < 0.2
    p = 0.3 * y + rng.random(y.shape)
    for limit in (32, 128):
        monkeypatch.setattr(ranking, "POOLED", limit)
        low, high = bounds(Pooled, y, p, np.ones((1, 500)), 100)
        assert 0 < high[0, 0] - low[0, 0] < 2 / limit


def test_the_bounds_are_those_of_positives_that_come_first_or_last(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ranking, "POOLED", 1)
    positives, negatives = 400, 100
    y = (np.arange(500) < positives)[:, None]
    falling = np.linspace(0.9, 0.1, 500)[:, None]
    last = np.roll(falling, -negatives, axis=0)  # every positive below every negative
    low, _ = bounds(Pooled, y, last, np.ones((1, 500)), 500)
    # The sum exceeds the integral, by no more than its greatest term.
    exact = metrics.average_precision(y[:, 0], last[:, 0])
    assert exact - 1 / positives < low[0, 0] < exact
    # A merged group that hides nothing between its positives: they come first.
    first = np.where(y, falling, 0.0)
    assert bounds(Pooled, y, first, np.ones((1, 500)), 500)[1][0, 0] == pytest.approx(1)
    assert metrics.average_precision(y[:, 0], first[:, 0]) == 1
