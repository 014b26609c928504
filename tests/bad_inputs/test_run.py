"""`rarenode run` and its stages on tables that changed or were damaged after `rarenode init`."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline import __main__, cli
from pipeline.artifacts import paths
from tests.bad_inputs import workspace
from tests.bad_inputs.tables import changed, cut
from tests.bad_inputs.workspace import FEATURES, HIERARCHY, LABELS

RAW = Path("data/raw/features")  # the data set has the name of its features


class Case(NamedTuple):
    """What is wrong.

    Attributes:
        ready: the last stage that ran while all was right, if any did.
        spoil: spoils the workspace.
        command: that refuses.
        says: what the message names, in this order.
    """

    ready: str | None
    spoil: Callable[[], object]
    command: list[str]
    says: tuple[str, ...]


def raw(name: str, content: str | bytes, *says: str) -> Case:
    """A case where a copy in data/raw was damaged before it was read."""
    given = content.encode() if isinstance(content, str) else content
    says = (f"{RAW}/", *says)  # what does not fit may be noticed in another one of them
    return Case("fetch", lambda: (RAW / name).write_bytes(given), ["stage", "prepare"], says)


def prepared(spoil: Callable[[], object], *says: str) -> Case:
    """A case where the prepared data was damaged."""
    return Case("prepare", spoil, ["stage", "analyze"], ("data/prepared", *says))


def params(change: Callable[[Any], object], *says: str) -> Case:
    """A case where params.yaml was edited by hand."""

    def spoil() -> None:
        yaml, path = YAML(typ="safe", pure=True), Path("params.yaml")
        values = yaml.load(path.read_text())
        change(values["tables"])
        with path.open("w") as stream:
            yaml.dump(values, stream)

    return Case(None, spoil, ["run"], ("params.yaml", *says))


def linked(name: str) -> Callable[[], None]:
    """Puts a link out of the workspace in place of a table."""

    def spoil() -> None:
        Path(name).unlink()
        Path(name).symlink_to("/etc/passwd")

    return spoil


TABLE = paths.PREPARED
PICKLE = pickle.dumps({"a": 1})
CASES = {
    # files of one's own, since init
    "features that are gone": Case(
        None, lambda: Path("features.csv").unlink(), ["stage", "fetch"], ("features.csv", "none")
    ),
    "features that changed": Case(
        None,
        lambda: Path("features.csv").write_text(FEATURES + "e12,p6,1,red,no,2026-01-01,x\n"),
        ["stage", "fetch"],
        ("sha256", "features.csv", "rarenode run"),
    ),
    "a folder in place of labels": Case(
        None,
        lambda: (Path("labels.csv").unlink(), Path("labels.csv").mkdir()),
        ["stage", "fetch"],
        ("labels.csv",),
    ),
    "features that became a link out of here": Case(
        None, linked("features.csv"), ["run"], ("features.csv", "/etc/passwd")
    ),
    "labels that became a link out of here": Case(
        None, linked("labels.csv"), ["run"], ("labels.csv", "/etc/passwd")
    ),
    "a hierarchy that became a link out of here": Case(
        None, linked("hierarchy.csv"), ["run"], ("hierarchy.csv", "/etc/passwd")
    ),
    # what is in data/raw
    "a column that is gone": raw(
        "features.csv", FEATURES.replace("colour", "color"), "columns 'colour'"
    ),
    "a new column of words": raw(
        "features.csv",
        "".join(f"{line},{'new' if not row else 'word'}\n" for row, line in
                enumerate(FEATURES.splitlines())),
        "the columns that params.yaml names alone", "'new'",
    ),
    "numbers that became words": raw(
        "features.csv", FEATURES.replace(".5,", " years,"), "line 2", "'age'", "'20 years'"
    ),
    "truth that became words": raw(
        "features.csv", FEATURES.replace(",yes,", ",perhaps,"), "line 2", "'smokes'", "'perhaps'"
    ),
    "an infinite number": raw(
        "features.csv", FEATURES.replace("23.5", "-inf"), "line 5", "'age'", "-inf"
    ),
    "truncated features": raw(
        "features.csv", cut(FEATURES, FEATURES.index("e4,p2") + 3), "line 6", "7 cells"
    ),
    "features that are empty": raw("features.csv", "", "line 1", "an empty file"),
    "features that are a pickle": raw("features.csv", PICKLE, "line 1"),
    "labels that are a pickle": raw("labels.csv", PICKLE, "line 1"),
    "a hierarchy that is a pickle": raw("hierarchy.csv", PICKLE, "line 1"),
    "labels of a new example": raw("labels.csv", LABELS + "e99,a\n", "line 14", "'e99'"),
    "labels of a new node": raw("labels.csv", LABELS.replace("e3,a;b", "e3,z"), "line 5", "'z'"),
    "one label only": raw(
        "labels.csv", LABELS.replace("a;b", "a").replace(",c", ",a").replace(",d", ",a"), "'a'"
    ),
    "a cycle": raw("hierarchy.csv", f"{HIERARCHY}top,c\n", "line 7", "cycles"),
    "a hierarchy without a node that is used": raw(
        "hierarchy.csv", changed(HIERARCHY, "c,a\n", ""), "line 3", "nodes of the hierarchy", "'c'"
    ),
    "features that are not there": Case(
        "fetch", (RAW / "features.csv").unlink, ["stage", "prepare"], ("features.csv", "none")
    ),
    "labels that are not there": Case(
        "fetch", (RAW / "labels.csv").unlink, ["stage", "prepare"], ("labels.csv", "none")
    ),
    # params.yaml by hand
    "an unknown key": params(
        lambda t: t["features"].update(ide="id"), "ide", "unknown parameter", "Did you mean 'id'?"
    ),
    "another sha256": params(lambda t: t["labels"].update(sha256="abc"), "tables.labels.sha256"),
    "a column of two kinds": params(
        lambda t: t["features"].update(text=["colour"]), "one purpose", "'colour'"
    ),
    "an unknown layout": params(lambda t: t["labels"].update(layout="wide"), "layout", "'wide'"),
    "a long table without ids": params(
        lambda t: (t["labels"].update(layout="long"), t["labels"].pop("id")), "needs `id`"
    ),
    "edges without parents": params(lambda t: t["hierarchy"].pop("parent"), "`child` and `parent`"),
    "tables that are a list": params(lambda t: t.update(features=[1]), "tables.features"),
    # data/prepared
    "a newer schema": prepared(
        lambda: workspace.edit_json(TABLE / "dataset.json", lambda found: found.update(schema=99)),
        "dataset.json", "found 99",
    ),
    "truncated examples": prepared(
        lambda: (TABLE / "examples.parquet").write_bytes(b"PAR1"), "found"
    ),
    "features that are no array": prepared(
        lambda: (TABLE / "features.npy").write_bytes(PICKLE), "found"
    ),
    "features that are objects": prepared(
        lambda: np.save(TABLE / "features.npy", np.array([{}], object)), "found"
    ),
    "labels that are no archive": prepared(
        lambda: (TABLE / "labels.npz").write_bytes(PICKLE), "found"
    ),
    "a table that is gone": prepared((TABLE / "edges.parquet").unlink, "edges.parquet"),
    "names that are no JSON": prepared(
        lambda: (TABLE / "feature_names.json").write_text("["), "feature_names.json"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """Workspaces after init, fetch and prepare; to be copied."""
    folder = tmp_path_factory.mktemp("ready")
    found: dict[str | None, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        here = folder / "init"
        here.mkdir()
        workspace.make(here)
        patch.chdir(here)
        assert cli.main([*workspace.INIT, "--boolean", "smokes", "--groups", "patient"]) == 0
        found[None] = here
        for stage in ("fetch", "prepare"):
            there = folder / stage
            shutil.copytree(here, there)
            patch.chdir(there)
            yaml = YAML(typ="safe", pure=True)
            values = yaml.load(Path("params.yaml").read_text())
            values["prepare"]["min_support"] = 0
            with Path("params.yaml").open("w") as stream:
                yaml.dump(values, stream)
            assert __main__.main([stage]) == 0
            found[stage] = here = there
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_was_damaged_since_is_one_message_that_names_the_place(
    name: str,
    ready: dict[str | None, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    case = CASES[name]
    folder = Path(shutil.copytree(ready[case.ready], tmp_path / "workspace"))
    monkeypatch.chdir(folder)
    case.spoil()
    message = workspace.refusal(case.command, capsys)
    place = -1
    for part in case.says:
        place = message.find(part, place + 1)
        assert place >= 0, f"{part!r} is not in {message}"
