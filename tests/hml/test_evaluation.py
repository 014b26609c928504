"""Figures under bootstrap weights, against scikit-learn called once per replicate."""

import operator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from pipeline.hml import bootstrap, evaluation, metrics, predictions, ranking
from pipeline.hml.evaluation import Evaluation, average_precision, evaluate, row_weights
from pipeline.hml.predictions import Predictions

from .strategies import closed_labels, dags

EXAMPLES, NODES, REPLICATES = 60, 7, 25
NEVER = 4  # a node without a test positive
FIGURES = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
RNG = np.random.default_rng(5)
Y = RNG.random((EXAMPLES, NODES)) < np.array([0.6, 0.4, 0.2, 0.1, 0.0, 0.05, 0.3])
Y[7, 5] = True  # at least one
# Coarse scores, so that there are ties; another method's are noise.
P = np.round(np.clip(0.4 * Y + 0.6 * RNG.random(Y.shape), 0, 1), 1).astype(np.float32)
NOISE = RNG.random(Y.shape).astype(np.float32)
CUTS = {"half": np.full(NODES, 0.5), "prior_matched": RNG.uniform(0.2, 0.9, NODES)}
CUTS["prior_matched"][2] = np.inf  # a node that is never predicted
DECISIONS = {rule: cut <= P for rule, cut in CUTS.items()}
PRIOR = np.array([0.5, 0.4, 0.2, 0.1, 0.02, 0.03, 0.3])
GROUPS = np.array([f"g{number // 3}" for number in range(EXAMPLES)])
SLICES = {
    "rarity=100+": np.arange(NODES) < 2,
    "rarity=1-9": np.arange(NODES) >= 3,
    "never": np.arange(NODES) == NEVER,
    "empty": np.zeros(NODES, dtype=bool),
}
WEIGHTS = row_weights(GROUPS, REPLICATES, seed=3)


def judge(
    p: np.ndarray,
    cuts: dict[str, np.ndarray],
    slices: dict[str, np.ndarray],
    *,
    y: np.ndarray = Y,
    prior: np.ndarray = PRIOR,
    weights: np.ndarray = WEIGHTS,
) -> Evaluation:
    decide = {rule: partial(operator.le, cut) for rule, cut in cuts.items()}
    predictions = Predictions(sparse.csr_array(y), lambda rows: p[rows])
    return evaluate(predictions, decide, prior, weights, slices)


RESULT = judge(P, CUTS, SLICES)


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
    of_prior = judge(np.broadcast_to(PRIOR, Y.shape), {}, {})
    assert (of_prior.figures["brier_skill"] == 0).all()


def test_there_is_no_skill_over_a_prior_that_is_right_everywhere():
    certain = np.ones((4, 1), dtype=bool)
    p = certain * np.float32(0.9)
    result = judge(p, {}, {}, y=certain, prior=np.ones(1), weights=np.ones((3, 4)))
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
    return judge(NOISE, dict.fromkeys(CUTS, np.full(NODES, 0.5)), SLICES)


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
    other = judge(near, {}, {})
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


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """What `evaluate` takes, with dense labels and scores: a random hierarchy, ties, few rows."""
    dag, examples, rows = draw(dags()), draw(st.integers(1, 8)), draw(st.integers(1, 4))
    nodes = len(dag.order)
    grid = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    scored = draw(hnp.arrays(np.bool_, nodes))
    scored[draw(st.integers(0, nodes - 1))] = True
    return {
        "y": draw(closed_labels(dag, examples)),
        "p": draw(hnp.arrays(np.float64, (examples, nodes), elements=grid | st.floats(0, 1))),
        "cuts": draw(hnp.arrays(np.float64, nodes, elements=grid)),
        "prior": draw(hnp.arrays(np.float64, nodes, elements=st.floats(0.05, 0.95))),
        "weights": draw(hnp.arrays(np.float64, (rows, examples), elements=st.floats(0.1, 5))),
        "scored": scored,
        "slices": {"drawn": draw(hnp.arrays(np.bool_, int(scored.sum())))},
    }


def found(drawn: dict[str, Any]) -> Evaluation:
    y, p = sparse.csr_array(drawn["y"]), drawn["p"]
    rest = {name: drawn[name] for name in ("prior", "weights", "slices")}
    decide = {"cut": partial(operator.le, drawn["cuts"])}
    return evaluate(Predictions(y, lambda rows: p[rows], drawn["scored"]), decide, **rest)


@given(problems())
def test_figures_are_those_of_the_plain_functions_on_dense_arrays(drawn: dict[str, Any]):
    y, p, prior, scored = (drawn[name] for name in ("y", "p", "prior", "scored"))
    drawn["weights"][0] = 1
    result = found(drawn)
    plain = {
        "macro_ap": metrics.macro_average_precision(y, p, scored),
        "micro_ap": metrics.micro_average_precision(y, p, scored),
        "brier_skill": metrics.brier_skill(y, p, prior, scored),
    }
    rules = metrics.rule_scores(y, p >= drawn["cuts"], scored)
    plain |= {f"{name}/cut": value for name, value in rules.items()}
    for name, value in plain.items():
        assert result.point(name) == pytest.approx(value, abs=1e-10, nan_ok=True)
    node_ap = metrics.node_average_precision(y[:, scored], p[:, scored])
    np.testing.assert_allclose(result.node_ap, node_ap, rtol=0, atol=1e-12)
    assert result.ap_error == 0
    for name in ("macro_ap", "micro_ap"):
        alone = average_precision(sparse.csr_array(y), lambda rows: p[rows], name, scored=scored)
        assert alone == pytest.approx(plain[name], abs=1e-12, nan_ok=True)


