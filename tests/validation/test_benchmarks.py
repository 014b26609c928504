"""What docs/validation.md says of the benchmarks: their strongest features, and their copies."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.stages import prepare
from pipeline.validation import copies, leaks, sample
from tests.datasets.test_hmc import VARIABLE

STRONGEST = {"cellcycle_FUN": 0.44, "imclef07d": 0.57, "enron": 0.72}  # AP of a feature alone
BY = {"enron": "subject"}
# Groups of equal examples across splits, and whether each is a pair with equal labels.
COPIES = {"imclef07d": (6, True), "enron": (3, False)}


@pytest.fixture(scope="module", params=STRONGEST)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    if not (published := os.environ.get(VARIABLE)):
        pytest.skip(f"set {VARIABLE} to a folder with the published files")
    raw: Path = tmp_path_factory.mktemp(request.param)
    source = registry.get(request.param)
    source.fetch(raw, published)
    return prepare.prepare(source.read(raw), source, Config(dataset=request.param))


def strongest(data: Prepared) -> tuple[float, str]:
    """The greatest average precision of a feature alone for a node's rarer side, and the feature.

    The stage looks closely at few pairs of feature and node; this looks at all of them.
    """
    rows = sample.rows(data.rows("train"), len(data.feature_names))
    labels, _ = leaks._asked(data, rows)
    y = labels.toarray() > 0
    rarer = np.where(2 * y.sum(0) <= len(y), y, ~y)
    best = (0.0, "")
    for name, column in zip(data.feature_names, data.features[rows].T, strict=True):
        known = ~np.isnan(column)
        sides = [(column[known], known), (-column[known], known)]
        if not known.all():
            sides.append((~known * 1.0, np.ones_like(known)))
        for values, at in sides:
            for target in rarer[at].T:
                if min(target.sum(), (~target).sum()) >= leaks.FEWEST:
                    best = max(best, (average_precision(target, values), name))
    return best


def average_precision(target: np.ndarray, score: np.ndarray) -> float:
    """scikit-learn's, without its checks, which take longer than the rest."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = target[order].cumsum()[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def test_the_strongest_feature_is_as_strong_as_the_page_says(data: Prepared):
    ap, feature = strongest(data)
    assert round(ap, 2) == STRONGEST[data.info["name"]] < leaks.TOLD
    assert feature == BY.get(data.info["name"], feature)


def test_there_are_as_many_copies_as_the_page_says(data: Prepared):
    number, groups = copies.groups(copies.copies(data), 20)
    wanted, pairs = COPIES.get(data.info["name"], (0, False))
    assert number == len(groups) == wanted
    assert all((g["total"] == 2 and g["same_labels"]) is pairs for g in groups)


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        target, score = rng.random(30) < 0.3, rng.integers(0, 9, 30).astype(float)
        target[0] = True
        wanted = average_precision_score(target, score)
        assert average_precision(target, score) == pytest.approx(wanted)
