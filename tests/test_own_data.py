"""`rarenode init`: what it finds out, writes down and says, and nothing half-written."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli, own_data
from pipeline.config import edit, load
from pipeline.config.tables import Tables
from pipeline.datasets.verified import sha256_of
from pipeline.errors import DatasetError
from tests.bad_inputs import workspace
from tests.bad_inputs.workspace import FEATURES, LABELS

CARD = Path("data/cards/features.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*options: str) -> Tables:
    """What params.yaml holds after the command; the last of an option counts."""
    assert cli.main([*workspace.INIT, *options]) == 0
    tables = load().tables
    assert tables is not None
    return tables


def section(name: str, tables: Tables) -> dict[str, Any]:
    """A part of what was found out, without path and sha256."""
    found = tables.model_dump(exclude_defaults=True)[name]
    return {key: value for key, value in found.items() if key not in ("path", "sha256")}


def test_what_was_found_out_is_in_the_parameters():
    tables = init()
    assert section("features", tables) == {
        "id": "id",
        "numeric": ["age"],
        "categorical": ["patient", "colour"],
        "boolean": ["smokes"],
        "date": ["seen"],
        "text": ["note"],
    }
    assert section("labels", tables) == {"layout": "delimited", "id": "id", "node": "labels"}
    assert section("hierarchy", tables) == {"format": "edges", "child": "child", "parent": "parent"}
    assert load().dataset == "features"
    for role in ("features", "labels", "hierarchy"):
        file = getattr(tables, role)
        assert file.path == f"{role}.csv"
        assert file.sha256 == sha256_of(Path(file.path))


def test_it_says_what_it_found_and_what_changed(capsys: pytest.CaptureFixture[str]):
    init("--groups", "patient")
    said = capsys.readouterr().out
    for line in (
        "Data set features",
        "  examples   12 in 6 groups, named by column 'id'",
        "  columns    1 numeric: 'age'",
        "             1 categorical: 'colour'",
        "  missing    0 of 60 values (0.0%)",
        "  hierarchy  5 nodes, 5 edges: a DAG of 3 levels with the root 'top'",
        "  labels     delimited, 1 to 2 per example (median 1), 4 nodes used",
        "+dataset: features # `rarenode data list` tells which there are; or the name of your own tables",
        "Next: rarenode run",
    ):
        assert line in said.splitlines()
    card = CARD.read_text()
    assert card.startswith("# features\n")
    assert "  columns    1 numeric: 'age'\n" in card
    assert "+dataset" not in card


def test_a_second_time_nothing_changes_and_what_people_wrote_stays(
    capsys: pytest.CaptureFixture[str],
):
    init()
    before = workspace.tree(Path())
    init()
    assert workspace.tree(Path()) == before
    written = CARD.read_bytes()
    CARD.write_bytes(written.replace(b"say it here", b"from the clinic in Z\xfcrich"))
    init("--text", "note", "--groups", "patient")
    again = CARD.read_bytes()
    assert b"from the clinic in Z\xfcrich" in again
    assert b"12 in 6 groups" in again
    assert again.count(b"## What") == 1


def test_what_is_said_of_columns_counts():
    options = ("--text", "colour", "--ignored", "note", "smokes", "--categorical", "age")
    found = section("features", init(*options, "--groups", "patient", "--name", "mine"))
    assert found == {
        "id": "id",
        "group": "patient",
        "numeric": [],
        "categorical": ["age"],
        "date": ["seen"],
        "text": ["colour"],
        "ignored": ["smokes", "note"],
    }
    assert load().dataset == "mine"
    assert Path("data/cards/mine.md").is_file()


@pytest.mark.parametrize("column", ["seen", "note"])
def test_dates_and_texts_that_differ_in_every_row_are_no_ids(column: str):
    rows = [line.split(",") for line in FEATURES.splitlines()]
    for number, row in enumerate(rows[1:]):
        row[6] = f"a pain number {number}"
    keep = [place for place, name in enumerate(rows[0]) if name in ("age", column)]
    text = "".join(",".join(row[place] for place in keep) + "\n" for row in rows)
    Path("features.csv").write_text(text)
    Path("labels.csv").write_text("labels\n" + "a\nb\n" * 6)
    tables = init()
    assert tables.features.id is None
    assert column in (*tables.features.date, *tables.features.text)


def test_a_name_that_tells_all_rows_apart_is_the_id():
    Path("features.csv").write_text(FEATURES.replace("id,patient", "sample,patient"))
    assert init().features.id == "sample"


def test_labels_among_the_features_are_no_features():
    labels = ["labels", *("a;b", "c", "d") * 4]
    rows = [f"{row},{one}" for row, one in zip(FEATURES.splitlines(), labels, strict=True)]
    Path("features.csv").write_text("\n".join(rows))
    tables = init("--labels", "features.csv")
    assert tables.features.ignored == ["labels"]
    assert tables.labels.node == "labels"
    assert "labels" not in (*tables.features.categorical, *tables.features.text)


def test_without_a_hierarchy_labels_are_paths():
    Path("labels.csv").write_text(LABELS.replace("a;b", "x>y;z").replace(",c", ",x>w"))
    arguments = ["init", "--features", "features.csv", "--labels", "labels.csv"]
    assert cli.main([*arguments, "--separator", ">"]) == 0
    tables = load().tables
    assert tables is not None
    assert (tables.hierarchy, tables.separator) == (None, ">")


def test_relations_of_an_ontology_can_be_chosen():
    terms = "".join(
        f"[Term]\nid: {node}\n{relation}\n\n"
        for node, relation in (
            ("top", ""),
            ("a", "is_a: top"),
            ("b", "is_a: top"),
            ("c", "relationship: part_of a"),
            ("d", "is_a: a"),
        )
    )
    Path("h.obo").write_text(f"format-version: 1.2\n\n{terms}")
    tables = init("--hierarchy", "h.obo", "--relations", "is_a", "part_of")
    assert tables.hierarchy is not None
    assert (tables.hierarchy.format, tables.hierarchy.relations) == ("obo", ["is_a", "part_of"])


def test_files_elsewhere_are_known_by_their_absolute_path(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
):
    other = tmp_path_factory.mktemp("other") / "features.csv"
    other.write_text(FEATURES)
    assert init("--features", str(other)).features.path == str(other)
    assert init("--features", str(folder / "features.csv")).features.path == "features.csv"


def test_nothing_is_written_where_the_parameters_are_read_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    message = workspace.refusal(workspace.INIT, capsys)
    assert message.endswith("expected a writable file params.yaml, found it read-only")
    assert not CARD.exists()


def test_files_that_changed_get_their_new_sha256():
    init()
    assert own_data.changed(load()) == []
    Path("labels.csv").write_text(LABELS.replace("e0,a;b", "e0,a"))
    Path("hierarchy.csv").unlink()  # who has only the copies runs with these
    changes = own_data.changed(load())
    assert changes == [("tables.labels.sha256", sha256_of(Path("labels.csv")))]
    edit.plan(changes).write()
    assert own_data.changed(load()) == []
    Path("features.csv").unlink()
    Path("features.csv").symlink_to("/etc/passwd")
    with pytest.raises(DatasetError, match="found a link to /etc/passwd"):
        own_data.changed(load())


def test_a_data_set_of_ours_has_no_files_of_ones_own():
    init()
    edit.plan([("dataset", "hpo_eye")]).write()
    Path("labels.csv").write_text("")
    assert own_data.changed(load()) == []