@given(problems(), st.integers(1, 40), st.sampled_from([0, 64]))
def test_how_examples_are_cut_into_blocks_changes_no_bit(
    drawn: dict[str, Any], block: int, kept: int
):
    whole = found(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "BLOCK", block)
        patch.setattr(predictions, "KEPT", kept)
        cut = found(drawn)
    assert cut.figures.keys() == whole.figures.keys()
    for name, values in whole.figures.items():
        assert np.array_equal(cut.figures[name], values, equal_nan=True)
    assert np.array_equal(cut.node_ap, whole.node_ap, equal_nan=True)
    assert np.array_equal(cut.node_recall["cut"], whole.node_recall["cut"], equal_nan=True)


@given(problems(), st.integers(1, 60), st.integers(1, 3))
def test_rows_in_turns_give_what_all_at_once_give(drawn: dict[str, Any], sums: int, together: int):
    whole = found(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "SUMS", sums)
        patch.setattr(evaluation, "_TOGETHER", together)
        turns = found(drawn)
    for name, values in whole.figures.items():
        np.testing.assert_allclose(turns.figures[name], values, rtol=1e-12, atol=1e-15)
    assert np.array_equal(turns.node_ap, whole.node_ap, equal_nan=True)


def test_rows_that_do_not_fit_together_take_a_pass_each(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictions, "KEPT", 0)
    passes: dict[int, int] = {}
    for sums in (10**6, 1):
        monkeypatch.setattr(evaluation, "SUMS", sums)
        asked: list[slice] = []

        def predict(rows: slice, asked: list[slice] = asked) -> np.ndarray:
            asked.append(rows)
            return P[rows]

        evaluate(Predictions(sparse.csr_array(Y), predict), {}, PRIOR, WEIGHTS[:4], {})
        passes[sums] = len(asked)
    assert passes == {10**6: 1 + 1, 1: 1 + 4}


@given(problems(), st.integers(1, 4))
def test_where_thresholds_are_merged_the_exact_micro_average_precision_is_within_the_error(
    drawn: dict[str, Any], limit: int
):
    exact = found(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "POOLED", limit)
        merged = found(drawn)
    gap = np.abs(merged.figures["micro_ap"] - exact.figures["micro_ap"])
    assert not (gap > merged.ap_error + 1e-12).any()
    distinct = np.unique(drawn["p"][:, drawn["scored"]][drawn["y"][:, drawn["scored"]]])
    assert exact.ap_error == 0
    assert (merged.ap_error > 0) <= (len(distinct) > limit)
    for name in exact.figures.keys() - {"micro_ap"}:
        assert np.array_equal(exact.figures[name], merged.figures[name], equal_nan=True)


def test_merged_thresholds_say_how_far_off_they_may_be(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranking, "POOLED", 4)
    merged = judge(P, CUTS, SLICES)
    assert 0 < merged.ap_error < 0.2
    assert merged.point("micro_ap") == pytest.approx(RESULT.point("micro_ap"), abs=merged.ap_error)
    assert merged.point("micro_ap") != RESULT.point("micro_ap")


def test_without_a_positive_and_a_rule_there_is_nothing_to_count():
    result = judge(P, {}, {}, y=np.zeros_like(Y))
    assert np.isnan(result.point("macro_ap"))
    assert np.isnan(result.point("micro_ap"))
    assert result.ap_error == 0
    assert result.point("brier_skill") < 0  # the prior is nearer to nothing


@pytest.mark.usefixtures("as_users_call_it")
def test_weights_of_other_examples_are_refused():
    with pytest.raises(ValueError, match=r"\(row, 60\).*\(26, 59\)"):
        judge(P, {}, {}, weights=WEIGHTS[:, 1:])


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize("prior", [PRIOR[1:], np.append(PRIOR, 0.1), PRIOR[None], np.array(0.1)])
def test_a_prior_of_other_nodes_is_refused(prior: np.ndarray):
    with pytest.raises(ValueError, match=r"^prior must have shape \(7,\)\. Got \("):
        judge(P, {}, {}, prior=prior)


@pytest.mark.usefixtures("as_users_call_it")
def test_a_slice_of_other_nodes_is_refused():
    with pytest.raises(ValueError, match=r"group 'few' must have shape \(7,\)\. Got \(6,\)"):
        judge(P, {}, {"few": np.ones(NODES - 1, bool)})


@pytest.mark.usefixtures("as_users_call_it")
def test_scores_of_other_nodes_or_examples_are_refused():
    def predictions(y: np.ndarray, p: np.ndarray) -> Predictions:
        return Predictions(sparse.csr_array(y), lambda rows: p[rows])

    mine = predictions(Y, P)
    for other in (predictions(Y[:, 1:], P[:, 1:]), predictions(Y[:-1], P[:-1])):
        with pytest.raises(ValueError, match=r"^scores must have the shapes \(\d+,\) and \(60,\)"):
            evaluate(mine, {}, PRIOR, WEIGHTS, {}, scores=other.scores())


@pytest.mark.usefixtures("as_users_call_it")
def test_decisions_are_zeros_and_ones_of_every_node():
    predictions = Predictions(sparse.csr_array(Y), lambda rows: P[rows])

    def by(decide: Any) -> Evaluation:
        return evaluate(predictions, {"half": decide}, PRIOR, WEIGHTS, SLICES)

    with pytest.raises(ValueError, match=r"^decisions must be 0 or 1\. Got .*: decide by a rule"):
        by(lambda p: p)
    with pytest.raises(ValueError, match=r"^rule 'half' must return the shape \(60, 7\)"):
        by(lambda p: p[:, 1:] >= 0.5)
    wanted = RESULT.figures["macro_f1/half"]
    np.testing.assert_array_equal(
        by(lambda p: (p >= 0.5).astype(int)).figures["macro_f1/half"], wanted
    )
