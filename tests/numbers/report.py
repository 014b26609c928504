"""Figures of docs/reading-the-report.md."""

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import average_precision_score

from pipeline.config.sections import Prepare
from pipeline.hml import decisions, metrics, reliability, slices
from pipeline.reporting import page
from tests.numbers.claims import WORDS, Said, claim, confidence, says

READING = "docs/reading-the-report.md"


@claim
def what_figures_are() -> Iterator[Said]:
    y = np.array([[1, 0], [0, 0], [1, 1]])
    prior = np.array([0.6, 0.3])
    perfect, none = (
        metrics.brier_skill(y, p, prior) for p in (y * 1.0, np.broadcast_to(prior, y.shape))
    )
    without = metrics.rule_scores([[1, 0], [1, 0]], [[1, 0], [1, 0]])["macro_f1"]
    counts_as = 2 * without - 1  # the other node is decided right
    ranked = average_precision_score([0, 0, 1], [0.1, 0.2, 0.9])
    yield says(
        READING,
        f"| {perfect:.0f} perfect, {none:.0f} no better than the prior, below {none:.0f} worse |",
        f"a node without a test positive counts as {counts_as:.0f},",
        f"without any cut: {ranked:.0f} is perfect",
    )


@claim
def intervals_and_rules() -> Iterator[Said]:
    missed = round(100 / (100 - float(confidence().split()[0])))
    yield says(
        READING,
        f"In brackets stand {confidence()} intervals",
        f"Of {missed}, expect one to miss",
        f"`half` cuts at {decisions.half_cuts(1).item()} for every node",
    )


@claim
def bins_that_are_missing() -> Iterator[Said]:
    least = Prepare().min_support
    below = [
        name
        for name, low in zip(slices.RARITY_BINS, slices._LOWER_BOUNDS, strict=True)
        if low < least
    ]
    assert below == [*slices.RARITY_BINS[:2]]
    yield says(
        READING,
        f"the default `prepare.min_support` of {least} the first {WORDS[2]}. Bin {below[0]} is",
    )


@claim
def points_of_reliability() -> Iterator[Said]:
    assert reliability.BINS == 10
    lowest = 1 / reliability.BINS
    yield says(
        READING,
        "A point is a tenth of the scale",
        f"Nearly all entries of rare nodes lie below {lowest}",
        f"also given for those above {lowest}",
    )


@claim
def rows_without_javascript() -> Iterator[Said]:
    assert page._NODES_WRITTEN == 100
    yield says(READING, "the first hundred rows are there all the same")
