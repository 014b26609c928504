"""`rarenode data accept`."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.artifacts import files, paths, prepared, validated
from pipeline.config import parse
from pipeline.errors import ValidationError
from pipeline.stages import validate
from tests.stages.ready import ready

BELL = "\x1b[31m\x07"


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (".git", ".dvc", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    paths.ACCEPTED.write_text('{"schema": 1, "dataset": null}')
    return tmp_path


def valid(rows: int = 20, drift: str = "warn", **changes: Any) -> None:
    data = ready([("c",), ("d",), ("a",), ("b",)] * rows, **changes)
    prepared.write(data)
    validate.run(parse({"validate": {"drift": drift}}, "test"))


def refused(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one message, and the accepted profile as it was."""
    before = paths.ACCEPTED.read_bytes()
    assert cli.main(["data", "accept"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert paths.ACCEPTED.read_bytes() == before


def test_what_was_validated_is_accepted_and_said(capsys):
    valid()
    assert cli.main(["data", "accept"]) == 0
    assert paths.ACCEPTED.read_bytes() == paths.PROFILE.read_bytes()
    assert capsys.readouterr().out == (
        "hpo_eye: 80 examples, 2 features, 5 nodes\nAccepted in data/accepted.json: commit it.\n"
    )


def _written() -> tuple[int, int]:
    """Tells whether the file was written; to read it may change its status, too."""
    status = paths.ACCEPTED.stat()
    return status.st_ino, status.st_mtime_ns


def test_accepting_again_changes_nothing(capsys):
    valid()
    cli.main(["data", "accept"])
    before = _written()
    capsys.readouterr()
    assert cli.main(["data", "accept"]) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert _written() == before


def test_what_changed_is_printed_and_names_are_data(capsys):
    valid()
    cli.main(["data", "accept"])
    capsys.readouterr()
    nodes = {name: name for name in ("root", "a", "b", "c", BELL, *(f"n{i}" for i in range(7)))}
    edges = tuple((name, "root") for name in nodes if name != "root")
    data = ready([("c",), (BELL,), ("a",), ("b",)] * 30, nodes=nodes, edges=edges)
    prepared.write(data)
    validate.run(parse({}, "test"))
    capsys.readouterr()
    assert cli.main(["data", "accept"]) == 0
    assert capsys.readouterr().out == (
        "hpo_eye: 80 -> 120 examples\n"
        "  2 -> 2 features\n"
        "  5 -> 12 nodes\n"
        f"    new: {BELL!r}, 'n0', 'n1', 'n2', 'n3' and 3 more\n"
        "    vanished: 'd'\n"
        "Accepted in data/accepted.json: commit it.\n"
    )


def test_another_data_set_takes_the_place_of_the_accepted_one(capsys):
    valid()
    paths.ACCEPTED.write_text(
        json.dumps(json.loads(paths.PROFILE.read_text()) | {"dataset": "old"})
    )
    assert cli.main(["data", "accept"]) == 0
    assert "hpo_eye: 80 examples, 2 features, 5 nodes, instead of 'old'\n" in (
        capsys.readouterr().out
    )


def test_without_a_validation_nothing_is_accepted(capsys):
    refused("expected the file reports/validation/validation.json, found none", capsys)


def test_data_that_were_prepared_after_the_validation_are_not_accepted(capsys):
    valid()
    prepared.write(ready([("c",), ("d",), ("a",), ("b",)] * 21))
    refused("found it to describe other data. Run `rarenode run`", capsys)


def test_a_validation_of_data_that_are_gone_is_not_accepted(capsys):
    valid()
    (paths.PREPARED / "dataset.json").unlink()
    refused("found it to describe other data", capsys)


def test_data_that_broke_an_expectation_are_not_accepted(capsys):
    data = ready([("c",), ("d",), ("a",), ("b",)] * 20)
    prepared.write(data.__class__(**{**vars(data), "examples": data.examples.assign(id="same")}))
    with pytest.raises(ValidationError):
        validate.run(parse({}, "test"))
    refused("found broken in reports/validation: example_ids_are_unique. Mend the data", capsys)


def test_a_damaged_accepted_profile_is_not_overwritten(capsys):
    valid()
    paths.ACCEPTED.write_text("<<<<<<< ours")
    refused("expected JSON in data/accepted.json", capsys)


def test_accepting_overrules_the_drift_that_was_refused():
    valid()
    cli.main(["data", "accept"])
    fewer = {"nodes": {"root": "r", "a": "a", "b": "b"}, "edges": (("a", "root"), ("b", "root"))}
    data = ready([("a",), ("b",)] * 60, **fewer)
    prepared.write(data)
    with pytest.raises(ValidationError, match="no_node_vanished"):
        validate.run(parse({"validate": {"drift": "refuse"}}, "test"))
    assert cli.main(["data", "accept"]) == 0
    validate.run(parse({"validate": {"drift": "refuse"}}, "test"))
    assert validated.read_report()["passed"] is True
    assert files.read_json(paths.ACCEPTED)["hierarchy"]["nodes"] == 3


def test_accepting_beside_a_run_is_refused(capsys):
    from flows import workspace

    with workspace.exclusive():
        refused("expected no other run in ", capsys)


def test_a_folder_that_is_no_workspace_is_refused(capsys):
    Path("dvc.yaml").unlink()
    refused("expected dvc.yaml in ", capsys)
