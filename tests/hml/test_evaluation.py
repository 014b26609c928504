"""Figures under bootstrap weights, against scikit-learn called once per replicate."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from pipeline.hml import bootstrap
from pipeline.hml.evaluation import Evaluation, evaluate, row_weights

EXAMPLES, NODES, REPLICATES = 60, 7, 25
NEVER = 4  # a node without a test positive
FIGURES = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
RNG = np.random.default_rng(5)
Y = RNG.random((EXAMPLES, NODES)) < np.array([0.6, 0.4, 0.2, 0.1, 0.0, 0.05, 0.3])
Y[7, 5] = True  # at least one
# Coarse scores, so that there are ties; another method's are noise.
P = np.round(np.clip(0.4 * Y + 0.6 * RNG.random(Y.shape), 0, 1), 1).astype(np.float32)
NOISE = RNG.random(Y.shape).astype(np.float32)
DECISIONS = {"half": P >= 0.5, "prior_matched": P >= RNG.uniform(0.2, 0.9, NODES)}
DECISIONS["prior_matched"][:, 2] = False  # a node that is never predicted
PRIOR = np.array([0.5, 0.4, 0.2, 0.1, 0.02, 0.03, 0.3])
GROUPS = np.array([f"g{number // 3}" for number in range(EXAMPLES)])
SLICES = {
    "rarity=100+": np.arange(NODES) < 2,
    "rarity=1-9": np.arange(NODES) >= 3,
    "never": np.arange(NODES) == NEVER,
    "empty": np.zeros(NODES, dtype=bool),
}
WEIGHTS = row_weights(GROUPS, REPLICATES, seed=3)
RESULT = evaluate(Y, P, DECISIONS, PRIOR, WEIGHTS, SLICES)


def per_row(figure: Any) -> list[float]:
    return [figure(weight) for weight in WEIGHTS]


def macro_ap(nodes: Any) -> list[float]:
    return per_row(
        lambda weight: np.mean(
            [
                average_precision_score(Y[:, j], P[:, j], sample_weight=weight)
                for j in np.arange(NODES)[nodes]
                if Y[:, j].any()
            ]
        )
    )


def rule_figure(name: str, decided: np.ndarray, nodes: Any) -> list[float]:
    """A figure of scikit-learn's, node by node: one column alone is a binary problem to it."""
    score: dict[str, Any] = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
    average, kind = name.split("_")

    def figure(weight: np.ndarray) -> float:
        y, d = Y[:, nodes], decided[:, nodes]
        if average == "micro":
            flat = np.repeat(weight, y.shape[1])
            return score[kind](y.ravel(), d.ravel(), sample_weight=flat, zero_division=0)
        values = [
            score[kind](y[:, j], d[:, j], sample_weight=weight, zero_division=0)
            for j in range(y.shape[1])
        ]
        return float(np.mean(values))

    return per_row(figure)


def test_micro_average_precision_pools_the_entries():
    expected = per_row(
        lambda weight: average_precision_score(
            Y.ravel(), P.ravel(), sample_weight=np.repeat(weight, NODES)
        )
    )
    np.testing.assert_allclose(RESULT.figures["micro_ap"], expected, rtol=1e-9)


@pytest.mark.parametrize("part", ["", "rarity=100+", "rarity=1-9"])
def test_macro_average_precision_runs_over_the_nodes_with_a_positive(part: str):
    nodes = SLICES[part] if part else slice(None)
    name = f"macro_ap/{part}" if part else "macro_ap"
    np.testing.assert_allclose(RESULT.figures[name], macro_ap(nodes), rtol=1e-9)


@pytest.mark.parametrize("part", ["", "rarity=100+", "rarity=1-9", "never"])
@pytest.mark.parametrize("rule", DECISIONS)
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_rule_run_over_all_nodes(name: str, rule: str, part: str):
    nodes = SLICES[part] if part else slice(None)
    key = f"{name}/{rule}/{part}" if part else f"{name}/{rule}"
    expected = rule_figure(name, DECISIONS[rule], nodes)
    np.testing.assert_allclose(RESULT.figures[key], expected, rtol=1e-9, atol=1e-12)


def test_brier_skill_compares_with_the_prior():
    def skill(weight: np.ndarray) -> float:
        ours = np.average((P.astype(float) - Y) ** 2, axis=0, weights=weight).mean()
        prior = np.average((PRIOR - Y) ** 2, axis=0, weights=weight).mean()
        return 1 - ours / prior

    np.testing.assert_allclose(RESULT.figures["brier_skill"], per_row(skill), rtol=1e-9)
    of_prior = evaluate(Y, np.broadcast_to(PRIOR, Y.shape), {}, PRIOR, WEIGHTS, {})
    np.testing.assert_allclose(of_prior.figures["brier_skill"], 0, atol=1e-12)


def test_there_is_no_skill_over_a_prior_that_is_right_everywhere():
    certain = np.ones((4, 1), dtype=bool)
    result = evaluate(certain, certain * np.float32(0.9), {}, np.ones(1), np.ones((3, 4)), {})
    assert np.isnan(result.figures["brier_skill"]).all()


