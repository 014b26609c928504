"""Kernel ridge regressions against scikit-learn's, and with fewer landmarks than examples."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import euclidean_distances

from pipeline.hml import Hierarchy
from pipeline.hml.constraint import coherent
from pipeline.hml.folds import learners
from pipeline.hml.members import KernelMembers, regressions

from .toy import FEATURES, HIERARCHY, problem

ROWS, MEMBERS = 90, 5
X, LABELS = problem(ROWS)
FRESH, _ = problem(40, seed=1)
LEARNS = learners(np.random.default_rng(0).permutation(np.arange(ROWS) % MEMBERS), MEMBERS)
CLOSED = np.asarray(HIERARCHY.close(LABELS.toarray()), dtype=np.float64)


def made(x: np.ndarray = X, **options: Any) -> KernelMembers:
    return KernelMembers(x, LABELS, HIERARCHY, LEARNS, **options)


def kernel(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.exp(-euclidean_distances(x.astype(np.float64), z) / np.sqrt(FEATURES))


def test_a_member_is_the_ridge_regression_of_scikit_learn_without_its_examples():
    prior = CLOSED.mean(0)
    for member, p in enumerate(made().probability(FRESH)):
        learnt = LEARNS[member]
        ridge = KernelRidge(alpha=1.0, kernel="precomputed")
        ridge.fit(kernel(X[learnt], X[learnt]), CLOSED[learnt] - prior)
        expected = prior + ridge.predict(kernel(FRESH, X[learnt]))
        expected = 0.9 * expected.clip(0, 1) + 0.1 * prior
        expected = coherent(expected.astype(np.float32), HIERARCHY)
        np.testing.assert_allclose(p, expected, atol=2e-5)


def test_nodes_of_the_same_examples_are_computed_once_and_stored_each():
    chain = Hierarchy.from_edges([("b", "a"), ("c", "b"), ("d", "a")], nodes="abcd")
    # Of b there is what there is of c, and of a what there is of all.
    y = np.zeros((ROWS, 4), bool)
    y[:30, chain.index["c"]] = y[30:50, chain.index["d"]] = True
    members = KernelMembers(X, sparse.csr_array(y), chain, LEARNS)
    assert members.column[chain.index["b"]] == members.column[chain.index["c"]]
    assert len({*members.column.tolist()}) == 4  # a, b with c, d, and the weights
    p = members.probability(FRESH)
    assert np.array_equal(p[:, :, chain.index["b"]], p[:, :, chain.index["c"]])
    assert not np.array_equal(p[:, :, chain.index["b"]], p[:, :, chain.index["d"]])
    arrays = members.arrays()
    assert arrays["coefficients"].shape[2] == 5
    again = KernelMembers.from_arrays(arrays, members.options(), chain)
    assert again.probability(FRESH).tobytes() == p.tobytes()
    assert again.arrays()["coefficients"].tobytes() == arrays["coefficients"].tobytes()


def test_similarity_of_an_example_is_the_same_wherever_it_stands():
    # 203 is no multiple of what is computed at once, beyond which rows round by their place.
    rng = np.random.default_rng(0)
    x, z = (rng.normal(size=(rows, 64)).astype(np.float32) for rows in (100, 203))
    turned = rng.permutation(len(x))
    assert np.array_equal(regressions.kernel(x, z)[turned], regressions.kernel(x[turned], z))


def test_what_is_near_a_nodes_only_positive_is_its_most_probable_example():
    x = np.random.default_rng(3).normal(size=(60, FEATURES)).astype(np.float32)
    flat = Hierarchy.from_edges([], nodes=["rare", "common"])
    y = np.zeros((60, 2), bool)
    y[7, flat.index["rare"]], y[::2, flat.index["common"]] = True, True
    learns = np.ones((1, 60), bool)
    members = KernelMembers(x, sparse.csr_array(y), flat, learns)
    near = np.vstack([x[7] + 0.05, x[20:30]]).astype(np.float32)
    assert members.mean(near)[:, flat.index["rare"]].argmax() == 0


def test_regressions_for_many_nodes_go_through_the_weights_of_examples(
    monkeypatch: pytest.MonkeyPatch,
):
    through_nodes = made()
    p, mean = through_nodes.probability(FRESH), through_nodes.mean(FRESH)
    through_examples = made()
    monkeypatch.setattr("pipeline.hml.members.kernel._ENTRIES", 0)
    np.testing.assert_allclose(through_examples.probability(FRESH), p, atol=2e-6)
    np.testing.assert_allclose(through_examples.mean(FRESH), mean, atol=2e-6)


def test_all_landmarks_are_as_good_as_more_and_fewer_are_near():
    exact = made(landmarks=ROWS).mean(FRESH)
    assert made(landmarks=10 * ROWS).mean(FRESH).tobytes() == exact.tobytes()
    errors = [np.abs(made(landmarks=n).mean(FRESH) - exact).mean() for n in (10, 40, 80)]
    assert errors[0] > errors[1] > errors[2] > 0
    assert errors[2] < 0.02


def test_equal_examples_have_a_solution():
    twice = np.repeat(X[: ROWS // 2], 2, axis=0)
    p = made(twice).probability(FRESH)
    assert np.isfinite(p).all()
    assert ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("apart", [0, 1e-6, 1e-3])
def test_coefficients_of_examples_that_are_nearly_equal_do_not_cancel_each_other(apart: float):
    draw = np.random.default_rng(5)
    x = np.repeat(X[: ROWS // 3], 3, axis=0)
    x += (apart * draw.normal(size=x.shape)).astype(np.float32)
    prior = CLOSED.mean(0)
    p = made(x).probability(FRESH)[0]
    learnt = LEARNS[0]
    ridge = KernelRidge(alpha=1.0, kernel="precomputed")
    ridge.fit(kernel(x[learnt], x[learnt]), CLOSED[learnt] - prior)
    expected = 0.9 * (prior + ridge.predict(kernel(FRESH, x[learnt]))).clip(0, 1) + 0.1 * prior
    np.testing.assert_allclose(p, coherent(expected.astype(np.float32), HIERARCHY), atol=1e-4)


@pytest.mark.parametrize("rows", [10, 11, 14, 629])  # of such many, shares of all exceed 1
def test_a_node_that_every_example_has_is_stored_and_read(rows: int):
    draw = np.random.default_rng(rows)
    x = draw.normal(size=(rows, FEATURES)).astype(np.float32)
    flat = Hierarchy.from_edges([], nodes=["all", "some"])
    y = sparse.csr_array(np.column_stack([np.ones(rows), draw.random(rows) < 0.3]).astype(bool))
    members = KernelMembers(x, y, flat, learners(np.arange(rows) % MEMBERS, MEMBERS))
    read = KernelMembers.from_arrays(members.arrays(), members.options(), flat)
    p = read.probability(FRESH)
    assert p.tobytes() == members.probability(FRESH).tobytes()
    assert p.max() <= 1


def test_nothing_is_solved_before_it_is_asked_for():
    members = made()
    assert members._solution is None
    members.mean(FRESH)
    assert members._solution is not None


def test_another_number_of_features_is_refused():
    with pytest.raises(ValueError, match=rf"x must have {FEATURES} features. Got 2"):
        made().mean(FRESH[:, :2])
