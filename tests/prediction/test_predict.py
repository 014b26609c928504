"""Predictions of new rows: the same for an example whoever stands beside it, in every format."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import cli
from pipeline.datasets.tables.columns import read
from pipeline.datasets.tables.formats import text as text_format
from pipeline.errors import ArtifactError, DatasetError
from pipeline.hml import load_bundle, save_bundle, uncertainty
from pipeline.hml.bundle import read_extra
from pipeline.hml.decisions import decide_budget
from pipeline.prediction import drift, ids
from pipeline.prediction import model as models
from pipeline.prediction import predict as predicting
from pipeline.prediction.model import Model
from pipeline.prediction.predict import Request, predict
from tests.prediction import trained

ROWS = trained.rows(60, seed=1)
KEY = ["example", "node"]


@pytest.fixture(scope="module")
def found(trained_bundle: Path) -> Model:
    return models.load(trained_bundle)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return trained.write(tmp_path / "new.csv", ROWS)


def predicted(bundle: Path, table: Path, request: Request | None = None) -> pd.DataFrame:
    """What is written for a table."""
    output = table.with_name("out.parquet")
    predict(bundle, table, output, request or Request())
    return pd.read_parquet(output)


EVERY = Request(least=0.0)


# what is written


def test_probabilities_decisions_and_doubt_are_the_ensembles(
    trained_bundle: Path, table: Path, found: Model
):
    frame = read(table, found.plan)
    assert found._encoder is not None
    features = found._encoder.transform(frame)
    mean, members, lifted = found.ensemble.explain(features)
    uncertain = uncertainty(members, mode="mutual_information")
    decision = found.ensemble.decide(mean, "tuned")
    nodes = list(found.ensemble.hierarchy.nodes)
    written = predicted(trained_bundle, table, EVERY)
    assert list(written["example"]) == [row["id"] for row in ROWS for _ in nodes]
    assert list(written["node"]) == nodes * len(ROWS)
    assert list(written["name"]) == [f"Node {node.upper()}" for node in nodes] * len(ROWS)
    assert list(written["depth"]) == found.ensemble.hierarchy.depth.tolist() * len(ROWS)
    assert np.allclose(written["probability"], mean.ravel(), rtol=0, atol=1e-6)
    assert np.allclose(written["uncertainty"], uncertain.ravel(), rtol=0, atol=1e-6)
    assert np.array_equal(written["decision"], decision.ravel())
    assert 0 < written["decision"].sum() < len(written)
    by = [nodes[one] for one in lifted.ravel()]
    own = [one == node for one, node in zip(by, written["node"], strict=True)]
    expected = [None if is_own else one for one, is_own in zip(by, own, strict=True)]
    assert [None if pd.isna(one) else one for one in written["lifted_by"]] == expected


def test_what_lifted_a_node_lies_below_it(trained_bundle: Path, table: Path, found: Model):
    written = predicted(trained_bundle, table, EVERY)
    lifted = written[written["lifted_by"].notna()]
    assert len(lifted)
    for node, by in set(zip(lifted["node"], lifted["lifted_by"], strict=True)):
        assert by in found.ensemble.hierarchy.descendants(node) - {node}
    assert written["lifted_by"][written["node"] == "e"].isna().all()  # nothing is below it


def test_only_what_is_decided_for_is_written_unless_more_is_asked_for(
    trained_bundle: Path, table: Path
):
    every = predicted(trained_bundle, table, EVERY)
    usual = predicted(trained_bundle, table)
    assert usual["decision"].all()
    expected = every[every["decision"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(usual, expected)


@pytest.mark.parametrize("least", [0.0, 0.3, 1.0])
def test_nodes_of_at_least_a_probability_are_written_too(
    least: float, trained_bundle: Path, table: Path
):
    every = predicted(trained_bundle, table, EVERY)
    shown = predicted(trained_bundle, table, Request(least=least))
    expected = every[every["decision"] | (every["probability"] >= np.float32(least))]
    pd.testing.assert_frame_equal(shown, expected.reset_index(drop=True))


@pytest.mark.parametrize("top", [1, 3, 100])
def test_the_most_probable_nodes_of_each_are_written_too(
    top: int, trained_bundle: Path, table: Path
):
    every = predicted(trained_bundle, table, EVERY)
    place = every.groupby("example", sort=False)["probability"].rank("first", ascending=False)
    shown = predicted(trained_bundle, table, Request(top=top))
    expected = every[every["decision"] | (place <= top)]
    pd.testing.assert_frame_equal(shown, expected.reset_index(drop=True))
    assert shown.groupby("example").size().min() >= min(top, 7)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_example_has_more_nodes_than_people_can_review(
    most: int, trained_bundle: Path, table: Path, found: Model
):
    every = predicted(trained_bundle, table, EVERY)
    mean = every["probability"].to_numpy().reshape(len(ROWS), -1)
    limited = predicted(trained_bundle, table, Request(per_example=most, least=0.0))
    cuts = found.ensemble.cuts["tuned"]
    expected = decide_budget(mean, most, found.ensemble.hierarchy, cuts)
    assert np.array_equal(limited["decision"], expected.ravel())
    assert limited.groupby("example")["decision"].sum().max() == most


def test_a_rule_of_the_bundle_decides(trained_bundle: Path, table: Path, found: Model):
    half = predicted(trained_bundle, table, Request(rule="half", least=0.0))
    assert np.array_equal(half["decision"], half["probability"] >= 0.5)
    assert "prior_matched" in found.ensemble.cuts


def test_formats_hold_the_same(trained_bundle: Path, table: Path):
    folder = table.parent
    for suffix in ("parquet", "csv", "jsonl"):
        predict(trained_bundle, table, folder / f"out.{suffix}", EVERY)
    parquet = pd.read_parquet(folder / "out.parquet")
    assert parquet["probability"].dtype == np.float32
    # Each example's text is that of its float32, no more and no fewer digits.
    csv = pd.read_csv(folder / "out.csv", keep_default_na=False, dtype=str)
    lines = (folder / "out.jsonl").read_text().splitlines()
    jsonl = [json.loads(line) for line in lines]
    assert list(csv.columns) == list(parquet.columns) == list(jsonl[0])
    for name in ("example", "node", "name"):
        assert list(csv[name]) == list(parquet[name]) == [row[name] for row in jsonl]
    for name in ("probability", "uncertainty"):
        for values in (csv[name], [row[name] for row in jsonl]):
            assert np.array_equal(np.array(values, np.float32), parquet[name])
        assert max(len(repr(row[name])) for row in jsonl) < 16
    decided = [row["decision"] for row in jsonl]
    assert decided == list(parquet["decision"]) == [one == "true" for one in csv["decision"]]
    lifted = [row["lifted_by"] or "" for row in jsonl]
    assert lifted == list(parquet["lifted_by"].fillna("")) == list(csv["lifted_by"])


def test_names_that_break_lines_survive_every_format(trained_bundle: Path, tmp_path: Path):
    ids = ['a,"b"', "<i>;'", "ü\u2028x", "x" * 100_000, "two\nlines"]
    rows = [row | {"id": name} for row, name in zip(ROWS, ids, strict=False)]
    table = trained.write(tmp_path / "new.csv", rows)
    for suffix, read_it in (
        ("parquet", pd.read_parquet),
        ("csv", lambda path: pd.read_csv(path, keep_default_na=False)),
        ("jsonl", lambda path: pd.read_json(path, lines=True)),
    ):
        output = tmp_path / f"out.{suffix}"
        predict(trained_bundle, table, output, Request(top=1))
        assert list(dict.fromkeys(read_it(output)["example"])) == ids


# who stands beside whom


def assert_same(found: pd.DataFrame, whole: pd.DataFrame) -> None:
    """The same for each example and node that was found, to the last bit."""
    expected = whole.set_index(KEY).loc[pd.MultiIndex.from_frame(found[KEY])]
    pd.testing.assert_frame_equal(found.set_index(KEY), expected, check_exact=True)


@pytest.mark.parametrize(
    "order",
    [[*reversed(range(60))], [59], [3, 1, 2], [*range(0, 60, 7)], [*range(30), *range(30, 60)]],
    ids=["reversed", "alone", "three", "some", "all"],
)
def test_predictions_do_not_know_the_other_rows(
    order: Sequence[int], trained_bundle: Path, table: Path, tmp_path: Path
):
    whole = predicted(trained_bundle, table, EVERY)
    part = trained.write(tmp_path / "part.csv", [ROWS[place] for place in order])
    found = predicted(trained_bundle, part, EVERY)
    assert list(dict.fromkeys(found["example"])) == [ROWS[place]["id"] for place in order]
    assert_same(found, whole)


def test_in_the_same_place_predictions_are_the_same_bit_by_bit(
    trained_bundle: Path, table: Path, tmp_path: Path
):
    whole = predicted(trained_bundle, table, EVERY)
    half = [*ROWS[:30], *reversed(ROWS[30:50])]
    written = predicted(trained_bundle, trained.write(tmp_path / "half.csv", half), EVERY)
    count = 30 * whole["node"].nunique()
    pd.testing.assert_frame_equal(written[:count], whole[:count], check_exact=True)


def test_predictions_do_not_know_where_blocks_and_batches_end(
    trained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """More rows than a batch, in blocks of other sizes; the first ones again at the end."""
    rows = [row | {"id": f"r{place}"} for place, row in enumerate(ROWS * 19)]
    assert len(rows) > predicting.BATCH
    table = trained.write(tmp_path / "new.csv", rows)
    whole = predicted(trained_bundle, table, EVERY)
    probability = whole["probability"].to_numpy().reshape(len(rows), -1)
    assert np.array_equal(probability[: len(ROWS)], probability[-len(ROWS) :])
    monkeypatch.setattr(text_format, "_BYTES", 5000)
    pd.testing.assert_frame_equal(predicted(trained_bundle, table, EVERY), whole)
    parquet = table.with_suffix(".parquet")
    pd.read_csv(table, dtype=str, keep_default_na=False).to_parquet(parquet)
    pd.testing.assert_frame_equal(predicted(trained_bundle, parquet, EVERY), whole)


# tables


def test_columns_come_in_any_order_and_what_was_no_feature_may_be_absent(
    trained_bundle: Path, table: Path, tmp_path: Path
):
    whole = predicted(trained_bundle, table, EVERY)
    columns = ["note", "seen", "id", "age", "smokes", "colour"]  # no clinic
    other = trained.write(tmp_path / "other.csv", ROWS, columns)
    pd.testing.assert_frame_equal(predicted(trained_bundle, other, EVERY), whole)


def test_decimal_commas_are_read_as_those_of_the_training_data_would_be(
    trained_bundle: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", 500)
    whole = predicted(trained_bundle, table, EVERY)
    other = [row | {"age": row["age"].replace(".", ",")} for row in ROWS]
    written = trained.write(tmp_path / "other.csv", other)
    pd.testing.assert_frame_equal(predicted(trained_bundle, written, EVERY), whole)
    other[0] = ROWS[0]
    output = tmp_path / "none.csv"
    with pytest.raises(
        DatasetError,
        match=r"line 2: expected a number with a decimal comma in column 'age', .* '59\.9'",
    ):
        predict(trained_bundle, trained.write(tmp_path / "both.csv", other), output, EVERY)
    assert not output.exists()


def test_without_ids_rows_are_numbered_and_that_is_said(trained_bundle: Path, tmp_path: Path):
    columns = [name for name in trained.COLUMNS if name != "id"]
    table = trained.write(tmp_path / "new.csv", ROWS, columns)
    summary = predict(trained_bundle, table, tmp_path / "out.csv", Request(top=1))
    assert summary.notes[0] == "Examples are numbered by their rows: there is no id."
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(dict.fromkeys(written["example"])) == [*range(1, 61)]


def test_a_folder_of_images_is_refused_where_none_were_learnt_from(
    trained_bundle: Path, table: Path, tmp_path: Path
):
    with pytest.raises(DatasetError, match="no --images"):
        predicted(trained_bundle, table, Request(images=tmp_path))


def test_another_column_names_the_examples(trained_bundle: Path, table: Path):
    written = predicted(trained_bundle, table, Request(id="clinic", top=1))
    assert set(written["example"]) == {row["clinic"] for row in ROWS}


def test_arrays_and_arff_of_plain_features_are_predicted(
    trained_bundle: Path, found: Model, tmp_path: Path
):
    """A bundle without an encoder takes the features themselves, whatever holds them."""
    bundle = tmp_path / "plain"
    extra = {name: (trained_bundle / name).read_bytes() for name in ("nodes.json", "columns.json")}
    save_bundle(bundle, found.ensemble, extra=extra)
    frame = read(trained.write(tmp_path / "new.csv", ROWS), found.plan)
    assert found._encoder is not None
    features = found._encoder.transform(frame)
    names = np.array(found.features)
    np.savez(tmp_path / "new.npz", x=features, names=names, id=np.array([r["id"] for r in ROWS]))
    pd.DataFrame(features, columns=names).to_parquet(tmp_path / "new.parquet")
    head = "".join(f"@attribute '{name}' real\n" for name in names)
    cells = [["?" if np.isnan(one) else repr(float(one)) for one in row] for row in features]
    data = "\n".join(",".join(row) for row in cells)
    (tmp_path / "new.arff").write_text(f"{head}@data\n{data}\n")
    expected = predicted(trained_bundle, tmp_path / "new.csv", EVERY)
    for suffix in ("npz", "parquet", "arff"):
        written = predicted(bundle, tmp_path / f"new.{suffix}", EVERY)
        assert np.array_equal(written["probability"], expected["probability"])
        # Nobody called a column of the others `id`.
        ids = expected["example"] if suffix == "npz" else np.repeat(np.arange(1, 61), 7).astype(str)
        assert list(written["example"]) == list(ids)


def test_columns_that_never_differed_may_be_absent(
    trained_bundle: Path, found: Model, tmp_path: Path
):
    described = json.loads((trained_bundle / "columns.json").read_bytes())
    place = described["names"].index("smokes")
    described["low"][place] = described["high"][place] = 1.0
    extra = {
        "nodes.json": (trained_bundle / "nodes.json").read_bytes(),
        "columns.json": json.dumps(described).encode(),
    }
    save_bundle(tmp_path / "plain", found.ensemble, extra=extra)
    assert found._encoder is not None
    features = found._encoder.transform(read(trained.write(tmp_path / "new.csv", ROWS), found.plan))
    features[:, place] = 1
    whole = pd.DataFrame(features, columns=np.array(found.features))
    whole.to_parquet(tmp_path / "whole.parquet")
    expected = predicted(tmp_path / "plain", tmp_path / "whole.parquet", EVERY)
    whole.drop(columns="smokes").to_parquet(tmp_path / "less.parquet")
    written = predicted(tmp_path / "plain", tmp_path / "less.parquet", EVERY)
    pd.testing.assert_frame_equal(written, expected)
    summary = predict(
        tmp_path / "plain", tmp_path / "less.parquet", tmp_path / "out.csv", Request()
    )
    assert any(
        note.startswith("Columns that are not there")
        and note.endswith(" depends on them: 'smokes'.")
        for note in summary.notes
    )


def test_unknown_columns_are_passed_over_if_one_says_so(
    trained_bundle: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = trained.write(
        tmp_path / "other.csv",
        [row | {"x": "1", "y": ""} for row in ROWS],
        ["x", *trained.COLUMNS, "y"],
    )
    arguments = ["predict", "--model", str(trained_bundle), "--output", str(tmp_path / "out.csv")]
    assert cli.main([*arguments, "--input", str(other)]) == 2
    assert "--ignore-unknown passes over the others), found 'x', 'y'" in capsys.readouterr().err
    assert cli.main([*arguments, "--input", str(other), "--ignore-unknown"]) == 0
    said = "Note: Columns that the model does not know are passed over: 'x', 'y'.\n"
    assert said in capsys.readouterr().err
    written = (tmp_path / "out.csv").read_bytes()
    assert cli.main([*arguments, "--input", str(table)]) == 0
    assert (tmp_path / "out.csv").read_bytes() == written


@pytest.mark.parametrize("most", [100, 30])
def test_ids_that_are_there_again_are_counted(
    most: int, trained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ids, "_MOST", most)
    monkeypatch.setattr(predicting, "BATCH", 16)
    rows = [row | {"id": f"e{number // 3}"} for number, row in enumerate(ROWS)]
    table = trained.write(tmp_path / "new.csv", rows)
    summary = predict(trained_bundle, table, tmp_path / "out.csv", Request())
    again = "Ids that a row before has, too: in 40 rows of 60. Each row"
    if most == 30:
        again = "Ids that a row before has, too: in 20 rows of 30 (only the first 30 were"
    assert [note for note in summary.notes if note.startswith(again)]
    usual = predict(
        trained_bundle, trained.write(table, ROWS), tmp_path / "out.csv", Request(id="id")
    )
    assert not any(note.startswith("Ids") for note in usual.notes)


def test_an_ensemble_without_networks_is_refused_by_name(found: Model, tmp_path: Path):
    assert "network" in found.ensemble.members
    save_bundle(tmp_path / "bundle", found.ensemble)
    with pytest.raises(ArtifactError, match=r"no nodes\.json and no columns\.json"):
        models.load(tmp_path / "bundle")


# what is said


def test_the_command_says_what_was_found(
    trained_bundle: Path, table: Path, capsys: pytest.CaptureFixture[str]
):
    output = table.with_name("out.csv")
    arguments = ["predict", "--model", str(trained_bundle), "--input", str(table)]
    assert cli.main([*arguments, "--output", str(output)]) == 0
    said = capsys.readouterr()
    written = pd.read_csv(output)
    each = len(written) / len(ROWS)
    without = len(ROWS) - written["example"].nunique()
    assert f"60 examples, {each:.1f} nodes each by the rule tuned; {without} without" in said.out
    assert "Note: " not in said.err


def test_programs_are_told_what_was_found_and_by_which_model(
    trained_bundle: Path, table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    ensemble, extra = load_bundle(trained_bundle), read_extra(trained_bundle)
    about = {"name": "own", "source": "s", "version": "1", "sha256": {}}
    bundle, output = tmp_path / "bundle", table.with_name("out.csv")
    save_bundle(bundle, ensemble, config={"method": "ours", "dataset": about}, extra=extra)
    arguments = ["predict", "--json", "--input", str(table), "--output", str(output), "--model"]
    assert cli.main([*arguments, str(bundle)]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    written = pd.read_csv(output)
    assert found == {
        "schema": 1,
        "outcome": "completed",
        "error": None,
        "model": str(bundle),
        "bundle_sha256": hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest(),
        "method": "ours",
        "dataset": {"name": "own", "source": "s", "version": "1"},
        "input": str(table),
        "output": str(output),
        "rule": "tuned",
        "examples": len(ROWS),
        "decided": len(written),
        "without": len(ROWS) - written["example"].nunique(),
        "notes": [],
    }
    assert f"Written to {output}" in err
    # A bundle that was saved from Python says less.
    table.write_text(table.read_text(encoding="utf-8").replace("id,", "name,", 1), encoding="utf-8")
    assert cli.main([*arguments, str(trained_bundle), "--ignore-unknown"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert (found["method"], found["dataset"]) == (None, None)
    assert found["notes"][0] == "Examples are numbered by their rows: there is no id."
    assert [f"Note: {note}" for note in found["notes"]] == [
        line for line in err.splitlines() if line.startswith("Note: ")
    ]
    assert cli.main([*arguments, str(bundle), "--rule", "x"]) == 2
    out, err = capfd.readouterr()
    assert json.loads(out)["outcome"] == "refused"
    assert err.endswith(f"{json.loads(out)['error']}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_prediction_that_is_ended_is_told_and_leaves_nothing(
    number: signal.Signals,
    trained_bundle: Path,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    def end(*_: object) -> None:
        assert len([*table.parent.glob(".out.csv.*.unfinished")]) == 1
        os.kill(os.getpid(), number)

    monkeypatch.setattr(predicting.Drift, "see", end)
    before = sorted(table.parent.iterdir())
    arguments = ["predict", "--json", "--input", str(table), "--model", str(trained_bundle)]
    assert cli.main([*arguments, "--output", str(table.with_name("out.csv"))]) == 130
    out, err = capfd.readouterr()
    assert json.loads(out)["outcome"] == "interrupted"
    assert "Traceback" not in err
    assert sorted(table.parent.iterdir()) == before


def test_what_a_killed_prediction_left_goes_with_the_next_to_the_same_output(
    trained_bundle: Path, table: Path
):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    left = table.with_name(f".out.parquet.{dead.pid}-abcdefgh.unfinished")
    others = [
        table.with_name(f".out.parquet.{os.getpid()}-abcdefgh.unfinished"),  # at work
        table.with_name(f".out.parquet.csv.{dead.pid}-abcdefgh.unfinished"),
        table.with_name(f".out.parquet.{dead.pid}-abcdefgh.unfinished.mine"),
    ]
    for path in (left, *others):
        path.write_text("half")
    predicted(trained_bundle, table)
    assert not left.exists()
    assert all(path.exists() for path in others)


@pytest.mark.parametrize(
    ("config", "of"),
    [
        ({"dataset": {"name": "sightings"}}, " by the model of sightings:"),
        ({"dataset": {"name": "a\x1b[31m\nb"}}, " by the model of a\ufffd[31m\ufffdb:"),
        ({"dataset": {"name": 3}}, ","),
        ({"dataset": "sightings"}, ","),
        ({}, ","),
    ],
)
def test_the_command_says_which_data_the_model_is_of(
    config: dict, of: str, found: Model, trained_bundle: Path, table: Path, tmp_path: Path, capsys
):
    bundle = tmp_path / "bundle"
    save_bundle(bundle, found.ensemble, config=config, extra=read_extra(trained_bundle))
    arguments = ["predict", "--model", str(bundle), "--input", str(table)]
    assert cli.main([*arguments, "--output", str(tmp_path / "out.csv")]) == 0
    *_, said = capsys.readouterr().out.split("\n")[:-1]
    assert said.startswith(f"60 examples{of} ")


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"age": "90"}, "another mean than in the training data: 'age' (mean +"),
        ({"age": "150"}, "outside of the range of the training data: 'age' (100% of rows)"),
        ({"age": ""}, "lack values more often than in the training data: 'age' ("),
        ({"colour": "NA"}, "another mean than in the training data: 'colour="),
        ({"note": "pain"}, "in the training data: direction 7 of the text 'note' (mean -"),
    ],
)
def test_rows_that_are_far_from_what_was_learnt_from_are_noted(
    change: dict[str, str], note: str, trained_bundle: Path, tmp_path: Path
):
    rows = [row | change for row in ROWS]
    table = trained.write(tmp_path / "new.csv", rows)
    summary = predict(trained_bundle, table, tmp_path / "out.csv", Request())
    assert any(note in found for found in summary.notes), summary.notes


def test_late_directions_of_a_text_are_not_judged(
    trained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = trained.write(tmp_path / "new.csv", [row | {"note": "pain"} for row in ROWS])
    monkeypatch.setattr(drift, "_DIRECTIONS", 3)
    notes = " ".join(predict(trained_bundle, table, tmp_path / "out.csv", Request()).notes)
    judged = {int(number) for number in re.findall("direction ([0-9]+) of", notes)}
    assert judged <= {0, 1, 2}
    table = trained.write(tmp_path / "new.csv", [row | {"age": "150"} for row in ROWS])
    [note] = predict(trained_bundle, table, tmp_path / "out.csv", Request()).notes[-1:]
    assert "'age' (100% of rows)" in note


def test_values_that_training_did_not_have_are_noted(trained_bundle: Path, tmp_path: Path):
    rows = [row | {"colour": "violet" if number % 4 else "red"} for number, row in enumerate(ROWS)]
    table = trained.write(tmp_path / "new.csv", rows)
    summary = predict(trained_bundle, table, tmp_path / "out.csv", Request())
    wanted = "75% of rows have a value in column 'colour' that training did not have, such as 'vio"
    assert any(note.startswith(wanted) for note in summary.notes), summary.notes
    same = trained.write(tmp_path / "same.csv", ROWS)
    usual = predict(trained_bundle, same, tmp_path / "usual.csv", Request())
    assert not any("did not have" in note for note in usual.notes)


def test_new_categories_and_missing_values_are_predicted(trained_bundle: Path, tmp_path: Path):
    rows = [ROWS[0] | {"colour": "violet", "age": "NA", "smokes": "", "seen": "?", "note": ""}]
    written = predicted(trained_bundle, trained.write(tmp_path / "new.csv", rows), EVERY)
    assert written["probability"].between(0, 1).all()


def test_nothing_is_left_where_writing_fails(
    trained_bundle: Path, table: Path, monkeypatch: pytest.MonkeyPatch
):
    before = {path: path.read_bytes() for path in table.parent.iterdir()}

    def fail(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(predicting, "_long", fail)
    for suffix in ("parquet", "csv", "jsonl"):
        with pytest.raises(RuntimeError, match="on purpose"):
            predict(trained_bundle, table, table.with_name(f"out.{suffix}"), Request())
    assert {path: path.read_bytes() for path in table.parent.iterdir()} == before


def test_a_column_that_is_not_needed_may_name_the_examples(
    trained_bundle: Path, tmp_path: Path, found: Model, monkeypatch: pytest.MonkeyPatch
):
    needless = replace(found, needless={"smokes": 1.0})
    monkeypatch.setattr(models, "load", lambda _: needless)
    table = trained.write(tmp_path / "new.csv", ROWS)
    predict(trained_bundle, table, tmp_path / "out.csv", Request(id="smokes"))
    assert set(pd.read_csv(tmp_path / "out.csv")["example"]) == {"yes", "no"}


def test_all_values_that_are_wrong_are_named(trained_bundle: Path, tmp_path: Path):
    rows = [dict(row) for row in ROWS]
    rows[2]["age"], rows[5]["seen"] = "old", "soon"
    table = trained.write(tmp_path / "new.csv", rows)
    with pytest.raises(DatasetError) as error:
        predict(trained_bundle, table, tmp_path / "out.csv", Request())
    message = str(error.value)
    assert message.startswith("2 problems in 1 file:")
    assert "line 4: expected a number in column 'age', found 'old'" in message
    assert "line 7: expected a date such as 2026-01-31 in column 'seen', found 'soon'" in message
    assert not (tmp_path / "out.csv").exists()
