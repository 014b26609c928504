"""An ensemble over many examples: blocks that are read, predicted and forgotten."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.hml import Ensemble, ensemble, uncertainty
from pipeline.hml.calibration import Calibration
from pipeline.hml.ensemble import Combination
from pipeline.hml.members import Members, NeighbourMembers, NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer

from .reference import Dag
from .toy import DAG, FEATURES, HIERARCHY, problem

X, LABELS = problem(20)
MEMBERS = 2
NODES = len(HIERARCHY)
SCALING = Standardizer.fit(X)


def networks(members: int = MEMBERS, features: int = FEATURES, seed: int = 0) -> NetworkMembers:
    made = Networks(members, (features, 4, NODES), dropout=0.0, seed=seed)
    return NetworkMembers(made.eval(), HIERARCHY)


def neighbours() -> NeighbourMembers:
    learns = np.arange(20) % 2 == np.arange(2)[:, None]
    return NeighbourMembers(SCALING.transform(X), LABELS, HIERARCHY, learns, neighbours=3)


def of(
    members: Mapping[str, Members],
    combination: Combination | None = None,
    scaling: Standardizer = SCALING,
) -> Ensemble:
    return Ensemble(HIERARCHY, scaling, members, np.full(NODES, 0.5), {}, combination)


def combination(seed: int = 0) -> Combination:
    """Weights and curves that differ so much between nodes that a child can exceed its parent."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0, 1, (2, NODES))
    low, high = rng.uniform(0, 2, (2, NODES))
    return Combination(weight, Calibration(low, high, rng.normal(size=NODES)))


ENSEMBLE = of({"network": networks()})
KINDS = {"network": networks(), "neighbours": neighbours()}


class Recorded(np.ndarray):
    """Features that know how many rows were read at a time."""

    reads: list[int]

    def __getitem__(self, key: Any) -> Any:
        found = np.asarray(super().__getitem__(key))
        self.reads.append(len(found))
        return found


def test_blocks_hold_the_chosen_rows_in_their_order(monkeypatch: pytest.MonkeyPatch):
    rows = np.array([7, 3, 3, 19, 0])
    monkeypatch.setattr(ensemble, "WORK", 2 * MEMBERS * NODES)
    blocks = list(ENSEMBLE.blocks(X, rows))
    assert [len(block) for block in blocks] == [2, 2, 1]
    np.testing.assert_allclose(
        np.concatenate(blocks), ENSEMBLE.predict_proba(X)[rows], rtol=1e-5, atol=1e-7
    )


def test_wide_features_make_small_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensemble, "WORK", 300)
    wide = np.zeros((9, 100), np.float32)
    few = of({"network": networks(1, features=100)}, scaling=Standardizer.fit(wide))
    assert [len(block) for block in few.blocks(wide, np.arange(9))] == [3, 3, 3]


def test_no_more_rows_of_the_features_are_read_than_a_block_needs(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ensemble, "WORK", 3 * MEMBERS * NODES)
    features = X.view(Recorded)
    features.reads = []
    list(ENSEMBLE.blocks(features, np.arange(2, 10)))
    assert features.reads == [3, 3, 2]


def test_probabilities_of_all_examples_are_those_of_the_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensemble, "WORK", 3 * MEMBERS * NODES)
    blocks = list(ENSEMBLE.blocks(X, np.arange(len(X))))
    assert ENSEMBLE.predict_proba(X).tobytes() == np.concatenate(blocks).tobytes()
    assert ENSEMBLE.predict_proba(X[:0]).shape == (0, NODES)


def test_the_kind_that_makes_the_largest_arrays_sets_the_size_of_blocks(
    monkeypatch: pytest.MonkeyPatch,
):
    mixed = of(KINDS, combination())
    widest = KINDS["neighbours"].width
    assert widest > KINDS["network"].width
    monkeypatch.setattr(ensemble, "WORK", 4 * widest)
    assert [len(block) for block in mixed.blocks(X, np.arange(10))] == [4, 4, 2]


def test_one_kind_alone_predicts_the_mean_of_its_members():
    (members,) = ENSEMBLE.members.values()
    x = SCALING.transform(X)
    np.testing.assert_allclose(
        ENSEMBLE.predict_proba(X), members.probability(x).mean(0), rtol=1e-6, atol=1e-9
    )
    assert ENSEMBLE.member_probability(X)["network"].tobytes() == members.probability(x).tobytes()


