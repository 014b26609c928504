import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts import files, paths, prepared
from pipeline.config import Config, parse
from pipeline.datasets import splits
from pipeline.datasets.source import Features
from pipeline.errors import DatasetError, HierarchyError
from pipeline.stages import fetch, prepare
from tests.datasets.toy import EDGES, Toy, toy
from tests.stages.problem import prepared_problem


def config(**values) -> Config:
    return parse({"prepare": {"min_support": 0, **values}}, "test")


def prepare_toy(raw, **values):
    return prepare.prepare(raw, Toy(), config(**values))


def labels_of(data) -> list[set[str]]:
    ids = data.nodes["id"].to_numpy()
    return [set(ids[row.indices]) for row in (data.labels[[n]] for n in range(len(data.examples)))]


def test_rare_nodes_go_and_their_labels_move_to_the_nearest_nodes_that_stay():
    raw = toy([("c",)] * 5 + [("d",)] * 2 + [("a",)] * 3, splits=("train",) * 8 + ("valid",) * 2)
    data = prepare_toy(raw, min_support=3)
    assert data.nodes["id"].tolist() == ["root", "a", "b", "c"]
    assert labels_of(data) == [{"c"}] * 7 + [{"a"}] * 3
    data = prepare_toy(raw, min_support=8)
    assert data.nodes["id"].tolist() == ["root", "a"]
    assert labels_of(data) == [{"a"}] * 10
    assert data.edges.to_numpy().tolist() == [["a", "root"]]
    # c lies below a and b: with both kept and c gone, its label becomes both.
    both = toy([("c",), ("d",), ("a",), ("b",)] * 3, splits=("train",) * 12)
    assert labels_of(prepare_toy(both, min_support=9))[0] == {"a", "b"}


def test_support_counts_train_and_valid_only():
    raw = toy(
        [("c",)] * 4 + [("d",)] * 9, splits=("train", "train", "valid", "valid", *["test"] * 9)
    )
    assert prepare_toy(raw, min_support=4).nodes["id"].tolist() == ["root", "a", "b", "c"]
    with pytest.raises(DatasetError, match=r"at least 5 positives.*largest support is 4"):
        prepare_toy(raw, min_support=5)


def test_without_a_least_support_every_node_stays():
    data = prepare_toy(toy([("a",)] * 4))
    assert data.nodes["id"].tolist() == ["root", "a", "b", "c", "d"]
    assert data.nodes["depth"].tolist() == [0, 1, 1, 2, 3]
    assert data.nodes["name"].tolist() == ["ROOT", "A", "B", "C", "D"]
    assert data.nodes["scored"].tolist() == [False, True, True, True, True]


def test_labels_are_reduced_to_the_most_specific_ones():
    data = prepare_toy(toy([("root", "a", "c"), ("b", "a"), ("d", "root", "b")]))
    assert labels_of(data) == [{"c"}, {"a", "b"}, {"d"}]


def test_an_example_that_loses_all_labels_stays_and_is_counted():
    raw = toy([("a",)] * 4 + [("b",)], edges=(), splits=("train",) * 5)
    data = prepare_toy(raw, min_support=2)
    assert labels_of(data)[-1] == set()
    assert data.info["examples"]["without_labels"] == 1


def test_a_caution_of_the_source_goes_along():
    raw = toy([("a",)] * 4)
    assert "caution" not in prepare_toy(raw).info
    warned = dataclasses.replace(raw, info=raw.info | {"caution": "Quote nothing."})
    assert prepare_toy(warned).info["caution"] == "Quote nothing."


def test_another_split_seed_draws_other_splits():
    raw = toy([("a",)] * 60, groups=tuple(f"g{number % 20}" for number in range(60)))
    drawn = [prepare_toy(raw, split_seed=seed).examples["split"].tolist() for seed in (0, 7, 7)]
    assert drawn[0] != drawn[1] == drawn[2]


def test_without_a_validation_split_a_share_of_the_training_groups_serves():
    groups = tuple(f"g{number // 2}" for number in range(100))
    given = ("train",) * 80 + ("test",) * 20
    raw = toy([("a",)] * 100, groups=groups, splits=given)
    data = prepare_toy(raw, valid_share=0.3)
    split = data.examples["split"].to_numpy()
    assert set(split[:80]) == {"train", "valid"}
    assert set(split[80:]) == {"test"}
    assert np.array_equal(split[0:80:2], split[1:80:2])  # groups stay together
    assert 0.1 < (split[:80] == "valid").mean() < 0.5
    assert data.info["splits"] == "given by the source, validation by hash of the group"
    other = prepare_toy(raw, valid_share=0.3, split_seed=1).examples["split"].to_numpy()
    assert (other != split).any()


def test_splits_are_drawn_as_the_parameters_say():
    nodes = ["a", "b", "c", "d"]
    raw = toy([(nodes[number % 4],) for number in range(40)], moments=tuple(map(float, range(40))))
    by_time = prepare.prepare(raw, Toy(), config(split_by="time", test_share=0.25, min_support=0))
    assert by_time.examples["split"].tolist()[-10:] == ["test"] * 10
    assert "by time" in by_time.info["splits"]
    stratified = prepare.prepare(raw, Toy(), config(split_by="stratified", min_support=0))
    test = stratified.rows("test")
    assert {nodes[row % 4] for row in test} == set(nodes)
    assert "stratified" in stratified.info["splits"]


def test_splits_by_time_need_a_time():
    with pytest.raises(DatasetError, match=r"tables\.features\.time"):
        prepare.prepare(toy([("a",)] * 40), Toy(), config(split_by="time"))


