"""`rarenode predict` on malformed tables and bundles: one message, exit 2, nothing changed."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jaxtyping
import numpy as np
import pytest

from tests.bad_inputs import workspace
from tests.bad_inputs.tables import arrays, cut, frame
from tests.prediction import trained

PREDICT = ["predict", "--model", "bundle", "--input", "new.csv", "--output", "out.csv"]
ROWS = trained.rows(8, seed=1)
LONG = "x" * 100_000


class Case(NamedTuple):
    """What is wrong.

    Attributes:
        spoil: spoils the current folder.
        options: of the command, beyond the usual; the last one counts.
        says: what the message names, in this order.
    """

    spoil: Callable[[], object]
    options: list[str]
    says: tuple[str, ...]


def options(*given: str, says: tuple[str, ...]) -> Case:
    """A case where the files are right."""
    return Case(lambda: None, [*given], says)


def table(change: Callable[[list[trained.Row]], object], *says: str) -> Case:
    """A case where rows are changed."""

    def spoil() -> None:
        rows = [dict(row) for row in ROWS]
        change(rows)
        trained.write(Path("new.csv"), rows, rows[0])

    return Case(spoil, [], ("new.csv", *says))


def cell(column: str, value: str, *says: str) -> Case:
    """A case where a cell of the fourth row, line 5, is another one."""
    return table(lambda rows: rows[3].update({column: value}), "line 5", *says)


def put(name: str, content: bytes) -> None:
    """Replace a file of the bundle, sha256 included: somebody who edits both."""
    (Path("bundle") / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    described(lambda found: found["sha256"].update({name: sha256}))


def described(change: Callable[[Any], object]) -> None:
    """Change bundle.json."""
    workspace.edit_json(Path("bundle/bundle.json"), change)


def edited(name: str, change: Callable[[Any], object]) -> Callable[[], None]:
    """Changes a JSON file of the bundle, sha256 included."""

    def spoil() -> None:
        content = json.loads((Path("bundle") / name).read_text())
        change(content)
        put(name, json.dumps(content).encode())

    return spoil


def bundle(spoil: Callable[[], object], *says: str) -> Case:
    """A case where the bundle is spoilt."""
    return Case(spoil, [], ("bundle", *says))


def shortened(name: str, most: int) -> Callable[[], None]:
    """Truncates a file of the bundle."""
    path = Path("bundle") / name
    return lambda: path.write_bytes(cut(path.read_bytes(), most)) and None


def without(name: str) -> Callable[[], None]:
    """Removes a further file of the bundle, and its mention."""

    def spoil() -> None:
        (Path("bundle") / name).unlink()
        described(lambda found: found["sha256"].pop(name))

    return spoil


CASES = {
    # the table
    "no input": options("--input", "none.csv", says=("the file none.csv, found none",)),
    "an input of another format": options(
        "--input", "bundle/README.md", says=("README.md", "'.md'")
    ),
    "a missing column": table(
        lambda rows: [row.pop("age") for row in rows], "columns 'age'", "the model learnt from"
    ),
    "an unknown column": table(
        lambda rows: [row.update(weight="1") for row in rows],
        "columns that the model knows",
        "'weight'",
    ),
    "a column in another case": table(
        lambda rows: [row.update(Age=row.pop("age")) for row in rows], "'age'", "'Age' instead"
    ),
    "a word for a number": cell("age", "old", "a number in column 'age'", "'old'"),
    "an infinite number": cell("age", "inf", "number", "'age'", "inf"),
    "a number beyond float32": cell("age", "1e39", "float32", "'age'", "1e+39"),
    "truth of another kind": cell("smokes", "perhaps", "true or false", "'smokes'", "'perhaps'"),
    "a day that does not exist": cell("seen", "2026-02-30", "a date", "'seen'", "'2026-02-30'"),
    "an empty id": cell("id", "", "an id in column 'id'", "an empty cell"),
    "a row that is too short": Case(
        lambda: Path("new.csv").write_text(f"{','.join(trained.COLUMNS)}\ne0,1\n"),
        [],
        ("new.csv", "line 2", "7 cells", "found 2"),
    ),
    "no rows": Case(
        lambda: Path("new.csv").write_text(f"{','.join(trained.COLUMNS)}\n"),
        [],
        ("new.csv", "at least one row", "none"),
    ),
    "an empty input": Case(lambda: Path("new.csv").write_text(""), [], ("new.csv", "empty file")),
    "latin-1": Case(
        lambda: Path("new.csv").write_bytes(Path("new.csv").read_bytes() + b"\xe9\n"),
        [],
        ("new.csv", "line 10", "UTF-8", "0xE9"),
    ),
    "an unclosed quote": Case(
        lambda: Path("new.csv").write_text(Path("new.csv").read_text() + 'e9,"1\n'),
        [],
        ("new.csv", "line 10", "a closing quote"),
    ),
    "types of another kind in Parquet": Case(
        lambda: frame(
            **dict.fromkeys(("smokes", "note", "clinic", "colour"), ["no"] * 12),
            seen=[[1]] * 12,
        )(Path("new.parquet")),
        ["--input", "new.parquet"],
        ("new.parquet", "dates in column 'seen'", "list<"),
    ),
    "arrays of other columns": Case(
        lambda: arrays(x=np.zeros((3, 2)))(Path("new.npz")),
        ["--input", "new.npz"],
        (
            "new.npz",
            "the columns 'age'",
        ),
    ),
    "a link out of the folder": Case(
        lambda: Path("new.csv").unlink() or Path("new.csv").symlink_to("/etc/passwd"),
        [],
        ("new.csv", "/etc/passwd"),
    ),
    "an id that is no column": options(
        "--id", "key", says=("new.csv", "the column 'key' (--id)", "'age'")
    ),
    "a name that no file can have": options(
        "--input", f"{LONG}.csv", says=("expected a readable file xxx", "File name too long")
    ),
    # what is asked for
    "an unknown rule": options("--rule", "best", says=("--rule", "half", "tuned", "'best'")),
    "a folder that is not there": options(
        "--output", "none/out.csv", says=("a folder none for --output", "none")
    ),
    "an output of another format": options("--output", "out.xlsx", says=("--output", "'out.xlsx'")),
    "a folder as output": Case(
        lambda: Path("out.csv").mkdir(), [], ("a file as --output", "the folder out.csv")
    ),
    "an output that is the input": options(
        "--output", "new.csv", says=("another file", "--output", "new.csv")
    ),
    "an output that leads to the input": Case(
        lambda: Path("out.csv").symlink_to("new.csv"), [], ("another file", "--output", "out.csv")
    ),
    "an output whose name is too long": options(
        "--output", f"{LONG}.csv", says=("--output", "File name too long")
    ),
    # the bundle
    "no bundle": options("--model", "none", says=("the folder none (--model)", "none")),
    "a file as bundle": options(
        "--model", "new.csv", says=("the folder new.csv (--model)", "none")
    ),
    "a bundle whose name is too long": options("--model", LONG, says=("--model", "found none")),
    "an empty folder as bundle": Case(
        lambda: Path("empty").mkdir(), ["--model", "empty"], ("empty", "No such file")
    ),
    "another schema": bundle(
        lambda: described(lambda found: found.update(schema=99)), "99", "newer"
    ),
    "an older schema": bundle(lambda: described(lambda found: found.update(schema=1)), "found 1"),
    "a truncated description": bundle(shortened("bundle.json", 400), "found"),
    "a description that is a list": bundle(
        lambda: Path("bundle/bundle.json").write_text("[1]"), "schema"
    ),
    "truncated arrays": bundle(
        shortened("arrays.safetensors", 4000), "arrays.safetensors", "sha256"
    ),
    "another hash": bundle(
        lambda: described(lambda found: found["sha256"].update({"encoder.skops": "0" * 64})),
        "encoder.skops",
        "sha256 000",
    ),
    "arrays that are not there": bundle(
        lambda: Path("bundle/arrays.safetensors").unlink(), "arrays.safetensors"
    ),
    "a bundle of the library alone": bundle(
        lambda: (without("nodes.json")(), without("columns.json")()),
        "no nodes.json",
        "no columns.json",
    ),
    "an encoder without its description": bundle(without("features.json"), "found"),
    "an encoder that is not there": bundle(without("encoder.skops"), "encoder.skops"),
    "a truncated encoder": bundle(
        lambda: put("encoder.skops", cut(Path("bundle/encoder.skops").read_bytes(), 900)),
        "encoder.skops",
    ),
    "an encoder of a newer schema": bundle(
        edited("features.json", lambda found: found.update(schema=99)), "schema 99"
    ),
    "an encoder of other features": bundle(
        edited("columns.json", lambda found: found["names"].reverse()), "other features"
    ),
    "an encoder of features that it has not": bundle(
        edited("features.json", lambda found: found["kept"].__setitem__(0, 10_000)), "found"
    ),
    "an encoder of other columns": bundle(
        edited("features.json", lambda found: found["columns"].pop()), "found"
    ),
    "ranges of fewer features": bundle(
        edited("columns.json", lambda found: found["low"].pop()), "ranges"
    ),
    "words for ranges": bundle(
        edited("columns.json", lambda found: found.update(low=["a"] * len(found["low"]))), "found"
    ),
    "a node without a name": bundle(edited("nodes.json", lambda found: found.pop("t")), "'t'"),
    "names that are a list": bundle(lambda: put("nodes.json", b"[1]"), "found"),
    "a further file with a path": bundle(
        lambda: described(lambda found: found["sha256"].update({"../new.csv": "0" * 64})),
        "../new.csv",
    ),
    "nodes in a circle": bundle(
        lambda: described(lambda found: found["edges"].append(["t", "e"])), "found"
    ),
}


@pytest.fixture(autouse=True)
def folder(trained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_bundle, "bundle")
    trained.write(Path("new.csv"), ROWS)
    # Without the tests' shape checks: what is damaged must meet the library's own.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_predicted_is_one_message(name: str, capsys: pytest.CaptureFixture[str]):
    case = CASES[name]
    case.spoil()
    message = workspace.refusal([*PREDICT, *case.options], capsys)
    place = -1
    for part in case.says:
        place = message.find(part, place + 1)
        assert place >= 0, f"{part!r} is not in {message}"


def test_an_older_output_stays_where_prediction_fails(capsys: pytest.CaptureFixture[str]):
    Path("out.csv").write_text("an older one")
    rows = [*ROWS, ROWS[0] | {"age": "old"}]
    trained.write(Path("new.csv"), rows)
    assert "line 10" in workspace.refusal(PREDICT, capsys)
    assert Path("out.csv").read_text() == "an older one"
