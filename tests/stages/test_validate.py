import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipeline.artifacts import files, paths, prepared
from pipeline.config import Config, parse
from pipeline.errors import ArtifactError, ValidationError
from pipeline.stages import validate
from tests.stages.ready import ready

REPORT = paths.VALIDATION / "validation.json"


@pytest.fixture
def good():
    return ready([("c",), ("d",), ("a",), ("b",)] * 20)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def judge(data, config: Config | None = None) -> dict:
    """The findings by name; an error is allowed."""
    prepared.write(data)
    try:
        validate.run(config or Config())
    except ValidationError:
        pass
    report = files.read_json(REPORT)
    assert report["schema"] == 2
    return {finding["name"]: finding for finding in report["expectations"]}


def failed(findings: dict) -> set[str]:
    return {name for name, finding in findings.items() if not finding["success"]}


def with_cell(table: pd.DataFrame, row: int, column: str, value) -> pd.DataFrame:
    changed = table.copy()
    changed.loc[row, column] = value
    return changed


def with_labels(data, row: int, columns: list[int]):
    dense = data.labels.toarray()
    dense[row] = False
    dense[row, columns] = True
    return dataclasses.replace(data, labels=sparse.csr_array(dense))


def with_feature(data, rows, value):
    values = np.array(data.features)
    values[rows, 0] = value
    return dataclasses.replace(data, features=values)


def test_good_data_passes_and_every_expectation_is_reported(good):
    prepared.write(good)
    assert validate.run(Config()) == [paths.VALIDATION]
    report = files.read_json(REPORT)
    assert report["passed"] is True
    names = [expectation.name for expectation in validate.suite(Config())]
    assert [finding["name"] for finding in report["expectations"]] == names
    assert all(finding["success"] for finding in report["expectations"])
    assert {finding["severity"] for finding in report["expectations"]} == {"error", "warning"}


def test_report_has_the_same_bytes_twice(good):
    prepared.write(with_feature(good, slice(0, 30), np.nan))
    reports = []
    for _ in range(2):
        validate.run(parse({"validate": {"max_missing_share": 0.1}}, "test"))
        reports.append(REPORT.read_bytes())
    assert reports[0] == reports[1]