def test_figures_of_each_node_are_those_of_the_observed_sample():
    for j in range(NODES):
        if j == NEVER:
            assert np.isnan(RESULT.node_ap[j])
            assert all(np.isnan(recall[j]) for recall in RESULT.node_recall.values())
            continue
        assert RESULT.node_ap[j] == pytest.approx(average_precision_score(Y[:, j], P[:, j]))
        for rule, recall in RESULT.node_recall.items():
            assert recall[j] == pytest.approx(recall_score(Y[:, j], DECISIONS[rule][:, j]))


def test_there_is_every_figure_once_for_the_whole_and_for_each_slice():
    rules = [f"{name}/{rule}" for rule in DECISIONS for name in FIGURES]
    macro = ["macro_ap", *rules]
    expected = {"micro_ap", "brier_skill", *macro}
    expected |= {f"{name}/{part}" for name in macro for part in SLICES}
    assert set(RESULT.figures) == expected
    assert {values.shape for values in RESULT.figures.values()} == {(REPLICATES + 1,)}


def test_a_slice_without_nodes_is_nan_and_one_without_positives_has_no_average_precision():
    for name in ("macro_ap", *(f"{f}/{rule}" for rule in DECISIONS for f in FIGURES)):
        assert np.isnan(RESULT.figures[f"{name}/empty"]).all()
    assert np.isnan(RESULT.figures["macro_ap/never"]).all()
    assert np.isnan(RESULT.interval("macro_ap/never")).all()
    # Decisions count there: all of them are wrong.
    assert (RESULT.figures["macro_f1/half/never"] == 0).all()


def test_the_interval_is_that_of_the_replicates_without_the_observed_sample():
    for name in ("micro_ap", "macro_f1/half", "macro_ap/rarity=1-9"):
        low, high = RESULT.interval(name)
        replicates = RESULT.figures[name][1:]
        assert (low, high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))
        assert low < high
        assert RESULT.point(name) == RESULT.figures[name][0]
    assert (
        RESULT.interval("micro_ap")[0] < RESULT.point("micro_ap") < RESULT.interval("micro_ap")[1]
    )


def noise() -> Evaluation:
    return evaluate(Y, NOISE, {rule: NOISE >= 0.5 for rule in DECISIONS}, PRIOR, WEIGHTS, SLICES)


def test_differences_are_paired_replicate_by_replicate():
    other = noise()
    for name in ("micro_ap", "macro_ap", "macro_f1/half", "macro_ap/rarity=1-9"):
        mean, (low, high) = RESULT.difference(other, name)
        gaps = RESULT.figures[name] - other.figures[name]
        assert mean == pytest.approx(RESULT.point(name) - other.point(name))
        assert (low, high) == pytest.approx(tuple(np.quantile(gaps[1:], [0.025, 0.975])))
    backwards = other.difference(RESULT, "micro_ap")
    mean, (low, high) = RESULT.difference(other, "micro_ap")
    assert backwards[0] == -mean
    assert backwards[1] == pytest.approx((-high, -low))


def test_a_method_differs_from_itself_by_exactly_nothing():
    for name in RESULT.figures:
        if not np.isnan(RESULT.point(name)):
            assert RESULT.difference(RESULT, name) == (0.0, (0.0, 0.0))


def test_a_better_method_is_seen_to_be_better_more_surely_than_by_two_intervals_apart():
    # Slightly noisier scores: both move together from replicate to replicate.
    near = np.clip(P + RNG.normal(scale=0.05, size=P.shape), 0, 1).astype(np.float32)
    other = evaluate(Y, near, {}, PRIOR, WEIGHTS, {})
    _, (low, high) = RESULT.difference(other, "micro_ap")
    alone = RESULT.interval("micro_ap")
    assert high - low < 0.5 * (alone[1] - alone[0])


def test_rows_are_the_observed_sample_and_then_replicates_of_mean_one():
    assert WEIGHTS.shape == (REPLICATES + 1, EXAMPLES)
    assert (WEIGHTS[0] == 1).all()
    np.testing.assert_allclose(WEIGHTS.mean(1), 1)
    assert (WEIGHTS > 0).all()  # no example, so no rare positive, is ever lost
    assert len(np.unique(WEIGHTS[1:], axis=0)) == REPLICATES


def test_examples_of_a_group_share_their_weight_and_groups_do_not():
    turned = RNG.permutation(EXAMPLES)
    for weights in (WEIGHTS[1:], row_weights(GROUPS[turned], 4, seed=0)[1:]):
        groups = GROUPS if len(weights) == REPLICATES else GROUPS[turned]
        for row in weights:
            assert len({(group, float(w)) for group, w in zip(groups, row, strict=True)}) == 20
            assert len(set(row.tolist())) == 20


def test_weights_of_groups_are_exponential():
    # Rubin's weights of single examples: standard deviation 1, a share of e^-1 above 1.
    draws = bootstrap.group_weights(np.arange(400), 200, seed=1)
    assert draws.std() == pytest.approx(1, abs=0.03)
    assert (draws > 1).mean() == pytest.approx(np.exp(-1), abs=0.01)


def test_the_same_seed_gives_the_same_weights_and_another_others():
    assert np.array_equal(row_weights(GROUPS, 5, seed=3), row_weights(GROUPS, 5, seed=3))
    assert not np.array_equal(
        row_weights(GROUPS, 5, seed=3)[1:], row_weights(GROUPS, 5, seed=4)[1:]
    )


def test_one_more_replicate_changes_none_of_the_others():
    assert np.array_equal(row_weights(GROUPS, 6, seed=3)[:6], row_weights(GROUPS, 5, seed=3))
