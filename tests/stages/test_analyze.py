import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipeline.artifacts import paths, prepared
from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config
from pipeline.errors import ArtifactError
from pipeline.stages import analyze
from tests.reporting import sample


def _write(
    nodes: list[tuple[str, int]], edges: list[tuple[str, str]], labels: list[tuple[str, list[str]]]
) -> None:
    ids = [node for node, _ in nodes]
    matrix = sparse.lil_array((len(labels), len(nodes)), dtype=bool)
    for row, (_, names) in enumerate(labels):
        for name in names:
            matrix[row, ids.index(name)] = True
    prepared.write(
        Prepared(
            features=np.zeros((len(labels), 1), np.float32),
            feature_names=("f",),
            labels=sparse.csr_array(matrix),
            examples=pd.DataFrame(
                {
                    "id": [f"e{i}" for i in range(len(labels))],
                    "split": [split for split, _ in labels],
                    "group": [f"g{i}" for i in range(len(labels))],
                }
            ),
            nodes=pd.DataFrame(
                {
                    "id": ids,
                    "name": [f"name of {node}" for node in ids],
                    "depth": np.array([depth for _, depth in nodes], dtype=np.int64),
                    "scored": [depth > 0 for _, depth in nodes],
                }
            ),
            edges=pd.DataFrame(edges, columns=["child", "parent"], dtype=str),
            info={"name": "tiny"},
        )
    )


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A diamond and an isolated root; c and `alone` have no positive in train+valid."""
    monkeypatch.chdir(tmp_path)
    _write(
        [("alone", 0), ("root", 0), ("a", 1), ("b", 1), ("c", 1), ("d", 2)],
        [("a", "root"), ("b", "root"), ("c", "root"), ("d", "a"), ("d", "b")],
        [
            ("train", ["d"]),
            ("train", ["d", "a"]),
            ("train", ["a"]),
            ("valid", ["b"]),
            ("test", ["c"]),
            ("test", []),
        ],
    )
    assert analyze.run(Config(dataset="tiny")) == [paths.HIERARCHY]


def _summary():
    return json.loads((paths.HIERARCHY / "summary.json").read_text(encoding="utf-8"))


def test_labels_are_counted_after_closure_and_by_split(tiny):
    table = pd.read_csv(paths.HIERARCHY / "nodes.csv", index_col="id")
    assert table["train"].to_dict() == {"alone": 0, "root": 3, "a": 3, "b": 2, "c": 0, "d": 2}
    assert table["valid"].to_dict() == {"alone": 0, "root": 1, "a": 0, "b": 1, "c": 0, "d": 0}
    assert table["test"].to_dict() == {"alone": 0, "root": 1, "a": 0, "b": 0, "c": 1, "d": 0}
    assert table.loc["root", "support"] == 4
    assert table["bin"].to_dict() == {
        "alone": "0", "root": "1-9", "a": "1-9", "b": "1-9", "c": "0", "d": "1-9"
    }  # fmt: skip


def test_nodes_that_cannot_be_learnt_or_tested_are_named_and_counted(tiny):
    summary = _summary()
    assert [node["id"] for node in summary["unlearnable"]] == ["alone", "c"]
    assert summary["nodes"]["unlearnable"] == 2
    assert summary["nodes"]["untestable"] == 4


def test_edges_are_ordered_by_imbalance_and_a_starved_child_has_no_ratio(tiny):
    edges = pd.read_csv(paths.HIERARCHY / "edges.csv")
    pairs = list(zip(edges["child"], edges["parent"], strict=True))
    assert pairs == [("d", "a"), ("d", "b"), ("a", "root"), ("b", "root"), ("c", "root")]
    assert edges["ratio"].tolist()[:4] == pytest.approx([3 / 2, 3 / 2, 4 / 3, 4 / 3], rel=1e-5)
    assert np.isnan(edges["ratio"].iloc[-1])
    assert pairs[-1] == ("c", "root")
    assert _summary()["imbalance"]["children_without_positive"] == 1


def test_cardinality_and_branching_follow_the_definitions(tiny):
    summary = _summary()
    assert summary["labels_per_example"]["most_specific"]["mean"] == pytest.approx(1)
    assert summary["labels_per_example"]["closed"]["max"] == 4
    assert summary["children_per_parent"] == {
        "min": 1,
        "mean": pytest.approx(5 / 3, abs=1e-6),
        "median": 1,
        "max": 3,
    }
    assert summary["nodes"]["roots"] == 2
    assert summary["nodes"]["several_parents"] == 1
    assert [row["nodes"] for row in summary["by_depth"]] == [2, 3, 1]
    assert [row["nodes"] for row in summary["by_rarity"]] == [2, 4, 0, 0, 0]


def test_supports_agree_with_a_dense_closure_on_a_random_dag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analyze, "_ROWS_AT_ONCE", 37)  # several batches
    data = sample.data(np.random.default_rng(3), nodes=60, examples=300)
    prepared.write(data)
    analyze.run(Config())
    closed = data.labels.toarray().copy()
    position = {node: i for i, node in enumerate(data.nodes["id"])}
    for _ in range(60):
        for child, parent in zip(data.edges["child"], data.edges["parent"], strict=True):
            closed[:, position[parent]] |= closed[:, position[child]]
    table = pd.read_csv(paths.HIERARCHY / "nodes.csv")
    for split in ("train", "valid", "test"):
        expected = closed[data.rows(split)].sum(axis=0)
        assert table[split].tolist() == expected.tolist()
    assert _summary()["labels_per_example"]["closed"]["mean"] == pytest.approx(
        closed.sum(axis=1).mean(), abs=1e-5
    )


def test_twice_the_same_data_gives_the_same_bytes(tiny):
    def contents():
        return {file.name: file.read_bytes() for file in sorted(paths.HIERARCHY.iterdir())}

    first = contents()
    assert len([name for name in first if name.endswith(".svg")]) == 4
    analyze.run(Config(dataset="tiny"))
    assert contents() == first


def test_the_pictures_are_svg(tiny):
    for file in paths.HIERARCHY.glob("*.svg"):
        assert ElementTree.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_one_node_without_an_edge_is_a_hierarchy_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write([("only", 0)], [], [("train", ["only"]), ("test", [])])
    analyze.run(Config())
    summary = _summary()
    assert summary["edges"] == 0
    assert summary["children_per_parent"] is None
    assert summary["imbalance"]["ratio"] is None


def test_nodes_in_another_order_are_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write([("a", 1), ("root", 0)], [("a", "root")], [("train", ["a"])])
    with pytest.raises(ArtifactError, match="by depth, ties by id"):
        analyze.run(Config())
    assert not paths.HIERARCHY.exists()