def dense(p: list[np.ndarray], made: Combination, dag: Dag) -> np.ndarray:
    """The combination once more, in float64 and node by node."""
    inside = [part.astype(np.float64).clip(1e-7, 1 - 1e-7) for part in p]
    logits = [np.log(part / (1 - part)) for part in inside]
    score = made.weight[0] * logits[0] + made.weight[1] * logits[1]
    q, curve = 1 / (1 + np.exp(-score)), made.calibration
    score = curve.low * np.log(q) - curve.high * np.log(1 - q) + curve.bias
    lifted = [score[:, dag.reach[node]].max(1) for node in range(score.shape[1])]
    return 1 / (1 + np.exp(-np.stack(lifted, axis=1)))


@pytest.mark.parametrize("seed", range(3))
def test_several_kinds_predict_the_calibrated_coherent_mixture_of_their_logits(seed: int):
    made = combination(seed)
    found = of(KINDS, made).predict_proba(X)
    x = SCALING.transform(X)
    expected = dense([members.mean(x) for members in KINDS.values()], made, DAG)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    child, parent = HIERARCHY.edge_index
    assert (found[:, parent] >= found[:, child]).all()
    assert (found[:, parent] == found[:, child]).any()  # there was something to be lifted


def test_improbable_nodes_of_several_kinds_still_are_told_apart():
    # Rare nodes live here: steps of float32 next to 1 would make their probabilities ties.
    rare = Combination(np.full((2, NODES), 0.5), Calibration.none(NODES))
    score = np.linspace(-30, -12, 200, dtype=np.float32)[:, None] + np.zeros(NODES, np.float32)
    p = rare.calibrated(score, HIERARCHY)
    np.testing.assert_allclose(p, np.exp(score) / (1 + np.exp(score)), rtol=1e-5)
    assert (np.diff(p, axis=0) > 0).all()


def test_a_score_of_any_size_becomes_a_probability():
    steep = np.full(NODES, 1e30)
    plain = Combination(np.ones((1, NODES)), Calibration(steep, steep, np.zeros(NODES)))
    score = np.array([-1e30, -1, 0, 1, 1e30], np.float32)[:, None] + np.zeros(NODES, np.float32)
    found = plain.calibrated(score, HIERARCHY)[:, 0]
    assert found == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-30)


@pytest.mark.parametrize(
    ("members", "found"), [(KINDS, "network, neighbours"), ({}, "none")], ids=["two", "none"]
)
def test_kinds_that_nothing_combines_are_refused(members: dict[str, Members], found: str):
    with pytest.raises(ValueError, match=f"combination. Got {found}"):
        of(members)


def test_its_text_names_kinds_and_members():
    assert repr(of(KINDS, combination())).startswith("Ensemble(network: 2, neighbours: 2; ")


@pytest.mark.parametrize("kinds", [("network",), ("network", "neighbours")])
def test_what_is_explained_is_what_is_predicted(kinds: tuple[str, ...]):
    one = of({kind: KINDS[kind] for kind in kinds}, combination() if len(kinds) > 1 else None)
    found = one.explain(X)
    assert found.mean.tobytes() == one.predict_proba(X).tobytes()
    assert found.members.tobytes() == one.member_probability(X)["network"].tobytes()


def test_a_node_is_lifted_by_the_descendant_of_the_greatest_mean_logit():
    found = ENSEMBLE.explain(X)
    x = torch.from_numpy(SCALING.transform(X))
    logit = KINDS["network"].networks(x).mean(0).detach().numpy()
    for node in range(NODES):
        below = np.flatnonzero(DAG.reach[node])
        expected = below[logit[:, below].argmax(1)]
        np.testing.assert_array_equal(found.lifted_by[:, node], expected)


@pytest.mark.parametrize("members", [1, 4])
def test_uncertainty_of_entries_is_that_of_their_members(members: int):
    found = of({"network": networks(members)}).explain(X)
    mode = "mutual_information" if members > 1 else "predictive"
    expected = uncertainty(found.members, mode=mode)
    example, node = np.nonzero(found.mean > np.median(found.mean))
    np.testing.assert_array_equal(found.uncertainty(example, node), expected[example, node])
    assert found.uncertainty(example[:0], node[:0]).shape == (0,)


def test_without_networks_there_is_nothing_to_explain():
    with pytest.raises(ValueError, match=r"must include networks\. Got neighbours"):
        of({"neighbours": neighbours()}).explain(X)
