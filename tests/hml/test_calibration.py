"""What more members would have said, and probabilities that mean what they say."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from pipeline.hml import pools
from pipeline.hml.calibration import Calibration, Noise, Scores, fit_calibration
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


def fit(
    score: np.ndarray, y: np.ndarray, *, scored: np.ndarray | None = None, blocks: int = 1
) -> Calibration:
    """Of scores that come in blocks."""
    parts = np.array_split(np.arange(len(score)), blocks)

    def scores() -> Scores:
        return ((slice(part[0], part[-1] + 1), score[part[0] : part[-1] + 1]) for part in parts)

    scored = np.ones(score.shape[1], bool) if scored is None else scored
    return fit_calibration(scores, sparse.csr_array(y), scored=scored, seed=0)


def drawn(truth: np.ndarray, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).random(truth.shape) < truth


def scores_of(nodes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(-1, 1.5, size=(EXAMPLES, nodes))


def test_probabilities_mean_what_they_say_after_it():
    score = scores_of(NODES)
    truth = sigmoid(0.6 * score - 0.8)
    curves = fit(score, drawn(truth), blocks=3)
    assert sigmoid(curves.log_odds(score)) == pytest.approx(truth, abs=0.02)


def test_a_curve_that_bends_is_followed():
    score = scores_of(NODES)
    q = sigmoid(score)
    truth = sigmoid(0.5 * np.log(q) - 2.5 * np.log1p(-q) - 1)
    found = sigmoid(fit(score, drawn(truth)).log_odds(score))
    assert found == pytest.approx(truth, abs=0.02)
    assert np.abs(truth - sigmoid(1.1 * score - 0.5)).max() > 0.1  # about the best without a bend


def test_a_common_nodes_curve_is_its_own_and_a_rare_nodes_that_of_its_pool():
    # Two pools: nodes with thousands of positives, and with a handful.
    score = scores_of(8)
    shift = np.array([0.8, -0.8] * 4)
    rarity = np.repeat([0.0, -9.2], 4)
    truth = sigmoid(score + shift + rarity)
    y = drawn(truth)
    assert (y[:, :4].sum(0) > 1000).all()
    assert ((y[:, 4:].sum(0) > 0) & (y[:, 4:].sum(0) < 10)).all()
    found = fit(score, y)
    moved = found.log_odds(np.zeros((1, 8)))[0] - rarity
    assert moved[:4] == pytest.approx(shift[:4], abs=0.15)
    assert np.abs(moved[4:] - moved[4:].mean()).max() < 0.3  # 0.8 were it their own


def test_a_nodes_own_curve_maximises_the_posterior():
    # Once more with every example instead of bins, and other ways of searching.
    score = scores_of(1) + np.array([0.0, 0.4, -0.6])
    y = drawn(sigmoid(1.2 * score + np.array([-3.0, -3.4, -2.2])))
    curves = fit(score, y)

    def of_pool(at: np.ndarray) -> np.ndarray:
        return at[0] * np.log(sigmoid(score)) - at[1] * np.log(sigmoid(-score)) + at[2]

    def pooled_loss(at: np.ndarray) -> float:
        z = of_pool(at)
        return float(np.logaddexp(0, z).sum() - z[y].sum() + ((at[:2] - 1) ** 2).sum() / 2)

    u, share = of_pool(minimize(pooled_loss, [1.0, 1.0, 0.0], method="BFGS").x), y.mean(0)
    middle = np.log(share / (1 - share))
    for node in range(3):

        def loss(at: np.ndarray, node: int = node) -> float:
            z = at[0] * (u[:, node] - middle[node]) + middle[node] + at[1]
            prior = ((at[0] - 1) ** 2 + at[1] ** 2) / (2 * 0.2**2)
            return float(np.logaddexp(0, z).sum() - z[y[:, node]].sum() + prior)

        best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7})
        expected = best.x[0] * (u[:, node] - middle[node]) + middle[node] + best.x[1]
        assert curves.log_odds(score)[:, node] == pytest.approx(expected, abs=0.03)


def test_the_shape_of_a_pools_curve_is_drawn_towards_that_of_the_scores():
    # Few examples, and scores that lie together: the prior decides. The node's own curve moves it
    # little, and by a factor that leaves the ratio of low and high.
    score = scores_of(1)[:150] * 0.3
    y = drawn(sigmoid(3 * score))
    below, above = np.log(sigmoid(score)), -np.log(sigmoid(-score))

    def best(deviation: float) -> np.ndarray:
        def loss(at: np.ndarray) -> float:
            z = at[0] * below + at[1] * above + at[2]
            prior = ((at[:2] - 1) ** 2).sum() / (2 * deviation**2)
            return float(np.logaddexp(0, z).sum() - z[y].sum() + prior)

        return minimize(loss, [1.0, 1.0, 0.0], method="BFGS").x

    def ratio(curve: np.ndarray) -> float:
        return curve[0] / curve[1]

    found = fit(score, y)
    assert found.low[0] / found.high[0] == pytest.approx(ratio(best(1.0)), abs=0.02)
    assert abs(ratio(best(1.0)) - ratio(best(2.0))) > 0.1


def test_a_sample_of_the_negatives_counts_for_all_of_them(monkeypatch: pytest.MonkeyPatch):
    score = scores_of(NODES, seed=5)
    y = drawn(sigmoid(score - 2))
    whole = fit(score, y)
    monkeypatch.setattr(pools, "_ENTRIES", 8000)
    part = fit(score, y)
    assert not np.array_equal(whole.low, part.low)
    found, expected = part.log_odds(score), whole.log_odds(score)
    assert found == pytest.approx(expected, abs=0.3)  # 2.3 if they counted once


def test_nodes_that_do_not_count_have_the_curve_of_their_pool():
    score = scores_of(NODES)
    y = drawn(sigmoid(0.6 * score + np.array([0.0, 0.2, 0.4, 0.6]) - 1))
    scored = np.array([True, True, True, False])
    found = fit(score, y, scored=scored)
    again = y.copy()
    again[:, 3] = y[::-1, 3]  # as many, so that the pool is the same
    again = fit(score, again, scored=scored)
    for name in ("low", "high", "bias"):
        assert np.array_equal(getattr(found, name), getattr(again, name))
    # Stretched, a pool's curve keeps the ratio of its ends, and its bend.
    assert found.low / found.high == pytest.approx(found.low[0] / found.high[0])
    assert found.low[3] < 0.8


def test_scores_that_rank_the_wrong_way_round_end_flat_and_not_turned():
    score = scores_of(NODES, seed=4)
    y = drawn(sigmoid(-score - 2))
    curves = fit(score, y)
    assert curves.low == pytest.approx(0, abs=1e-3)
    assert curves.high == pytest.approx(0, abs=1e-3)
    assert sigmoid(curves.bias) == pytest.approx(y.mean(0), rel=0.1)


def test_without_a_positive_scores_are_log_odds_already():
    score = np.zeros((3, NODES))
    curves = fit(score, np.zeros((3, NODES), dtype=bool))
    assert curves.log_odds(score) == pytest.approx(0, abs=1e-12)
    assert (curves.low == 1).all()


@pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
def test_scores_of_any_size_have_log_odds(size: float):
    score = np.array([[-size], [0.0], [size]], np.float32)
    assert Calibration.none(1).log_odds(score)[:, 0] == pytest.approx([-size, 0, size], rel=1e-6)
    twice = score.repeat(2, 1)
    found = fit(twice, twice > 0).log_odds(twice)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0).all()