ERRORS = {
    "example_ids_are_unique": (
        lambda d: dataclasses.replace(d, examples=with_cell(d.examples, 3, "id", "example 0")),
        "example 0",
    ),
    "splits_are_known": (
        lambda d: dataclasses.replace(d, examples=with_cell(d.examples, 3, "split", "dev")),
        "example 3",
    ),
    "splits_share_no_group": (
        lambda d: dataclasses.replace(
            d,
            examples=with_cell(
                with_cell(d.examples, 0, "split", "test"), 1, "split", "train"
            ).assign(group=["both", "both", *d.examples["group"][2:]]),
        ),
        "both",
    ),
    "no_split_is_empty": (
        lambda d: dataclasses.replace(
            d, examples=d.examples.assign(split=d.examples["split"].replace("valid", "train"))
        ),
        "valid",
    ),
    "labels_are_most_specific": (lambda d: with_labels(d, 5, [0, 1, 4]), "example 5"),
    "node_ids_are_unique": (
        lambda d: dataclasses.replace(d, nodes=with_cell(d.nodes, 2, "id", "a")),
        "a",
    ),
    "parents_are_nodes": (
        lambda d: dataclasses.replace(d, edges=with_cell(d.edges, 0, "parent", "ghost")),
        "a -> ghost",
    ),
    "children_are_nodes": (
        lambda d: dataclasses.replace(d, edges=with_cell(d.edges, 0, "child", "ghost")),
        "ghost -> root",
    ),
    "hierarchy_is_acyclic": (
        lambda d: dataclasses.replace(
            d, edges=pd.DataFrame({"child": ["a", "d", "root"], "parent": ["root", "c", "a"]})
        ),
        "a -> root",
    ),
    "depth_is_the_longest_path": (
        # d has a short cut to the root: the shortest path would say 1
        lambda d: dataclasses.replace(d, nodes=with_cell(d.nodes, 4, "depth", 1)),
        "d",
    ),
    "nodes_are_in_order": (
        lambda d: dataclasses.replace(
            d, nodes=d.nodes.iloc[[0, 2, 1, 3, 4]].reset_index(drop=True)
        ),
        "b",
    ),
    "features_have_values": (lambda d: with_feature(d, slice(None), np.nan), "size"),
    "no_feature_is_constant": (
        # a value that differs in test alone teaches nothing
        lambda d: with_feature(d, d.rows("train", "valid"), 3.0),
        "size",
    ),
    "features_are_finite": (lambda d: with_feature(d, d.rows("test")[:1], -np.inf), "size"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_broken_data_is_refused_and_the_offender_is_named_in_message_and_report(name, good):
    broken, offender = ERRORS[name]
    prepared.write(broken(good))
    with pytest.raises(ValidationError) as caught:
        validate.run(Config())
    line = next(line for line in str(caught.value).splitlines() if line.strip().startswith(name))
    assert offender in line.rpartition("such as ")[2].split(", ")
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    assert report["passed"] is False
    finding = next(f for f in report["expectations"] if f["name"] == name)
    assert finding["success"] is False
    assert offender in finding["offenders"]


def test_every_error_of_the_suite_is_provoked_here():
    errors = {e.name for e in validate.suite(Config()) if e.severity == "error"}
    assert errors == set(ERRORS) | {"tables_fit_together"}


def test_tables_of_other_sizes_are_refused_before_anything_else_is_asked(good):
    findings = judge(dataclasses.replace(good, feature_names=("size",)))
    assert list(findings) == ["tables_fit_together"]
    assert findings["tables_fit_together"]["offenders"] == ["columns of features"]


def test_warnings_are_reported_and_stop_nothing(good):
    config = parse({"validate": {"min_positives": 40, "max_missing_share": 0.1}}, "test")
    data = with_labels(with_feature(good, slice(0, 30), np.nan), 7, [])
    prepared.write(data)
    assert validate.run(config) == [paths.VALIDATION]
    findings = judge(data, config)
    assert failed(findings) == {
        "examples_have_labels", "scored_nodes_have_positives", "few_values_are_missing",
    }  # fmt: skip
    assert findings["examples_have_labels"]["offenders"] == ["example 7"]
    # Closed upward: c counts the labels of d, and the root is not scored.
    assert "d" in findings["scored_nodes_have_positives"]["offenders"]
    assert "root" not in findings["scored_nodes_have_positives"]["offenders"]
    assert findings["few_values_are_missing"]["offenders"] == ["size"]


def test_at_most_five_offenders_are_named_and_all_are_counted(good):
    findings = judge(dataclasses.replace(good, examples=good.examples.assign(id="same")))
    assert findings["example_ids_are_unique"]["observed"].startswith("80 of 80")
    nodes = good.nodes.assign(depth=7)
    findings = judge(dataclasses.replace(good, nodes=nodes))
    assert findings["depth_is_the_longest_path"]["offenders"] == ["root", "a", "b", "c", "d"]


def test_different_offenders_are_named_though_one_comes_again_and_again(good):
    ids = ["same"] * 60 + ["other"] * 20
    findings = judge(dataclasses.replace(good, examples=good.examples.assign(id=ids)))
    assert findings["example_ids_are_unique"]["offenders"] == ["same", "other"]


def test_flat_hierarchy_without_edges_can_be_judged(good):
    findings = judge(ready([("a",), ("b",)] * 40, edges=()))
    assert failed(findings) == {"scored_nodes_have_positives"}  # c and d have none


def test_importing_the_stage_does_not_import_great_expectations():
    code = "import sys; import pipeline.stages.validate; print('great_expectations' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("table", "column"), [("examples", "split"), ("examples", "group")])
def test_missing_value_is_an_error(good, table, column):
    changed = with_cell(getattr(good, table), 0, column, None)
    findings = judge(dataclasses.replace(good, **{table: changed}))
    assert failed(findings) == {"tables_fit_together"}
    assert findings["tables_fit_together"]["offenders"] == [f"missing values of {table}"]


@pytest.mark.parametrize(
    "name",
    ["features.npy", "feature_names.json", "labels.npz", "examples.parquet", "nodes.parquet"],
)
@pytest.mark.parametrize("size", [0, 10])
def test_damaged_table_is_refused(good, name, size):
    prepared.write(good)
    path = paths.PREPARED / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ArtifactError, match=r"data/prepared.*, found: "):
        prepared.read()


def test_missing_column_is_refused(good):
    prepared.write(dataclasses.replace(good, nodes=good.nodes.drop(columns="scored")))
    with pytest.raises(ArtifactError, match="scored"):
        prepared.read()


def test_description_of_another_schema_is_refused(good):
    prepared.write(good)
    (paths.PREPARED / "dataset.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"expected schema 1 in .*dataset\.json, found 'list'"):
        prepared.read()
