"""Precision-recall curves: scikit-learn's counts at the same thresholds, whatever the blocks."""

from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import precision_score, recall_score

from pipeline.hml import predictions as blocks
from pipeline.hml.precision_recall import THRESHOLDS, precision_recall
from pipeline.hml.predictions import Predictions

EXAMPLES, NODES = 60, 7
RNG = np.random.default_rng(3)
P = RNG.beta(0.3, 2, (EXAMPLES, NODES)).astype(np.float32)
Y = RNG.random((EXAMPLES, NODES)) < P
UNKNOWN = (RNG.random(Y.shape) < 0.2) & ~Y
SCORED = np.array([0, 1, 1, 1, 1, 1, 1], bool)
GROUPS = {
    "rare": np.array([1, 1, 0, 0, 0, 0], bool),
    "others": np.array([0, 0, 1, 1, 1, 1], bool),
    "none": np.zeros(6, bool),
}


def at_least(cut: float, p: np.ndarray) -> np.ndarray:
    return p >= cut


RULES = {"half": partial(at_least, 0.5), "low": partial(at_least, 0.1)}


def counts(unknown: np.ndarray | None = None, groups: dict[str, np.ndarray] = GROUPS):
    predictions = Predictions(
        sparse.csr_array(Y),
        lambda rows: P[rows],
        SCORED,
        None if unknown is None else sparse.csr_array(unknown),
    )
    return precision_recall(predictions, RULES, groups)


@pytest.mark.parametrize("unknown", [None, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("block", [blocks.BLOCK, 25])
def test_figures_are_those_of_scikit_learn(unknown, block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", block)
    found = counts(unknown)
    precision, recall = found.precision(), found.recall()
    known = np.ones(Y.shape, bool) if unknown is None else ~unknown
    for group, mask in enumerate([GROUPS["rare"], GROUPS["others"]]):
        columns = np.flatnonzero(SCORED)[mask]
        y, p = (a[:, columns][known[:, columns]] for a in (Y, P))
        assert found.positive[group] == y.sum()
        for place in range(0, len(THRESHOLDS), 16):
            decided = p >= THRESHOLDS[place]
            assert found.predicted[group, place] == decided.sum()
            assert recall[group, place] == pytest.approx(recall_score(y, decided))
            if decided.any():
                assert precision[group, place] == pytest.approx(precision_score(y, decided))
            else:
                assert np.isnan(precision[group, place])
        for rule, decide in RULES.items():
            decided = decide(p)
            assert found.rules[rule][:, group].tolist() == [decided.sum(), (decided & y).sum()]


def test_a_group_without_nodes_has_no_figures():
    found = counts()
    assert found.positive[2] == found.predicted[2].sum() == 0
    assert np.isnan(found.recall()[2]).all()


def test_a_group_of_other_nodes_is_refused():
    predictions = Predictions(sparse.csr_array(Y), lambda rows: P[rows])
    with pytest.raises(ValueError, match=r"group 'rare' must have shape \(7,\)"):
        precision_recall(predictions, RULES, GROUPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_score_beside_a_threshold_is_on_its_side(dtype):
    near = THRESHOLDS.astype(dtype)
    edges = [0, -0.0, np.finfo(dtype).smallest_subnormal, 1]
    p = np.concatenate([near, np.nextafter(near, 2), np.nextafter(near, -2), edges]).astype(dtype)
    predictions = Predictions(sparse.csr_array((len(p), 1), dtype=bool), lambda rows: p[rows, None])
    found = precision_recall(predictions, {}, {"all": np.ones(1, bool)})
    expected = [(p.astype(np.float64) >= threshold).sum() for threshold in THRESHOLDS]
    assert found.predicted[0].tolist() == expected


def test_nodes_of_several_groups_count_in_each_and_those_of_none_in_none():
    groups = {"all": np.ones(6, bool), "some": np.arange(6) < 4, "few": np.arange(6) % 2 == 0}
    together = counts(groups=groups)
    for place, (name, mask) in enumerate(groups.items()):
        alone = counts(groups={name: mask})
        assert together.predicted[place].tolist() == alone.predicted[0].tolist()
        assert together.hit[place].tolist() == alone.hit[0].tolist()
        assert together.positive[place] == alone.positive[0]
        for rule in RULES:
            assert together.rules[rule][:, place].tolist() == alone.rules[rule][:, 0].tolist()
    assert counts(groups={}).predicted.shape == (0, len(THRESHOLDS))


def test_thresholds_rise_and_reach_both_ends():
    assert (np.diff(THRESHOLDS) > 0).all()
    assert THRESHOLDS[0] < 1e-6
    assert THRESHOLDS[-1] > 1 - 1e-6
