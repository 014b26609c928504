"""What held-out scores promise, against draws that are written out example by example."""

import statistics

import numpy as np
import pytest
import torch

from pipeline.benchmark.expectation import expected_f1
from pipeline.hml import Objective, Settings
from pipeline.hml.decisions import prior_matched_cuts
from pipeline.hml.fitting import Fitted, fit_members
from pipeline.hml.predictions import Predictions
from pipeline.hml.tuned import tuned_cuts
from tests.hml import reference
from tests.hml.toy import DAG, HIERARCHY, problem

SETTINGS = Settings(
    members=6, hidden=8, layers=2, epochs=4, batch_size=16, learning_rate=0.02,
    objective=Objective(),
)  # fmt: skip
SCORED = np.arange(len(HIERARCHY)) != HIERARCHY.index["t"]
BETA = 2.0
EACH = np.arange(len(problem()[0]))  # no two examples belong together


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    torch.set_num_threads(1)
    return fit(cross_fit=True)


def fit(*, cross_fit: bool) -> Fitted:
    x, y = problem()
    return fit_members(x, y, HIERARCHY, SETTINGS, cross_fit=cross_fit, seed=0)


def decided_without_the_own_fold(fitted: Fitted, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and decisions, each example's by cuts of the others."""
    held_out = fitted.held_out()
    p = np.concatenate([block for _, block in held_out])
    labels = held_out.labels
    assert fitted.fold is not None
    decided = np.zeros(p.shape, bool)
    for example in range(len(p)):
        others = fitted.fold % 5 != fitted.fold[example] % 5
        if rule == "prior_matched":
            cuts = prior_matched_cuts(p[others], labels.toarray()[others].mean(0))
        else:
            scores = p[others]
            predictions = Predictions(labels[np.flatnonzero(others)], lambda r, s=scores: s[r])
            cuts = tuned_cuts(predictions, beta=BETA)
        decided[example] = reference.decide(p[example : example + 1], cuts, DAG)[0]
    return labels.toarray(), decided


@pytest.mark.parametrize("together", [1, 5])
@pytest.mark.parametrize("rule", ["prior_matched", "tuned"])
def test_it_is_the_macro_f1_of_as_many_examples_decided_without_their_own_fold(
    fitted: Fitted, rule: str, together: int
):
    groups = np.arange(len(EACH)) // together
    found = expected_f1(fitted, None, 30, groups=groups, beta=BETA, scored=SCORED)
    assert [*found] == ["prior_matched", "tuned"]
    y, decided = decided_without_the_own_fold(fitted, rule)
    assert decided.any()
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        number = int(groups.max()) + 1
        drawn_groups = round(30 * number / len(y))
        times = rng.multinomial(drawn_groups, np.full(number, 1 / number))
        drawn = [row for row in range(len(y)) for _ in range(times[row // together])]
        assert together > 1 or len(drawn) == 30
        values.append(reference.rule_scores(y[drawn], decided[drawn], SCORED)["macro_f1"])
    assert found[rule]["mean"] == pytest.approx(statistics.fmean(values), rel=1e-9)
    assert found[rule]["sd"] == pytest.approx(statistics.stdev(values), rel=1e-9)


def test_more_examples_promise_more_surely(fitted: Fitted):
    few, many = (
        expected_f1(fitted, None, n, groups=EACH, beta=BETA, scored=SCORED) for n in (20, 2000)
    )
    for rule in few:
        assert many[rule]["sd"] < few[rule]["sd"] / 3
        # A node without a positive among few examples counts as 0.
        assert many[rule]["mean"] > few[rule]["mean"]


def test_without_held_out_scores_nothing_is_promised():
    apart = fit(cross_fit=False)
    assert expected_f1(apart, None, 30, groups=EACH, beta=1.0, scored=SCORED) == {}
