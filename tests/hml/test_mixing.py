"""Weights of the kinds against plain logistic regression, and what the prior and sampling do."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline.hml import mixing, pools
from pipeline.hml.mixing import fit_weights, mixed
from pipeline.hml.pools import logit, pools_of, sigmoid

EXAMPLES, NODES = 4000, 18
SCORED = np.ones(NODES, dtype=bool)


def simulated(
    weights: tuple[float, ...], *, bias: float = -1.0, seed: int = 0
) -> tuple[list[np.ndarray], sparse.csr_array]:
    """Probabilities of each kind, and labels whose log odds are their weighted logits."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(len(weights), EXAMPLES, NODES))
    p = sigmoid(np.tensordot(weights, z, 1) + bias)
    y = rng.random(p.shape) < p
    return [*sigmoid(z)], sparse.csr_array(y)


def blocks(p: list[np.ndarray], size: int = 700):
    for first in range(0, EXAMPLES, size):
        rows = slice(first, min(first + size, EXAMPLES))
        yield rows, [part[rows] for part in p]


def fitted(p: list[np.ndarray], y: sparse.csr_array, scored: np.ndarray = SCORED) -> np.ndarray:
    return fit_weights(blocks(p), y, scored=scored, kinds=len(p), seed=0)


def test_with_many_positives_the_weights_are_those_of_logistic_regression(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(mixing, "_APART", 1e3)
    p, y = simulated((0.8, 0.3, 0.5))
    found = fitted(p, y)
    assert len(set(pools_of(y))) == 1  # of about as many positives, the nodes share their weights
    assert np.ptp(found, axis=1).max() == 0
    x = np.stack([logit(part).ravel() for part in p], axis=1)
    plain = LogisticRegression(C=np.inf, tol=1e-8).fit(x, y.toarray().ravel())
    assert found[:, 0] == pytest.approx(plain.coef_[0], abs=2e-3)
    assert found[:, 0] == pytest.approx([0.8, 0.3, 0.5], abs=0.06)


def test_a_kind_that_knows_nothing_gets_next_to_no_weight_and_none_gets_less():
    p, y = simulated((1.0, 0.0, -0.5))
    found = fitted(p, y)[:, 0]
    assert (found >= 0).all()
    assert found[0] > 0.7
    assert found[1:].max() < 0.2


def test_where_positives_are_few_the_weights_stay_near_each_other():
    p, y = simulated((1.0, 0.0), bias=-8.0)
    assert 0 < y.sum() < 60
    few = fitted(p, y)[:, 0]
    p, y = simulated((1.0, 0.0))
    many = fitted(p, y)[:, 0]
    assert abs(few[0] - few[1]) < 0.5 * abs(many[0] - many[1])


def test_a_sample_of_the_negatives_gives_the_same_weights_but_for_its_noise(
    monkeypatch: pytest.MonkeyPatch,
):
    p, y = simulated((0.8, 0.3), bias=-2.5)
    whole = fitted(p, y)
    monkeypatch.setattr(pools, "_ENTRIES", 6000)
    part = fitted(p, y)
    assert not np.array_equal(part, whole)
    assert np.array_equal(fitted(p, y), part)
    assert part[:, 0] == pytest.approx(whole[:, 0], abs=0.08)


def test_nodes_that_are_not_scored_take_the_weights_of_their_pool_and_teach_nothing():
    p, y = simulated((0.8, 0.3))
    spoilt = y.toarray()
    rng = np.random.default_rng(1)
    spoilt[:, 5] = rng.permutation(spoilt[:, 5])
    scored = SCORED.copy()
    scored[5] = False
    found = fitted(p, sparse.csr_array(spoilt), scored)
    assert np.ptp(found, axis=1).max() == 0
    assert np.array_equal(found, fitted(p, y, scored))


def test_without_a_positive_all_kinds_weigh_the_same():
    p, _ = simulated((0.8, 0.3))
    found = fitted(p, sparse.csr_array((EXAMPLES, NODES), dtype=bool))
    assert np.array_equal(found, np.full((2, NODES), 0.5))


def test_the_score_is_the_weighted_sum_of_logits_and_finite_at_zero_and_one():
    p = [np.array([[0.0, 0.25]], np.float32), np.array([[1.0, 0.5]], np.float32)]
    weight = np.array([[0.5, 2.0], [0.5, 1.0]])
    found = mixed(weight, p)
    assert found.dtype == np.float32
    assert found[0, 1] == pytest.approx(2 * np.log(1 / 3), rel=1e-6)
    assert np.isfinite(found).all()


def test_pools_hold_nodes_of_similar_support():
    y = np.zeros((400, 5), dtype=bool)
    for node, support in enumerate((0, 9, 10, 99, 300)):
        y[:support, node] = True
    assert pools_of(sparse.csr_array(y)).tolist() == [0, 0, 1, 2, 4]
