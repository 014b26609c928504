"""An ensemble over many examples: blocks that are read, predicted and forgotten."""

from typing import Any

import numpy as np
import pytest

from pipeline.hml import Ensemble, ensemble
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer

from .toy import FEATURES, HIERARCHY, problem

X = problem(20)[0]
MEMBERS = 2
NODES = len(HIERARCHY)
ENSEMBLE = Ensemble(
    HIERARCHY,
    Standardizer.fit(X),
    Networks(MEMBERS, (FEATURES, 4, NODES), dropout=0.0, seed=0).eval(),
    np.full(NODES, 0.5),
    {},
)


class Recorded(np.ndarray):
    """Features that know how many rows were read at a time."""

    reads: list[int]

    def __getitem__(self, key: Any) -> Any:
        found = np.asarray(super().__getitem__(key))
        self.reads.append(len(found))
        return found


def test_blocks_hold_the_chosen_rows_in_their_order(monkeypatch: pytest.MonkeyPatch):
    rows = np.array([7, 3, 3, 19, 0])
    monkeypatch.setattr(ensemble, "_WORK", 2 * MEMBERS * NODES)
    blocks = list(ENSEMBLE.blocks(X, rows))
    assert [len(block) for block in blocks] == [2, 2, 1]
    np.testing.assert_allclose(
        np.concatenate(blocks), ENSEMBLE.predict_proba(X)[rows], rtol=1e-5, atol=1e-7
    )


def test_wide_features_make_small_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensemble, "_WORK", 300)
    wide = np.zeros((9, 100), np.float32)
    networks = Networks(1, (100, 4, NODES), dropout=0.0, seed=0).eval()
    few = Ensemble(HIERARCHY, Standardizer.fit(wide), networks, np.full(NODES, 0.5), {})
    assert [len(block) for block in few.blocks(wide, np.arange(9))] == [3, 3, 3]


def test_no_more_rows_of_the_features_are_read_than_a_block_needs(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ensemble, "_WORK", 3 * MEMBERS * NODES)
    features = X.view(Recorded)
    features.reads = []
    list(ENSEMBLE.blocks(features, np.arange(2, 10)))
    assert features.reads == [3, 3, 2]


def test_probabilities_of_all_examples_are_those_of_the_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensemble, "_WORK", 3 * MEMBERS * NODES)
    blocks = list(ENSEMBLE.blocks(X, np.arange(len(X))))
    assert ENSEMBLE.predict_proba(X).tobytes() == np.concatenate(blocks).tobytes()
    assert ENSEMBLE.predict_proba(X[:0]).shape == (0, NODES)
