"""Champion and challenger on what neither has learnt from."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipeline.artifacts import paths, prepared
from pipeline.artifacts.prepared import Prepared
from pipeline.champion import compare, decision, learnt
from pipeline.champion.compare import compare as compared
from pipeline.config import Config
from pipeline.config.sections import Retrain
from pipeline.hml import Ensemble, Hierarchy, Settings, fit_members, load_bundle, save_bundle
from pipeline.hml.bundle import read_extra
from pipeline.stages import bundling
from tests.stages.problem import prepared_problem, small_config

CHAMPION = Path("champion")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def data() -> Prepared:
    return prepared_problem(400)


def config(**retrain: Any) -> Config:
    return small_config(retrain={"replicates": 50, **retrain})


_fitted: dict[bytes, Ensemble] = {}  # several tests want the same


def save(data: Prepared, where: Path) -> None:
    """Train on train+valid of these data."""
    parts = [np.asarray(data.features), data.labels.toarray(), *data.rows("train", "valid")]
    key = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    key += "".join(data.nodes["id"]).encode()
    if key not in _fitted:
        _fitted[key] = fit(data)
    save_bundle(where, _fitted[key], extra=bundling.extra(data))


def fit(data: Prepared) -> Ensemble:
    edges = data.edges.itertuples(index=False, name=None)
    hierarchy = Hierarchy.from_edges([*edges], nodes=[*data.nodes["id"]])
    return fit_members(
        data.features,
        data.labels,
        hierarchy,
        Settings(members=4, hidden=8, epochs=20, batch_size=32, learning_rate=0.02),
        kinds=["network"],
        seed=0,
        rows=data.rows("train", "valid"),
        scored=data.nodes["scored"].to_numpy(bool),
    ).ensemble()


def challenge(data: Prepared) -> None:
    prepared.write(data)
    save(data, paths.BUNDLE)


def with_splits(data: Prepared, splits: np.ndarray) -> Prepared:
    return dataclasses.replace(data, examples=data.examples.assign(split=splits))


def figures(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in found["figures"]}


def test_the_same_bundle_differs_by_nothing_and_is_promoted(data: Prepared):
    challenge(data)
    save(data, CHAMPION)
    found = compared(CHAMPION, config())
    assert found["reason"] is None
    assert found["holdout"] == {
        "examples": len(data.rows("test")),
        "groups": len(data.rows("test")) // 2,
        "accepted": 0,
        "nodes": 8,
        "with_positive": 7,
        "left_out": 0,
    }
    assert {"micro_ap", "macro_ap", "macro_f1/tuned"} < figures(found).keys()
    for one in found["figures"]:
        assert one["ci95"] in ([0, 0], None)
    assert decision.judge(found, Retrain()).promote


def test_bundle_that_learnt_from_turned_labels_is_worse_beyond_every_margin(data: Prepared):
    fit = data.rows("train", "valid")
    labels = data.labels.toarray()
    labels[fit] = labels[np.random.default_rng(0).permutation(fit)]
    save(data, CHAMPION)
    challenge(dataclasses.replace(data, labels=sparse.csr_array(labels)))
    found = compared(CHAMPION, config())
    verdict = decision.judge(found, Retrain())
    assert not verdict.promote
    assert figures(found)["micro_ap"]["ci95"][1] < -0.05
    # and the other way round it would be promoted
    turned = [
        one | {"ci95": one["ci95"] and [-one["ci95"][1], -one["ci95"][0]]}
        for one in found["figures"]
        if not one["name"].endswith("1-9")
    ]
    assert decision.judge(found | {"figures": turned}, Retrain()).promote


def test_no_example_of_the_holdout_was_learnt_from_by_either(
    data: Prepared, monkeypatch: pytest.MonkeyPatch
):
    """Splits move, ids change and groups are renamed: the holdout holds none of what was learnt."""
    splits = np.roll(data.examples["split"].to_numpy(), 42)  # by half of the test examples
    examples = data.examples.assign(split=splits)
    test = np.flatnonzero(splits == "test")
    before = with_splits(data, data.examples["split"].to_numpy())
    renamed = examples["group"].copy()
    renamed.iloc[test[:10]] = [f"renamed {row}" for row in range(10)]
    named = examples["id"].copy()
    named.iloc[test[10:20]] = [f"new id {row}" for row in range(10)]
    now = dataclasses.replace(data, examples=examples.assign(group=renamed, id=named))
    save(before, CHAMPION)
    challenge(now)
    seen: list[np.ndarray] = []
    weights = compare.row_weights
    monkeypatch.setattr(
        compare,
        "row_weights",
        lambda groups, *a, **k: seen.append(groups) or weights(groups, *a, **k),
    )
    found = compared(CHAMPION, config())
    assert found["holdout"]["left_out"] > 0
    assert found["holdout"]["examples"] > 0
    assert found["holdout"]["examples"] + found["holdout"]["left_out"] == len(test)
    learnt_groups = set(before.examples["group"].iloc[before.rows("train", "valid")])
    learnt_groups |= set(now.examples["group"].iloc[now.rows("train", "valid")])
    assert learnt_groups.isdisjoint(seen[0])
    learnt_ids = set(before.examples["id"].iloc[before.rows("train", "valid")])
    kept = now.examples[now.examples["group"].isin(seen[0])]
    assert learnt_ids.isdisjoint(kept["id"])


def test_labels_that_were_spoilt_everywhere_do_not_make_the_champion_look_worse(data: Prepared):
    """Those of the holdout, too: what was accepted with the champion counts."""
    save(data, CHAMPION)
    prepared.write(data, Path("accepted"))
    order = np.random.default_rng(0).permutation(len(data.examples))
    challenge(dataclasses.replace(data, labels=sparse.csr_array(data.labels.toarray()[order])))
    trusting = decision.judge(compared(CHAMPION, config()), Retrain())
    found = compared(CHAMPION, config(), Path("accepted"))
    assert found["holdout"]["accepted"] == found["holdout"]["examples"]
    verdict = decision.judge(found, Retrain())
    assert not verdict.promote
    gap, spoilt = (
        {one["name"]: one["difference"] for one in of.figures}["micro_ap"]
        for of in (verdict, trusting)
    )
    assert gap < -0.1
    assert gap < spoilt


def test_accepted_labels_are_those_of_the_same_example_and_new_examples_have_their_own(
    data: Prepared,
):
    """In another order, with other nodes and with examples less: figures are those without it."""
    challenge(data)
    part = data.rows("train", "valid", "test")[::-3]
    nodes = data.nodes.assign(id=data.nodes["id"].replace({"alone": "zz"}))
    order = np.lexsort([nodes["id"], nodes["depth"]])
    before = dataclasses.replace(
        data,
        features=np.array(data.features)[part],
        labels=sparse.csr_array(data.labels.tocsc()[:, order])[part],
        examples=data.examples.iloc[part].reset_index(drop=True),
        nodes=nodes.iloc[order].reset_index(drop=True),
    )
    prepared.write(before, Path("accepted"))
    save(before, CHAMPION)
    found = compared(CHAMPION, config(), Path("accepted"))
    assert 0 < found["holdout"]["accepted"] < found["holdout"]["examples"]
    assert found["figures"] == compared(CHAMPION, config())["figures"]


def test_nodes_in_common_alone_are_compared_by_their_names(data: Prepared):
    """A node less and one renamed: columns lie elsewhere, figures are those of the same nodes."""
    nodes = data.nodes.assign(id=data.nodes["id"].replace({"alone": "zz"}))
    order = np.lexsort([nodes["id"], nodes["depth"]])
    other = dataclasses.replace(
        data,
        nodes=nodes.iloc[order].reset_index(drop=True),
        labels=sparse.csr_array(data.labels.tocsc()[:, order]),
    )
    save(other, CHAMPION)
    challenge(data)
    found = compared(CHAMPION, config())
    assert found["holdout"]["nodes"] == 7
    assert found["reason"] is None
    ap = figures(found)["macro_ap"]
    assert (
        abs(ap["difference"]) < 0.1
    )  # the same data: a column in another's place would be far off


def test_champion_without_what_it_learnt_from_is_not_compared(data: Prepared):
    challenge(data)
    save(data, CHAMPION)
    extra = {n: c for n, c in read_extra(CHAMPION).items() if n != learnt.FILE}
    save_bundle(CHAMPION, load_bundle(CHAMPION), extra=extra)
    found = compared(CHAMPION, config())
    assert "does not say what it has learnt from" in found["reason"]
    assert found["figures"] == []


def test_features_are_taken_by_their_names_and_one_that_is_gone_is_named(data: Prepared):
    save(data, CHAMPION)
    reverse = slice(None, None, -1)
    turned = dataclasses.replace(
        data,
        features=np.array(data.features)[:, reverse],
        feature_names=data.feature_names[reverse],
    )
    challenge(turned)
    assert figures(compared(CHAMPION, config()))["micro_ap"]["champion"] > 0.4
    challenge(dataclasses.replace(data, feature_names=("y", *data.feature_names[1:])))
    reason = compared(CHAMPION, config())["reason"]
    assert reason == "the champion takes features that the data no longer have: 'x0'"


def test_rows_that_are_numbered_are_not_compared(data: Prepared):
    challenge(data)
    save(data, CHAMPION)
    sha256 = "0" * 64
    tables = {
        "name": "toy",
        "features": {"path": "f.csv", "sha256": sha256},
        "labels": {"path": "l.csv", "sha256": sha256, "layout": "one_hot"},
    }
    found = compared(CHAMPION, small_config(tables=tables))
    assert "rows are numbered" in found["reason"]


def test_unknown_labels_count_nowhere(data: Prepared):
    hidden = np.zeros(data.labels.shape, bool)
    test = data.rows("test")
    closed = Hierarchy.from_edges(
        [*data.edges.itertuples(index=False, name=None)], nodes=[*data.nodes["id"]]
    ).close(data.labels)
    column = list(data.nodes["id"]).index("alone")
    hidden[test[:20], column] = ~closed.toarray()[test[:20], column]
    save(data, CHAMPION)
    challenge(data)
    all_known = figures(compared(CHAMPION, config()))["macro_ap"]["champion"]
    prepared.write(dataclasses.replace(data, unknown=sparse.csr_array(hidden)))
    some = figures(compared(CHAMPION, config()))["macro_ap"]
    assert some["ci95"] == [0, 0]
    assert some["champion"] != all_known
