"""Predictions as a stream: what is asked for, how often, and what is refused."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipeline.hml import predictions
from pipeline.hml.predictions import Predictions

RNG = np.random.default_rng(0)
P = RNG.random((10, 4)).astype(np.float32)
Y = RNG.random(P.shape) < 0.4
SCORED = np.array([False, True, True, False])


class Model:
    """Remembers which examples it was asked for."""

    def __init__(self, p: np.ndarray = P) -> None:
        self.p = p
        self.asked: list[tuple[int, int]] = []

    def __call__(self, rows: slice) -> np.ndarray:
        self.asked.append((rows.start, rows.stop))
        return self.p[rows]


def stream(model: Any, **options: Any) -> Predictions:
    return Predictions(sparse.csr_array(Y), model, **options)


def test_no_block_is_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictions, "BLOCK", 12)
    model = Model()
    blocks = list(stream(model))
    assert model.asked == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [(rows.start, rows.stop) for rows, _ in blocks] == model.asked
    assert np.array_equal(np.concatenate([p for _, p in blocks]), P)


def test_one_example_is_a_block_however_many_nodes_it_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictions, "BLOCK", 3)
    assert [len(p) for _, p in stream(Model())] == [1] * 10


@pytest.mark.parametrize(("kept", "passes"), [(40, 1), (39, 3)])
def test_what_fits_is_predicted_once_and_what_does_not_at_every_pass(
    kept: int, passes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(predictions, "KEPT", kept)
    model = Model()
    found = stream(model)
    for _ in range(3):
        assert np.array_equal(np.concatenate([p for _, p in found]), P)
    assert len(model.asked) == passes


def test_what_others_count_takes_no_pass_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictions, "KEPT", 0)
    monkeypatch.setattr(predictions, "BLOCK", 12)
    model, seen = Model(), list[tuple[str, int, np.ndarray]]()
    one, other = (
        lambda rows, p, name=name: seen.append((name, rows.start, p)) for name in ("one", "other")
    )
    found = stream(model)
    alone = found.scores()
    together = found.scores(one, other)
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert len(model.asked) == 2 * 4
    assert [(name, start) for name, start, _ in seen] == [
        (name, start) for start in (0, 3, 6, 9) for name in ("one", "other")
    ]
    assert np.array_equal(np.concatenate([p for name, _, p in seen if name == "one"]), P)


@pytest.mark.parametrize("block", [4, 12, 1000])
@pytest.mark.parametrize("scored", [None, SCORED, np.ones(4, dtype=bool)])
def test_scores_are_those_of_the_positives_of_scored_nodes(
    block: int, scored: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(predictions, "BLOCK", block)
    columns = slice(None) if scored is None else scored
    found = stream(Model(), scored=scored)
    score, squares = found.scores()
    assert np.array_equal(found.labels.toarray(), Y[:, columns])
    assert np.array_equal(score, P[:, columns][Y[:, columns]])
    np.testing.assert_allclose(squares, (P[:, columns].astype(float) ** 2).sum(1), rtol=1e-14)


def test_stored_zeros_and_labels_in_any_order_are_read_as_they_are_meant():
    data, nodes = np.array([True, False, True]), np.array([3, 1, 0])
    labels = sparse.csr_array((data, nodes, [0, 3]), shape=(1, 4))
    score, _ = Predictions(labels, Model()).scores()
    assert score.tolist() == P[0, [0, 3]].tolist()
    assert labels.nnz == 3  # the caller's own


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.bool_])
def test_scores_of_any_dtype_are_read(dtype: type):
    p = (P * 4).astype(dtype)
    score, _ = stream(Model(p)).scores()
    assert score.tolist() == p[Y].tolist()


@pytest.mark.usefixtures("as_users_call_it")
class TestWrongInputIsRefused:
    def test_another_shape(self):
        with pytest.raises(ValueError, match=r"\(10, 4\).*\(10, 3\)"):
            stream(Model(P[:, :3])).scores()

    def test_probabilities_that_are_not_numbers(self):
        with pytest.raises(ValueError, match="NaN"):
            stream(Model(np.where(P > 0.9, np.nan, P))).scores()

    def test_another_number_of_scored_nodes(self):
        with pytest.raises(ValueError, match=r"\(4,\).*\(3,\)"):
            stream(Model(), scored=SCORED[:3])