def test_missing_values_stay_or_take_the_mean_of_their_own_split():
    class Gaps(Toy):
        def features(self, raw, fit_rows, max_features):
            x = np.array([[1, 0], [np.nan, 1], [3, 0], [10, 1], [np.nan, 0], [np.nan, 1]])
            return Features(x.astype(np.float32), ("x", "y"))

    splits = ("train",) * 3 + ("valid",) + ("test",) * 2
    raw = toy([("a",)] * 6, splits=splits)
    kept = prepare.prepare(raw, Gaps(), config())
    assert np.isnan(kept.features[:, 0]).tolist() == [False, True, False, False, True, True]
    filled = prepare.prepare(raw, Gaps(), config(missing="split_mean"))
    # Nothing of the test split is known: there the model fills in what it learnt.
    np.testing.assert_array_equal(filled.features[:, 0], [1, 2, 3, 10, np.nan, np.nan])
    np.testing.assert_array_equal(filled.features[:, 1], kept.features[:, 1])
    assert any("mean of their own split" in note for note in filled.info["notes"])
    assert not any("mean of their own split" in note for note in kept.info["notes"])


def test_splits_follow_from_the_groups_alone():
    raw = toy([("a",)] * 60, groups=tuple(f"g{number % 20}" for number in range(60)))
    data = prepare_toy(raw, valid_share=0.3, test_share=0.3)
    assert data.examples["split"].tolist() == [
        splits.split_of(group, valid_share=0.3, test_share=0.3) for group in raw.groups
    ]
    assert data.examples.groupby("group")["split"].nunique().max() == 1


def test_cycle_is_refused_and_its_nodes_are_named():
    with pytest.raises(HierarchyError, match=r"(?=.*\ba\b)(?=.*\bc\b).*child -> parent"):
        prepare_toy(toy([("a",)], edges=(*EDGES, ("a", "c"))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": (("a",), ("ghost",))}, r"nodes of the hierarchy, found \['ghost'\].*example 1"),
        ({"groups": ("one",)}, "expected 2 groups, one per example, found 1"),
        ({"splits": ("train", "dev")}, r"splits out of train, valid, test, found \['dev'\]"),
        ({"ids": (), "labels": (), "groups": ()}, "found 2"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(DatasetError, match=message):
        prepare_toy(dataclasses.replace(toy([("a",), ("b",)]), **changes))


def test_labels_are_looked_up_and_the_nodes_not_gone_through_for_each_example():
    """With 100,000 of both that took a quarter of an hour."""

    class Nodes(dict):
        def __iter__(self):
            raise AssertionError("went through all nodes")

        keys = items = values = __iter__

    raw = toy([("a",), ("b",)])
    prepare._check(dataclasses.replace(raw, nodes=Nodes(raw.nodes)))
    with pytest.raises(DatasetError, match="ghost"):
        prepare._check(
            dataclasses.replace(raw, nodes=Nodes(raw.nodes), labels=(("a",), ("ghost",)))
        )


def test_real_data_gives_the_same_bytes_in_another_process(tmp_path, monkeypatch):
    """Neither the order of sets nor the number of threads may show."""
    monkeypatch.chdir(tmp_path)
    fetch.run(Config())
    assert prepare.run(config(min_support=10, max_features=60)) == [paths.PREPARED]
    first = {file.name: file.read_bytes() for file in paths.PREPARED.iterdir()}
    code = (
        "from pipeline.config import parse; from pipeline.stages import prepare;"
        "prepare.run(parse({'prepare': {'min_support': 10, 'max_features': 60}}, 'test'))"
    )
    root = Path(__file__).parents[2]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    other = {"PYTHONHASHSEED": "7", **threads, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **other})
    assert {file.name: file.read_bytes() for file in paths.PREPARED.iterdir()} == first

    info = files.read_json(paths.PREPARED / "dataset.json")
    for table, sha256 in info["sha256"].items():
        assert hashlib.sha256(first[table]).hexdigest() == sha256, table
    assert set(info["sha256"]) == set(first) - {"dataset.json"}
    left_out = info["nodes"].pop("left_out")
    assert info["nodes"] == {"in_source": 1173, "used": 836, "kept": 309, "min_support": 10}
    assert len(left_out) == 20
    assert [*left_out.values()] == sorted(left_out.values(), reverse=True)
    assert max(left_out.values()) == 9
    assert "2025-01-16" in info["notice"]
    assert any("names often contain phenotypes" in note for note in info["notes"])
    assert any("not known" in note for note in info["notes"])

    data = prepared.read()
    shares = data.examples["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.20, abs=0.03)
    assert shares["valid"] == pytest.approx(0.15, abs=0.03)
    assert data.nodes.loc[~data.nodes["scored"], "id"].tolist() == ["HP:0000478"]
    assert data.features.shape == (5724, 60)
    assert np.isfinite(data.features).all()


@pytest.mark.parametrize(
    ("dropped", "said"),
    [(527, "527 nodes with"), (2, "2 nodes with"), (1, "1 node with")],
)
def test_nodes_that_are_too_rare_are_counted_and_some_named(
    dropped: int, said: str, capsys: pytest.CaptureFixture[str]
):
    """dataset.json names twenty at most, which is not how many there are."""
    data = prepared_problem()
    named = {f"n{place}": 9 for place in range(min(dropped, 20))}
    counts = {"used": dropped + 5, "kept": 5, "min_support": 10, "left_out": named}
    data = dataclasses.replace(data, info=data.info | {"nodes": counts})
    prepare._tell_of_the_rarest(data)
    line = capsys.readouterr().out.strip()
    assert line.startswith(said)
    shown = ", ".join(f"n{place} (9)" for place in range(min(dropped, 3)))
    assert line.endswith(f"left out, such as {shown}" if dropped > 3 else f"left out: {shown}")
