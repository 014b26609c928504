"""What more members would have said, and probabilities that mean what they say."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline.hml import pools
from pipeline.hml.calibration import Noise, fit_calibration
from pipeline.hml.pools import sigmoid

EXAMPLES, NODES, MEMBERS = 20_000, 4, 10
POOL = np.array([0, 0, 1, 1])


def simulated(within: float, *, seed: int = 0) -> np.ndarray:
    """Scores (member, example, node): a node's mean, examples of variance 1, noise of members."""
    rng = np.random.default_rng(seed)
    truth = np.array([-4.0, -3.0, -1.0, 0.5]) + rng.normal(size=(EXAMPLES, NODES))
    noise = rng.normal(scale=np.sqrt(within), size=(MEMBERS, EXAMPLES, NODES))
    return (truth + noise).astype(np.float32)


def noise_of(scores: np.ndarray) -> Noise:
    """From the first two members, in two blocks."""
    halves = np.split(scores[:2], 2, axis=1)
    return Noise.of(((half.mean(0), half[0], half[1]) for half in halves), POOL, MEMBERS)


@pytest.mark.parametrize("within", [0.0, 0.2, 1.0])
def test_scores_of_two_members_become_as_spread_as_those_of_all(within: float):
    scores = simulated(within)
    found = noise_of(scores)
    part = (1 + within / MEMBERS) / (1 + within / 2)
    assert found.spread == pytest.approx(np.sqrt(part), abs=0.01)
    two, all_of_them = scores[:2].mean(0), scores.mean(0)
    assert found.as_of_all(two).dtype == np.float32
    assert found.as_of_all(two).std(0) == pytest.approx(all_of_them.std(0), rel=0.02)
    assert found.as_of_all(two).mean(0) == pytest.approx(all_of_them.mean(0), abs=0.03)


def test_the_slope_on_two_members_is_that_on_all_once_noise_is_taken_out():
    scores = simulated(1.0)
    found = noise_of(scores)
    rng = np.random.default_rng(1)
    target = scores.mean(0)[:, 3] - 0.3 * rng.normal(size=EXAMPLES)  # anything that all explain
    whole = np.polyfit(scores.mean(0)[:, 3], target, 1)[0]
    raw = np.polyfit(scores[:2].mean(0)[:, 3], target, 1)[0]
    corrected = np.polyfit(found.as_worth(scores[:2].mean(0))[:, 3], target, 1)[0]
    assert raw < 0.8 * whole
    assert corrected == pytest.approx(whole, rel=0.03)


def test_what_averaging_moves_a_score_by_is_carried_on_to_all_members():
    rng = np.random.default_rng(2)
    p = rng.beta(0.3, 3.0, size=(MEMBERS, EXAMPLES, NODES)).clip(1e-4, 0.99)

    def score(mean: np.ndarray) -> np.ndarray:
        return np.log(mean / (1 - mean)).astype(np.float32)

    two = score(p[:2].mean(0))
    found = Noise.of([(two, score(p[0]), score(p[1]))], POOL, MEMBERS)
    wanted = score(p.mean(0)).mean()
    assert two.mean() < wanted - 0.5
    assert abs(found.as_worth(two).mean() - wanted) < 0.4 * abs(two.mean() - wanted)


def test_equal_scores_stay_as_they_are():
    alike = np.full((5, NODES), -2.0, np.float32)
    found = Noise.of([(alike, alike, alike)], POOL, MEMBERS)
    assert np.array_equal(found.as_of_all(alike), alike)
    assert np.array_equal(found.as_worth(alike), alike)


def test_probabilities_mean_what_they_say_after_it():
    rng = np.random.default_rng(3)
    score = rng.normal(-1, 1.5, size=(EXAMPLES, NODES))
    truth = sigmoid(0.6 * score - 0.8)
    y = rng.random(truth.shape) < truth
    scored = np.array([True, True, True, False])
    slope, bias = fit_calibration(
        [(slice(0, 15_000), score[:15_000]), (slice(15_000, EXAMPLES), score[15_000:])],
        sparse.csr_array(y),
        scored=scored,
        seed=0,
    )
    plain = LogisticRegression(C=np.inf, tol=1e-8)
    plain.fit(score[:, scored].reshape(-1, 1), y[:, scored].ravel())
    assert slope == pytest.approx([plain.coef_[0, 0]] * NODES, abs=2e-3)
    assert bias == pytest.approx([plain.intercept_[0]] * NODES, abs=2e-3)
    assert slope[0] == pytest.approx(0.6, abs=0.03)


def test_a_sample_of_the_negatives_counts_for_all_of_them(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(5)
    score = rng.normal(-1, 1.5, size=(EXAMPLES, NODES))
    y = sparse.csr_array(rng.random(score.shape) < sigmoid(score - 2))
    blocks = [(slice(0, EXAMPLES), score)]
    whole, part = [], []
    for entries, found in ((10**6, whole), (8000, part)):
        monkeypatch.setattr(pools, "_ENTRIES", entries)
        found += fit_calibration(blocks, y, scored=np.ones(NODES, bool), seed=0)
    assert not np.array_equal(whole, part)
    assert np.stack(part) == pytest.approx(np.stack(whole), abs=0.1)  # 2.3 if they counted once


def test_scores_that_rank_the_wrong_way_round_end_flat_and_not_turned():
    rng = np.random.default_rng(4)
    score = rng.normal(size=(EXAMPLES, NODES))
    y = rng.random(score.shape) < sigmoid(-score - 2)
    slope, bias = fit_calibration(
        [(slice(0, EXAMPLES), score)], sparse.csr_array(y), scored=np.ones(NODES, bool), seed=0
    )
    assert slope == pytest.approx(0, abs=1e-6)
    assert sigmoid(bias) == pytest.approx(y.mean(), rel=1e-2)


def test_without_a_positive_scores_are_log_odds_already():
    slope, bias = fit_calibration(
        [(slice(0, 3), np.zeros((3, NODES)))],
        sparse.csr_array((3, NODES), dtype=bool),
        scored=np.ones(NODES, bool),
        seed=0,
    )
    assert (slope == 1).all()
    assert (bias == 0).all()
