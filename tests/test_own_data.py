"""`rarenode init`: what it finds out, writes down and says, and nothing half-written."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows import terminal
from pipeline import cli, own_data, own_files
from pipeline.config import edit, load
from pipeline.config.tables import Tables
from pipeline.datasets import registry
from pipeline.datasets.tables import kinds
from pipeline.datasets.tables.formats import text as text_format
from pipeline.datasets.tables.source import OwnTables
from pipeline.datasets.verified import sha256_of
from pipeline.errors import DatasetError
from tests.bad_inputs import workspace
from tests.bad_inputs.workspace import FEATURES, HIERARCHY, LABELS

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
        "  examples   12 in 6 groups of column 'patient', named by column 'id'",
        "  columns    1 numeric: 'age'",
        "             1 categorical: 'colour'",
        "  missing    0 of 60 values (0.0%)",
        "  hierarchy  5 nodes, 5 edges: a DAG of 3 levels with the root 'top'",
        "  labels     delimited, 1 to 2 per example (median 1), 4 nodes used",
        "+dataset: features # `rarenode data list` tells which there are",
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
    assert own_files.changed(load()) == []
    Path("labels.csv").write_text(LABELS.replace("e0,a;b", "e0,a"))
    Path("hierarchy.csv").unlink()  # who has only the copies runs with these
    changes = own_files.changed(load())
    assert changes == [("tables.labels.sha256", sha256_of(Path("labels.csv")))]
    edit.plan(changes).write()
    assert own_files.changed(load()) == []
    Path("features.csv").unlink()
    Path("features.csv").symlink_to("/etc/passwd")
    with pytest.raises(DatasetError, match="found a link to /etc/passwd"):
        own_files.changed(load())


def test_a_data_set_of_ours_has_no_files_of_ones_own():
    init()
    edit.plan([("dataset", "hpo_eye")]).write()
    Path("labels.csv").write_text("")
    assert own_files.changed(load()) == []


@pytest.mark.parametrize(
    ("assigned", "says"),
    [
        ("tables.features.id=nobody", "features.csv: expected columns 'nobody', as params.yaml"),
        ("tables.features.numeric=[agee]", "expected columns 'agee', as params.yaml says, found"),
        ("tables.labels.node=label", "labels.csv: expected columns 'label', as params.yaml says"),
        ("tables.hierarchy.child=kid", "hierarchy.csv: expected columns 'kid', as params.yaml say"),
        ("tables.features.path=labels.csv", "labels.csv: expected columns 'colour', 'smokes'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_before_anything_is_written(
    assigned: str, says: str, capsys: pytest.CaptureFixture[str]
):
    init("--groups", "patient")
    message = workspace.refusal(["run", "--set", assigned], capsys)
    assert says in message


def test_a_file_that_is_gone_is_noted_where_its_copy_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    init()
    monkeypatch.setattr(terminal, "run", lambda told: 0)
    copies = Path("data/raw/features")
    copies.mkdir(parents=True)
    for name in ("labels.csv", "hierarchy.csv"):
        Path(name).rename(copies / name)
    Path("hierarchy.csv").write_text((copies / "hierarchy.csv").read_text())
    capsys.readouterr()
    assert cli.main(["run"]) == 0
    said = "Note: 'labels.csv' is gone; going on with the copy data/raw/features/labels.csv.\n"
    assert capsys.readouterr().err == said


def put(features: str, labels: str, hierarchy: str | None = None) -> own_data.Request:
    """Files of these contents, and the request of no option."""
    Path("f.csv").write_text(features)
    Path("l.csv").write_text(labels)
    if hierarchy is not None:
        Path("h.csv").write_text(hierarchy)
    return own_data.Request(Path("f.csv"), Path("l.csv"), hierarchy and Path("h.csv"))


TREE = "child,parent\na,top\nb,top\ntop,\n"


def test_numbers_are_ids_where_the_labels_have_the_column_too():
    rows = [*range(1, 13)]
    features = "sample,x\n" + "".join(f"{row},{row % 5}.5\n" for row in rows)
    order = [*rows[6:], *rows[:6]]
    labels = "sample,what\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in order)
    found = own_data.understand(put(features, labels, TREE))
    assert found.tables.features.id == found.tables.labels.id == "sample"
    assert found.raw.labels == tuple(("ab"[row % 2],) for row in rows)
    assert [*found.raw.attributes.columns] == ["x"]


def test_columns_of_labels_that_nobody_reads_are_asked_about():
    features = "x,y\n" + "".join(f"{row}.5,1\n" for row in range(12))
    labels = "who,labels\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(12))
    with pytest.raises(DatasetError, match=r"labels' column alone, .* found 'who' as well"):
        own_data.understand(put(features, labels, TREE))


def test_one_table_of_an_id_and_a_label_in_each_row_is_enough():
    rows = "".join(f"e{row},{row}.5,{'ab'[row % 2]}\n" for row in range(12))
    request = replace(put(f"id,x,species\n{rows}", "", TREE), labels=Path("f.csv"))
    found = own_data.understand(replace(request, label_column="species"))
    assert found.tables.labels.layout == "delimited"
    assert found.raw.labels == tuple(("ab"[row % 2],) for row in range(12))


@pytest.mark.parametrize(("sign", "delimiter"), [(">", ";"), ("|", ";"), ("/", "|"), ("/", ",")])
def test_what_is_between_the_parts_of_paths_is_found_out(sign: str, delimiter: str):
    paths = [f"r {sign} {one} {sign} {two}" for one in "ab" for two in "cd"]
    cells = [f"{paths[row % 4]}{delimiter} {paths[(row + 1) % 4]}" for row in range(12)]
    features = "id,x\n" + "".join(f"e{row},{row}.5\n" for row in range(12))
    labels = "id,paths\n" + "".join(f'e{row},"{cell}"\n' for row, cell in enumerate(cells))
    found = own_data.understand(put(features, labels))
    assert found.tables.separator == sign
    assert len(found.raw.nodes) == 7
    assert len(found.raw.edges) == 6


def test_labels_that_are_no_paths_need_a_hierarchy():
    features = "id,x\n" + "".join(f"e{row},{row}.5\n" for row in range(12))
    labels = "id,label\n" + "".join(f"e{row},{'ab'[row % 2]}\n" for row in range(12))
    with pytest.raises(DatasetError, match=r"labels that are paths .* no --hierarchy, found 'a'"):
        own_data.understand(put(features, labels))


NAMES = ["animal", "fox", "red fox", "grey wolf", "barn owl", "tawny owl", "owl, snowy"]
OF_NAMES = "child;parent\n" + "".join(f"{name};{NAMES[0]}\n" for name in NAMES[1:])


def named(cells: list[str], *, in_features: bool) -> own_data.Request:
    """Files whose labels are in a column of the features, or in a table of their own."""
    rows = [f"e{row};{row}.5;{cell}\n" for row, cell in enumerate(cells)]
    features = "id;x;species\n" + "".join(rows)
    labels = "id;species\n" + "".join(f"e{row};{cell}\n" for row, cell in enumerate(cells))
    request = replace(put(features, labels, OF_NAMES), label_column="species")
    return replace(request, labels=request.features) if in_features else request


@pytest.mark.parametrize("in_features", [True, False])
@pytest.mark.parametrize("wrong", ["Red fox", "red foxx", "Owl, snowy", "FOX"])
def test_a_misspelt_label_is_one_problem_and_makes_no_blank_or_comma_a_delimiter(
    wrong: str, in_features: bool
):
    cells = NAMES[1:] * 4
    cells[9] = wrong
    with pytest.raises(DatasetError) as error:
        own_data.understand(named(cells, in_features=in_features))
    meant = wrong.lower().replace("xx", "x")
    file = "f.csv" if in_features else "l.csv"
    assert str(error.value) == (
        f"{file}, line 11: expected nodes of the hierarchy, found '{wrong}'; "
        f"did you mean '{meant}'?"
    )


def test_labels_with_nothing_alike_are_all_named_as_they_stand():
    cells = [*NAMES[1:] * 4, "grey heron", "stoat"]
    with pytest.raises(DatasetError) as error:
        own_data.understand(named(cells, in_features=True))
    assert str(error.value).startswith("2 problems in 1 file:\n")
    assert "line 26: expected nodes of the hierarchy, found 'grey heron'" in str(error.value)
    assert "line 27: expected nodes of the hierarchy, found 'stoat'" in str(error.value)


@pytest.mark.parametrize("sign", [" ", ",", "|", "\t"])
def test_what_is_between_nodes_is_found_in_spite_of_a_misspelt_one(sign: str):
    cells = [f"a{sign}b", "c", f"b{sign}c", "a"] * 6 + [f"C{sign}a", f"b{sign}d", "b"]
    rows = "".join(f"e{row};{row}.5;{cell}\n" for row, cell in enumerate(cells))
    tree = "child,parent\na,top\nb,top\nc,top\n"
    request = put(f"id;x;what\n{rows}", "", tree)
    with pytest.raises(DatasetError) as error:
        own_data.understand(replace(request, labels=request.features, label_column="what"))
    said = str(error.value)
    assert said.startswith("2 problems in 1 file:\n")
    assert "line 26: expected nodes of the hierarchy, found 'C'; did you mean 'c'?" in said
    assert "line 27: expected nodes of the hierarchy, found 'd'" in said


ILLS = ["asthma", "diabetes", "flu", "gout", "measles"]
OF_ILLS = "child,parent\n" + "".join(f"{name},ill\n" for name in ILLS)


def ills(cells: list[str], **said: Any) -> str:
    """What is wrong with a column of these labels."""
    rows = "".join(f"e{row}#{row}.5#{cell}\n" for row, cell in enumerate(cells))
    Path("f.tsv").write_text(f"id#x#ill\n{rows}".replace("#", "\t"), encoding="utf-8")
    request = replace(put("-", "-", OF_ILLS), features=Path("f.tsv"), labels=Path("f.tsv"))
    with pytest.raises(DatasetError) as error:
        own_data.understand(replace(request, label_column="ill", **said))
    return str(error.value).replace("f.tsv, line 92: expected nodes of the hierarchy, ", "")


@pytest.mark.parametrize("sign", [";", "|", "; "])
def test_the_only_cell_with_two_labels_is_cut_though_one_is_misspelt(sign: str):
    found = ills([*ILLS * 18, f"asthma{sign}diabetis"])
    assert found == "found 'diabetis'; did you mean 'diabetes'?"


def test_a_blank_between_nodes_is_found_in_spite_of_one_misspelt_among_few():
    cells = [*ILLS * 17, "gout", "flu", "asthma", "flu asthma", "flu gout", "flu asthmo"]
    assert ills(cells) == "found 'asthmo'; did you mean 'asthma'?"


@pytest.mark.parametrize(
    ("cell", "said", "found"),
    [
        # Who took the nearest node for these would lose the other one.
        ("asthma,diabetis", {}, "--delimiter ',' says what is between them"),
        ("flu asthmo", {}, "--delimiter ' ' says what is between them"),
        ("asthmo;diabetis", {}, "--delimiter ';' says what is between them"),
        ("asthma;diabetes", {"delimiter": "|"}, "--delimiter ';' says what is between them"),
    ],
)
def test_no_node_is_suggested_for_a_cell_of_several(cell: str, said: dict[str, Any], found: str):
    assert ills([*ILLS * 18, cell], **said) == f"found '{cell}'; are these several nodes? {found}"


def test_where_another_sign_is_between_nodes_it_is_named():
    found = ills([*ILLS * 17, *["flu|gout"] * 5, "asthma;diabetis"])
    assert found.endswith(
        "found 'asthma;diabetis'; are these several nodes? '|' is between them elsewhere"
    )


def test_a_node_that_has_another_one_in_its_name_is_suggested_all_the_same():
    cells = [*NAMES[1:] * 4, "rad fox", "fox wolff"]
    with pytest.raises(DatasetError) as error:
        own_data.understand(named(cells, in_features=True))
    assert "found 'rad fox'; did you mean 'red fox'?" in str(error.value)


def test_a_column_of_zeros_and_ones_that_is_no_node_is_named():
    features = "id,x\n" + "".join(f"e{row},{row}.5\n" for row in range(12))
    rows = "".join(f"e{row},{row % 2},1,0\n" for row in range(12))
    with pytest.raises(DatasetError, match=r"as 2 are, found 'topp'; did you mean 'top'\?"):
        own_data.understand(put(features, f"id,a,b,topp\n{rows}", TREE))


def test_what_is_said_of_a_column_is_not_judged():
    cells = ["1,5", "2,5", "3.0"]
    features = "id;price;x\n" + "".join(f"e{row};{cells[row % 3]};{row}\n" for row in range(12))
    labels = "id,label\n" + "".join(f"e{row},{'ab'[row % 2]}\n" for row in range(12))
    request = put(features, labels, TREE)
    with pytest.raises(DatasetError, match=r"decimal point in column 'price' \(--ignored"):
        own_data.understand(request)
    found = own_data.understand(replace(request, kinds={"price": "ignored"}))
    assert found.tables.features.ignored == ["price"]


def test_an_index_of_pandas_is_an_id_only_if_it_is_said():
    put("", "id,label\n" + "".join(f"e{row},{'ab'[row % 2]}\n" for row in range(12)), TREE)
    rows = {"id": [f"e{row}" for row in range(12)], "x": [row / 2 for row in range(12)]}
    pd.DataFrame(rows, index=[*range(1, 12), 0]).to_parquet("f.parquet")
    request = own_data.Request(Path("f.parquet"), Path("l.csv"), Path("h.csv"))
    features = own_data.understand(request).tables.features
    index = "__index_level_0__"
    assert (features.id, features.ignored) == ("id", [index])
    labels = pd.DataFrame({"label": ["a", "b"] * 6}, index=range(12))
    labels.to_csv("l.csv", index_label=index)
    with pytest.raises(DatasetError, match="expected a column with the ids of the examples"):
        own_data.understand(request)
    request = replace(request, id=index, kinds={"id": "ignored"})
    features = own_data.understand(request).tables.features
    assert (features.id, features.ignored) == (index, ["id"])


def test_a_new_column_is_no_feature_in_silence():
    features = "id,x\n" + "".join(f"e{row},{row}.5\n" for row in range(12))
    labels = "id,label\n" + "".join(f"e{row},{'ab'[row % 2]}\n" for row in range(12))
    found = own_data.understand(put(features, labels, TREE))
    Path("f.csv").write_text(features.replace(",", ",1,").replace("id,1,", "id,answer,"))
    roles = {"features": Path("f.csv"), "labels": Path("l.csv"), "hierarchy": Path("h.csv")}
    with pytest.raises(DatasetError, match=r"that params\.yaml names alone .* found 'answer'"):
        OwnTables("f", found.tables).read_from(roles)


def test_what_a_column_is_does_not_depend_on_the_order_of_its_rows(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(text_format, "_BYTES", 4096)
    codes = [*(str(number) for number in range(1300)), *(f"A{number}" for number in range(700))]
    rows = codes * 3
    found = set()
    for order in (rows, rows[::-1], sorted(rows)):
        Path("f.csv").write_text("code\n" + "".join(f"{one}\n" for one in order))
        (column,) = kinds.understand(Path("f.csv"))
        found.add((column.kind, column.distinct))
    assert found == {("ignored", 2000)}


def test_names_of_two_words_that_come_often_are_categories():
    names = ["United States", "Costa Rica", "South Africa"]
    Path("f.csv").write_text("country\n" + "".join(f"{names[n % 3]}\n" for n in range(60)))
    assert kinds.understand(Path("f.csv"))[0].kind == "categorical"


def test_another_init_takes_back_the_split_by_time():
    init("--time", "seen")
    assert load().prepare.split_by == "time"
    init("--name", "other")
    assert load().prepare.split_by == "hash"


def test_another_name_is_no_data_set():
    init()
    config = load()
    assert isinstance(registry.of(config), OwnTables)
    with pytest.raises(DatasetError, match=r"found 'featurs'\. Did you mean 'features'\?"):
        registry.of(config.model_copy(update={"dataset": "featurs"}))
    assert not isinstance(registry.of(config.model_copy(update={"dataset": "hpo_eye"})), OwnTables)


STATED = {
    "long": (
        "id,node,state\n" + "".join(f"e{n},{'cdb'[n % 3]},yes\n" for n in range(12))
        + "e0,d,?\ne1,c,no\n",
        ["--label-state", "state"],
        {"layout": "long", "id": "id", "node": "node", "state": "state"},
    ),
    "delimited": (
        "id,labels,not,maybe\n"
        + "".join(
            f"e{n},{'cdb'[n % 3]},{'c' if n == 1 else ''},{'d' if n == 0 else ''}\n"
            for n in range(12)
        ),
        ["--label-negative", "not", "--label-unknown", "maybe"],
        {"layout": "delimited", "id": "id", "node": "labels", "negative": "not",
         "unknown": "maybe"},
    ),
    "one_hot": (
        "id,a,b,c,d\n"
        + "".join(
            f"e{n},0,{n % 3 // 2},{1 - (n % 3 + 1) // 2},{'?' if n == 0 else n % 3 % 2}\n"
            for n in range(12)
        ),
        [],
        {"layout": "one_hot", "id": "id"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", STATED)
def test_unknown_labels_are_told_in_each_layout(layout: str, capsys: pytest.CaptureFixture[str]):
    content, arguments, expected = STATED[layout]
    Path("labels.csv").write_text(content)
    assert section("labels", init(*arguments)) == expected
    # Nobody knows of d; of b, which lies above it, neither then. Its other parent is positive.
    said = capsys.readouterr().out
    assert "  unknown    2 of 60 labels (example, node; 3.3%)" in said
    assert "1 labels are unknown because one below them is." in said
    assert ("1 labels are stated to be negative." in said) == (layout != "one_hot")
    assert CARD.read_text().count("2 of 60 labels") == 1


def test_what_is_not_said_may_be_unknown():
    content, arguments, expected = STATED["long"]
    Path("labels.csv").write_text(content)
    tables = init(*arguments, "--label-absent", "unknown")
    assert section("labels", tables) == expected | {"absent": "unknown"}


def test_zeros_of_closed_labels_are_negatives_where_empty_cells_are_unknown():
    rows = ("1,,1,0", "1,1,0,", "1,0,,0")
    content = "id,a,b,c,d\n" + "".join(f"e{n},{rows[n % 3]}\n" for n in range(12))
    Path("labels.csv").write_text(content)
    tables = init("--label-absent", "unknown")
    assert section("labels", tables) == {"layout": "one_hot", "id": "id", "absent": "unknown"}


def test_what_is_stated_both_ways_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str],
):
    content, arguments, _ = STATED["long"]
    Path("labels.csv").write_text(content + "e1,a,no\n")
    assert workspace.refusal([*workspace.INIT, *arguments], capsys) == (
        "labels.csv: expected nothing positive at or below a negative, found 'd' below 'a' in "
        "example 'e1'"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label-state", "what"], "expected the column 'what' (--label-state), found 'id'"),
        (["--label-unknown", "labels", "--label-column", "labels"], "for one purpose"),
        (["--label-absent", "unknown"], "--label-absent unknown needs --label-negative"),
    ],
)
def test_states_that_do_not_fit_the_table_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert message in workspace.refusal([*workspace.INIT, *arguments], capsys)


def test_columns_of_states_among_the_features_are_no_features():
    head, *rows = FEATURES.splitlines()
    cells = ("a;b,,c", "c,b,", "d,,")
    content = [f"{row},{cells[number % 3]}" for number, row in enumerate(rows)]
    Path("features.csv").write_text("\n".join([f"{head},labels,lacks,maybe", *content, ""]))
    tables = init(
        *("--labels", "features.csv", "--label-column", "labels"),
        *("--label-negative", "lacks", "--label-unknown", "maybe"),
    )
    assert tables.features.ignored == ["labels", "lacks", "maybe"]
    special = (*tables.features.categorical, *tables.features.text)
    assert not {"labels", "lacks", "maybe"} & {*special}
    assert (tables.labels.negative, tables.labels.unknown) == ("lacks", "maybe")


def test_paths_that_are_only_known_to_be_absent_are_nodes_too():
    Path("labels.csv").write_text(
        "id,paths,lacks\n"
        + "".join(f"e{n},x/{'yz'[n % 2]},{'x/w' * (n == 0)}\n" for n in range(12))
    )
    arguments = ["init", "--features", "features.csv", "--labels", "labels.csv"]
    arguments += ["--label-column", "paths", "--label-negative", "lacks"]
    assert cli.main([*arguments, "--label-absent", "unknown"]) == 0
    tables = load().tables
    assert tables is not None
    raw = OwnTables("features", tables).read_from(
        {"features": Path("features.csv"), "labels": Path("labels.csv")}
    )
    assert {*raw.nodes} == {"x", "x/y", "x/z", "x/w"}
    assert raw.unknown is not None
    # Of y or z the one that is not positive, and w but for one example.
    assert raw.unknown.nnz == 12 + 11


@pytest.mark.parametrize("told", [True, False])
def test_a_column_that_looks_like_states_is_asked_about(
    told: bool, capsys: pytest.CaptureFixture[str]
):
    content = STATED["long"][0]
    Path("labels.csv").write_text(content.replace("state", "seen"))
    init(*(["--label-state", "seen"] if told else []))
    note = "  caution    Column 'seen' says positive, negative or unknown in each row, and is not"
    assert (note in capsys.readouterr().out) != told
    Path("labels.csv").write_text(content.replace("state", "seen").replace("?", "often"))
    init()
    assert note not in capsys.readouterr().out


def test_columns_of_nodes_that_are_not_read_are_asked_about(capsys: pytest.CaptureFixture[str]):
    content = STATED["delimited"][0]
    Path("labels.csv").write_text(content)
    init("--label-column", "labels")
    said = capsys.readouterr().out
    assert said.count("holds nodes, and is not read") == 2


def test_names_of_nodes_are_kept_where_the_ends_of_edges_are_said():
    head, *rows = HIERARCHY.splitlines()
    assert head == "child,parent"
    rows = [f"{row},{row[0].upper()}" for row in rows]
    Path("hierarchy.csv").write_text("\n".join(["below,above,name", *rows, ""]))
    above = init("--child", "below", "--parent", "above").hierarchy
    assert above is not None
    assert above.name == "name"


def test_an_id_that_is_missing_in_a_row_is_named(capsys: pytest.CaptureFixture[str]):
    path = Path("features.csv")
    path.write_text(path.read_text().replace("\ne3,", "\n,"))
    assert "features.csv, line 5: expected an id in column 'id', found an empty cell" in (
        workspace.refusal([*workspace.INIT], capsys)
    )


def test_ids_and_groups_are_no_numbers_that_could_be_wrong():
    """Nearly all of them look like numbers."""
    for path in map(Path, ("features.csv", "labels.csv")):
        head, *rows = path.read_text().splitlines()
        rows = [row.removeprefix("e") if row[:3] != "e1," else row for row in rows]
        path.write_text("\n".join([head, *rows, ""]))
    assert init("--id", "id").features.id == "id"
