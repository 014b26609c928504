"""Batches in host memory and on a device, against the whole arrays that they are cut from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from pipeline.hml import Settings, train
from pipeline.hml.batches import Batches, DeviceBatches, HostBatches
from pipeline.hml.preprocessing import Standardizer

from .strategies import Case, cases
from .toy import HIERARCHY, problem

CPU = torch.device("cpu")
KINDS = {
    "host": HostBatches,
    "device": lambda *arguments: DeviceBatches(*arguments, device=CPU),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(case=cases(), size=st.integers(1, 4), seed=st.integers(0, 99))
def test_batches_hold_standardised_features_and_closed_labels_in_the_order_asked_for(
    kind: Callable[..., Batches], case: Case, size: int, seed: int
):
    rng = np.random.default_rng(seed)
    labels = np.array(case.logits[0] > 0)  # not closed
    examples = len(labels)
    features = rng.normal(size=(3 * examples, 2)).astype(np.float32)
    features[rng.random(features.shape) < 0.2] = np.nan
    rows = rng.permutation(3 * examples)[:examples]
    scaling = Standardizer.fit(features)
    batches = kind(features, rows, sparse.csr_array(labels), case.hierarchy, scaling)
    positions = rng.permutation(examples)
    found = list(batches.take(positions, size))
    assert [len(batch.x) for batch in found[:-1]] == [size] * (len(found) - 1)
    x = torch.cat([batch.x for batch in found]).numpy()
    y = torch.cat([batch.y for batch in found]).numpy()
    assert np.array_equal(x, scaling.transform(features)[rows[positions]])
    assert y.dtype == bool
    assert np.array_equal(y, case.hierarchy.close(labels)[positions])


def test_memory_mapped_features_train_the_same_ensemble(tmp_path: Path):
    x, y = problem(40)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.arange(5, 40)
    settings = Settings(members=2, hidden=4, epochs=2, batch_size=8)
    whole = train(x[rows], y[rows], HIERARCHY, settings, seed=0)
    streamed = train(mapped, y, HIERARCHY, settings, seed=0, rows=rows)
    for ours, theirs in zip(streamed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("weight", [None, np.linspace(0.1, 3, 40)], ids=["plain", "weighted"])
def test_the_path_of_a_device_trains_the_same_ensemble(
    weight: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
):
    x, y = problem(40)
    settings = Settings(members=2, hidden=4, epochs=2, batch_size=8)
    ours = train(x, y, HIERARCHY, settings, seed=0, weight=weight, device="cpu")
    monkeypatch.setattr("pipeline.hml.training.HostBatches", KINDS["device"])
    theirs = train(x, y, HIERARCHY, settings, seed=0, weight=weight, device="cpu")
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
