"""Exported networks: what onnxruntime makes of them is what the library makes of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ArtifactError
from pipeline.hml import (
    Ensemble,
    Hierarchy,
    Settings,
    fit_members,
    load_bundle,
    onnx_export,
    save_bundle,
)
from pipeline.hml.members import NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.onnx_export import network_onnx
from pipeline.hml.preprocessing import Standardizer

from .reference import Dag
from .strategies import SHAPES, build, dags
from .toy import HIERARCHY, problem

TOLERANCE = 1e-5
FEATURES = 5
HIDDEN = ((), (4,), (7, 3), (4, 5, 6))


def ensemble(
    hierarchy: Hierarchy, *, members: int = 3, hidden: tuple[int, ...] = (8,), seed: int = 0
) -> Ensemble:
    """Networks that nobody trained, with logits as far from 0 as trained ones have them."""
    networks = Networks(members, (FEATURES, *hidden, len(hierarchy)), dropout=0.5, seed=seed)
    with torch.no_grad():
        for weight in networks.weights:
            weight *= 3
    rng = np.random.default_rng(seed)
    mean, scale = rng.normal(0, 100, FEATURES), rng.uniform(0.1, 50, FEATURES)
    return Ensemble(
        hierarchy,
        Standardizer(mean.astype(np.float32), scale.astype(np.float32)),
        {"network": NetworkMembers(networks.eval(), hierarchy)},
        np.full(len(hierarchy), 0.5),
        {"tuned": np.full(len(hierarchy), 0.4), "half": np.full(len(hierarchy), 0.5)},
    )


def raw(ours: Ensemble, examples: int, seed: int = 0) -> np.ndarray:
    """Features as they come, before any standardisation; one in five is missing."""
    rng = np.random.default_rng(seed)
    preprocessing = ours.preprocessing
    x = rng.normal(preprocessing.mean, preprocessing.scale, (examples, len(preprocessing.mean)))
    x[rng.random(x.shape) < 0.2] = np.nan
    return x.astype(np.float32)


def run(content: bytes, features: np.ndarray) -> dict[str, np.ndarray]:
    onnx.checker.check_model(content, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"features": features}), strict=True))


def assert_same(ours: Ensemble, x: np.ndarray) -> None:
    theirs = run(network_onnx(ours, members=True), x)
    assert list(theirs) == ["probability", "member_probability"]
    networks, standardised = ours.members["network"], ours.preprocessing.transform(x)
    expected = networks.mean(standardised), networks.probability(standardised)
    child, parent = ours.hierarchy.edge_index
    for found, wanted in zip(theirs.values(), expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)
        assert (found[..., parent] >= found[..., child]).all()


@given(
    dags(),
    st.integers(1, 3),
    st.sampled_from(HIDDEN),
    st.sampled_from((1, 2, 17)),
    st.integers(0, 99),
)
def test_runtime_gives_what_the_library_gives(
    dag: Dag, members: int, hidden: tuple[int, ...], examples: int, seed: int
):
    ours = ensemble(build(dag), members=members, hidden=hidden, seed=seed)
    assert_same(ours, raw(ours, examples, seed))


LARGER = {
    "chain": Hierarchy.from_edges([(f"{i + 1:03}", f"{i:03}") for i in range(199)]),
    "wide": Hierarchy.from_edges(
        [(f"c{i}", f"b{j}") for i in range(40) for j in range(30) if (i + j) % 4]
        + [(f"b{j}", f"a{j % 7}") for j in range(30)]
        + [(f"c{i}", f"a{i % 5}") for i in range(40)],
        nodes=["alone", "lonely"],
    ),
    "isolated": Hierarchy.from_edges([], nodes=[str(i) for i in range(50)]),
    "one": Hierarchy.from_edges([], nodes=["only"]),
}


@pytest.mark.parametrize("examples", [1, 1000])
@pytest.mark.parametrize("hidden", HIDDEN, ids=len)
@pytest.mark.parametrize("shape", LARGER)
def test_larger_hierarchies_and_batches_do_too(shape: str, hidden: tuple[int, ...], examples: int):
    ours = ensemble(LARGER[shape], members=1 if hidden == (4,) else 5, hidden=hidden)
    assert_same(ours, raw(ours, examples))


def test_no_example_is_no_probability():
    content = network_onnx(ensemble(HIERARCHY), members=True)
    theirs = run(content, np.empty((0, FEATURES), np.float32))
    assert theirs["probability"].shape == (0, len(HIERARCHY))
    assert theirs["member_probability"].shape == (3, 0, len(HIERARCHY))


def test_an_example_whose_features_are_all_missing_is_the_mean_example():
    ours = ensemble(HIERARCHY)
    x = np.stack([np.full(FEATURES, np.nan, np.float32), ours.preprocessing.mean])
    missing, mean = run(network_onnx(ours), x)["probability"]
    assert np.array_equal(missing, mean)


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_an_infinite_feature_which_the_library_refuses_gives_nan_and_only_there(infinite: float):
    ours = ensemble(HIERARCHY, hidden=())  # whose logits are infinite and no NaN
    x = raw(ours, 3)
    x[1, 2] = infinite
    with pytest.raises(ValueError, match="infinite"):
        ours.predict_proba(x)
    for found in run(network_onnx(ours, members=True), x).values():
        assert np.isnan(found[..., 1, :]).all()
        assert not np.isnan(found[..., [0, 2], :]).any()


def test_members_are_there_only_where_they_are_asked_for():
    assert list(run(network_onnx(ensemble(HIERARCHY)), raw(ensemble(HIERARCHY), 2))) == [
        "probability"
    ]


@pytest.mark.parametrize("dag", SHAPES, ids=lambda dag: str(dag.edges or dag.nodes))
def test_the_same_ensemble_is_the_same_bytes(dag: Dag, tmp_path: Path):
    ours = ensemble(build(dag))
    content = network_onnx(ours)
    assert network_onnx(ensemble(build(dag))) == content
    assert network_onnx(ensemble(build(dag), seed=1)) != content
    save_bundle(tmp_path, ours)
    assert network_onnx(load_bundle(tmp_path)) == content


def metadata(content: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}


def test_the_model_says_what_it_is_and_where_it_is_from(tmp_path: Path):
    hierarchy = Hierarchy.from_edges([("日本", "NA"), ("tab\t", "NA")], nodes=['quote"d'])
    ours = ensemble(hierarchy)
    save_bundle(tmp_path, ours)
    bundle = json.loads((tmp_path / "bundle.json").read_text())
    content = network_onnx(ours)
    found = metadata(content)
    assert json.loads(found["nodes"]) == list(hierarchy.nodes)
    assert json.loads(found["rules"]) == ["half", "tuned"]
    assert found["schema"] == str(bundle["schema"])
    assert found["sha256"] == bundle["sha256"]["arrays.safetensors"]
    model = onnx.load_from_string(content)
    assert "networks of a rarenode bundle alone" in model.doc_string
    assert "Decide at 0.5" in model.doc_string


def trained(kinds: list[str]) -> Ensemble:
    x, labels = problem()
    settings = Settings(members=4, hidden=8, layers=3, epochs=2, batch_size=16)
    return fit_members(x, labels, HIERARCHY, settings, kinds=kinds, seed=0).ensemble()


def test_of_several_kinds_only_the_networks_are_exported():
    ours = trained(["network", "forest"])
    x, _ = problem(30, seed=1)
    assert_same(ours, x)
    found = run(network_onnx(ours), x)["probability"]
    assert np.abs(found - ours.predict_proba(x)).max() > 0.01


def test_of_networks_alone_the_model_is_the_whole_ensemble():
    ours = trained(["network"])
    x, _ = problem(30, seed=1)
    found = run(network_onnx(ours), x)["probability"]
    np.testing.assert_allclose(found, ours.predict_proba(x), rtol=0, atol=TOLERANCE)


def test_an_ensemble_without_networks_is_refused():
    with pytest.raises(ArtifactError, match="expected networks in the ensemble, found forest"):
        network_onnx(trained(["forest"]))


def test_networks_that_no_onnx_file_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(onnx_export, "_LARGEST", 1000)
    with pytest.raises(ArtifactError, match="as much as an ONNX file holds, found"):
        network_onnx(ensemble(HIERARCHY, hidden=(100,)))


def test_weights_are_stored_once_and_the_graph_around_them_is_small():
    ours = ensemble(LARGER["wide"], hidden=(500,))
    weights: Any = ours.members["network"].arrays()
    size = sum(array.nbytes for array in weights.values())
    assert size < len(network_onnx(ours)) < size + 30_000
