"""What only warns, and drift from the accepted data, through the whole stage."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipeline import data_commands
from pipeline.artifacts import files, paths, prepared, validated
from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config, parse
from pipeline.errors import ArtifactError, ValidationError
from pipeline.stages import validate
from pipeline.validation import copies, suite
from tests.stages.ready import ready
from tests.stages.test_validate import ERRORS

LABELS = [("c",), ("d",), ("a",), ("b",)] * 60
DRIFT = {e.name for e in suite.suite(Config(), compared=True) if e.of_drift}


@pytest.fixture
def good() -> Prepared:
    return ready(LABELS)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(drift: str = "warn") -> Config:
    return parse({"validate": {"drift": drift}}, "test")


def judge(data: Prepared, drift: str = "warn") -> dict:
    """validation.json, its expectations by name, of data that pass."""
    prepared.write(data)
    validate.run(config(drift))
    report = validated.read_report()
    return report | {"expectations": {e["name"]: e for e in report["expectations"]}}


def accept(data: Prepared) -> None:
    judge(data)
    data_commands.accept()


def failed(report: dict) -> set[str]:
    return {name for name, finding in report["expectations"].items() if not finding["success"]}


def with_features(data: Prepared, change) -> Prepared:
    x = np.array(data.features)
    change(x)
    return dataclasses.replace(data, features=x)


def closed(data: Prepared, node: str) -> np.ndarray:
    below = {"root": "rootabcd", "a": "acd", "b": "bcd", "c": "cd", "d": "d"}[node]
    columns = [column for column, name in enumerate(data.nodes["id"]) if name in below]
    return data.labels.toarray()[:, columns].any(axis=1)


def test_copies_across_splits_warn_and_are_listed(good):
    test, train = good.rows("test")[0], good.rows("train")[3]

    def copy(x):
        x[test] = x[train]

    report = judge(with_features(good, copy))
    assert failed(report) == {"equal_examples_share_a_split"}
    finding = report["expectations"]["equal_examples_share_a_split"]
    assert finding["severity"] == "warning"
    assert finding["observed"] == "2 of 240 examples break it"
    first, second = sorted([int(test), int(train)])
    assert finding["offenders"] == [f"example {first}", f"example {second}"]
    (group,) = report["copies"]["listed"]
    assert report["copies"]["test"] == 1
    same = bool((good.labels[[test]] != good.labels[[train]]).nnz == 0)
    assert report["copies"]["test_same_labels"] == same == group["same_labels"]
    assert {one["id"] for one in group["examples"]} == {f"example {first}", f"example {second}"}


def test_copies_in_train_and_valid_alone_concern_no_test_example(good):
    valid, train = good.rows("valid")[0], good.rows("train")[3]

    def copy(x):
        x[valid] = x[train]

    report = judge(with_features(good, copy))
    assert failed(report) == {"equal_examples_share_a_split"}
    assert report["expectations"]["equal_examples_share_a_split"]["observed"].startswith("2 of ")
    assert {name: report["copies"][name] for name in ("total", "test", "test_same_labels")} == {
        "total": 1,
        "test": 0,
        "test_same_labels": 0,
    }


def test_test_examples_with_a_copy_to_learn_from_are_counted_apart_from_copies_of_them():
    rows = [
        # split, features, labels
        ("train", 0, b"a"),
        ("test", 0, b"a"),  # known by heart
        ("test", 0, b"b"),  # a riddle
        ("valid", 1, b"a"),
        ("test", 1, b"a"),  # known, too: cuts are placed by valid
        ("test", 2, b"a"),  # of the test alone
        ("test", 2, b"a"),
        ("train", -1, b"a"),  # without any value they equal nothing
        ("test", -1, b"a"),
        ("train", 3, b"a"),
        ("valid", 3, b"a"),
    ]
    table = pd.DataFrame(rows, columns=["split", "copy", "labels"])
    assert copies.in_test(table) == (3, 2)
    assert copies.in_test(table[:0]) == (0, 0)
    assert copies.in_test(table[-2:]) == (0, 0)


def test_a_leaking_feature_warns_and_its_node_is_named(good):
    def leak(x):
        x[:, 1] = closed(good, "c") + 0.01 * x[:, 0]

    report = judge(with_features(good, leak))
    assert failed(report) == {"no_feature_tells_a_node"}
    assert report["expectations"]["no_feature_tells_a_node"]["offenders"] == ["square"]
    assert report["leaks"] == {
        "total": 1,
        "listed": [{"feature": "square", "told": 1.0, "node": "c", "by": "value", "why": None}],
    }


def test_a_column_that_numbers_the_rows_warns(good):
    def number(x):
        x[:, 0] = np.arange(len(x))

    report = judge(with_features(good, number))
    assert failed(report) == {"no_feature_numbers_the_rows"}
    assert report["leaks"]["listed"][0]["why"] == "follows the order of the rows"


def test_several_spellings_of_a_node_warn_once_a_group(good):
    nodes = good.nodes.assign(name=["Root", "Lens ", "lens", "c", "d"])
    report = judge(dataclasses.replace(good, nodes=nodes))
    assert failed(report) == {"each_node_has_one_spelling"}
    finding = report["expectations"]["each_node_has_one_spelling"]
    assert finding["observed"] == "2 of 5 nodes break it"
    assert finding["offenders"] == ["a (Lens ) | b (lens)"] == report["spellings"]["listed"]


def test_before_anything_is_accepted_nothing_is_compared(good):
    report = judge(good)
    assert failed(report) == set()
    assert DRIFT.isdisjoint(report["expectations"])
    assert report["drift"]["compared"] is False
    assert "no data have been accepted yet" in report["drift"]["nothing"]


def test_the_accepted_data_themselves_meet_every_expectation_of_drift(good):
    accept(good)
    report = judge(good, "refuse")
    assert failed(report) == set()
    assert set(report["expectations"]) >= DRIFT
    assert report["drift"]["features"]["total"] == report["drift"]["nodes"]["total"] == 0


def drifted(good: Prepared) -> Prepared:
    """Every kind of drift at once, among 240 examples more."""
    more = ready([*LABELS, *([("d",)] * 240)])
    x = np.array(more.features)
    x[:, 0] = np.where(np.arange(len(x)) % 3 == 0, np.nan, x[:, 0] * 20)
    names = {"a": "A1", "b": "b", "c": "c", "d": "d", "root": "root"}
    return dataclasses.replace(
        more,
        features=np.hstack([x[:, :1], x[:, 1:] + 0.5]),
        feature_names=("size", "cube"),
        examples=more.examples.assign(id=[f"{i}!" for i in more.examples["id"]]),
        nodes=more.nodes.assign(id=more.nodes["id"].map(names)).sort_values(
            ["depth", "id"], ignore_index=True
        ),
        edges=more.edges.map(names.__getitem__).sort_values("child", ignore_index=True),
    )


def base(good: Prepared) -> Prepared:
    """Whole numbers, so that others are of another kind."""

    def round_up(x):
        x[:, 0] = np.round(4 * x[:, 0])

    return with_features(good, round_up)


def test_every_drift_is_provoked_and_warns(good):
    accept(base(good))
    report = judge(drifted(good))
    assert failed(report) >= DRIFT
    assert {report["expectations"][name]["severity"] for name in DRIFT} == {"warning"}
    listed = {row["feature"]: row["findings"] for row in report["drift"]["features"]["listed"]}
    assert listed["square"] == ["vanished"]
    assert listed["cube"] == ["new"]
    assert set(listed["size"]) == {
        "other kind", "beyond its range", "moved", "missing more or less often",
    }  # fmt: skip
    found = {row["node"]: row["findings"] for row in report["drift"]["nodes"]["listed"]}
    assert found["a"] == ["vanished"]
    assert found["A1"] == ["new"]
    assert found["d"] == ["support changed"]
    assert report["drift"]["examples"] == {"looked_at": 240, "vanished": 240, "total": 240}


def test_drift_is_refused_where_it_was_asked_for_and_what_is_new_is_not(good):
    accept(base(good))
    prepared.write(drifted(good))
    with pytest.raises(ValidationError, match=r"no_feature_vanished.*such as square"):
        validate.run(config("refuse"))
    report = validated.read_report()
    assert report["passed"] is False
    severities = {e["name"]: e["severity"] for e in report["expectations"] if e["drift"]}
    new = {name for name, severity in severities.items() if severity == "warning"}
    assert new == {"no_feature_is_new", "no_node_is_new"}
    page = (paths.VALIDATION / "validation.html").read_text(encoding="utf-8")
    assert "Refused: " in page


def test_drift_is_not_looked_for_where_it_is_to_be_ignored(good):
    accept(base(good))
    report = judge(drifted(good), "ignore")
    assert DRIFT.isdisjoint(report["expectations"])
    assert report["drift"] == {"compared": False, "nothing": "validate.drift is `ignore`"}


def test_another_data_set_is_not_compared(good):
    accept(good)
    report = judge(dataclasses.replace(good, info={**good.info, "name": "other"}), "refuse")
    assert "these are 'other'" in report["drift"]["nothing"]
    assert DRIFT.isdisjoint(report["expectations"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<<<<<<< ours", "expected JSON in data/accepted.json"),
        ('{"schema": 9}', "expected schema 1 in data/accepted.json"),
        (
            '{"schema": 1}',
            "expected dataset, examples, features, hierarchy, labels_per_ex",
        ),
        (
            '{"schema": 1, "dataset": "toy", "nodes": []}',
            "expected examples, features, hierarchy, labels_per_ex",
        ),
    ],
)
def test_a_damaged_accepted_profile_is_refused(good, content, message):
    prepared.write(good)
    paths.ACCEPTED.write_text(content)
    with pytest.raises(ArtifactError, match=message):
        validate.run(config())


@pytest.mark.parametrize("name", ERRORS)
def test_broken_data_are_refused_beside_accepted_ones_too(name, good):
    accept(good)
    prepared.write(ERRORS[name][0](good))
    with pytest.raises(ValidationError, match=name):
        validate.run(config())
    report = validated.read_report()
    assert report["drift"]["compared"] is True


def test_warnings_are_told_to_who_watches_and_where_the_page_is(good, capsys):
    judge(good)
    assert capsys.readouterr().out == ""
    judge(dataclasses.replace(good, nodes=good.nodes.assign(name="x")))
    said = "1 warning in reports/validation/validation.html: each_node_has_one_spelling\n"
    assert capsys.readouterr().out == said
    prepared.write(dataclasses.replace(good, examples=good.examples.assign(id="same")))
    with pytest.raises(ValidationError, match=r"\nAll of it: reports/validation/validation.html$"):
        validate.run(config())


def test_the_same_data_give_the_same_files(good):
    accept(base(good))
    runs = []
    for _ in range(2):
        judge(drifted(good))
        runs.append({path.name: path.read_bytes() for path in sorted(paths.VALIDATION.iterdir())})
    assert runs[0] == runs[1]
    assert set(runs[0]) == {"validation.json", "validation.html", "profile.json", "passed.json"}


def test_what_later_stages_wait_for_is_the_same_whatever_else_was_found(good):
    judge(good)
    before = (paths.VALIDATION / "passed.json").read_bytes()
    data_commands.accept()
    judge(drifted(good))
    assert (paths.VALIDATION / "passed.json").read_bytes() == before


def test_tables_that_do_not_fit_together_leave_a_page_and_no_profile(good):
    prepared.write(dataclasses.replace(good, feature_names=("size",)))
    with pytest.raises(ValidationError):
        validate.run(config())
    assert not paths.PROFILE.exists()
    assert json.loads((paths.VALIDATION / "passed.json").read_text())["passed"] is False
    page = (paths.VALIDATION / "validation.html").read_text(encoding="utf-8")
    assert "Refused: 0 of 1 expectations are met; 1\N{NO-BREAK SPACE}error." in page


def test_infinite_features_are_refused_with_a_page(good):
    def spoil(x):
        x[good.rows("train")[0], 0] = np.inf

    prepared.write(with_features(good, spoil))
    with pytest.raises(ValidationError, match="features_are_finite"):
        validate.run(config())
    assert files.read_json(paths.PROFILE)["features"][0]["name"] == "size"


def test_labels_without_any_are_no_fault(good):
    nothing = dataclasses.replace(good, labels=sparse.csr_array(good.labels.shape, dtype=bool))
    report = judge(nothing)
    assert "examples_have_labels" in failed(report)
    assert report["leaks"]["total"] == 0
