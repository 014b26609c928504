"""One's own tables keep to what every source does, and refuse what does not fit together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.config.tables import Tables
from pipeline.datasets.source import RawDataset, Source
from pipeline.datasets.tables import source
from pipeline.datasets.tables.formats import text as text_format
from pipeline.datasets.tables.source import OwnTables
from pipeline.datasets.verified import sha256_of
from pipeline.errors import DatasetError
from tests.datasets.contract import SourceContract
from tests.prediction import trained

FEATURES = "id,group,split,x,note\n" + "".join(
    f"e{row},g{row // 2},{split},{row},n\n"
    for row, split in enumerate(("train", "Training", "val", "dev", "TEST", "holdout"))
)
LABELS = "id,labels\ne5,c\ne0,b;c\ne1,b\ne2,\ne3,c;c\ne4,b\n"
HIERARCHY = "child,parent\nb,a\nc,b\n"


def own(folder: Path, **sections: Any) -> OwnTables:
    """The source of three files, of which some options are other ones."""
    usual: dict[str, dict[str, Any]] = {
        "features": {"id": "id", "ignored": ["group", "split", "note"]},
        "labels": {"layout": "delimited", "id": "id", "node": "labels"},
        "hierarchy": {"format": "edges", "child": "child", "parent": "parent"},
    }
    values: dict[str, Any] = {"name": "own"}
    for role, options in usual.items():
        path = folder / f"{role}.csv"
        if sections.get(role, {}) is not None:
            file = {"path": str(path), "sha256": sha256_of(path)}
            values[role] = file | options | sections.get(role, {})
    return OwnTables("own", Tables.model_validate(values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {"features": FEATURES, "labels": LABELS, "hierarchy": HIERARCHY}
    for role, text in texts.items():
        (tmp_path / f"{role}.csv").write_text(text)
    return tmp_path


def read(folder: Path, **sections: Any) -> RawDataset:
    source = own(folder, **sections)
    source.fetch(folder / "raw")
    return source.read(folder / "raw")


class TestOwnTables(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Source:
        folder = tmp_path_factory.mktemp("own")
        table = trained.rows(80)
        for row in table[::9]:
            row["note"] = ""
        trained.write(folder / "features.csv", table)
        labels = [{"id": row["id"], "labels": trained.labels(row)} for row in table]
        trained.write(folder / "labels.csv", labels, ("id", "labels"))
        edges = [{"child": child, "parent": parent} for child, parent in trained.EDGES]
        trained.write(folder / "hierarchy.csv", edges, ("child", "parent"))
        values = trained.TABLES.features.model_dump(exclude={"path", "sha256"})
        return own(folder, features=values | {"id": "id"})


def test_everything_is_read_in_the_order_of_the_features(folder: Path):
    raw = read(folder)
    assert raw.ids == raw.groups == ("e0", "e1", "e2", "e3", "e4", "e5")
    assert raw.labels == (("b", "c"), ("b",), (), ("c",), ("b",), ("c",))
    assert dict(raw.nodes) == {"b": "b", "a": "a", "c": "c"}
    assert raw.edges == (("b", "a"), ("c", "b"))
    assert raw.unscored == {"a"}
    assert raw.splits is None
    assert raw.attributes["x"].tolist() == [0, 1, 2, 3, 4, 5]
    assert raw.info["source"] == "own tables: features.csv, labels.csv, hierarchy.csv"
    assert raw.info["notes"] == [
        "1 labels stand twice and count once.",
        "1 of 6 examples have no label.",
        "Labels are closed upward: an example has all that lies above its nodes "
        "(5 of 6 examples did not say so).",
    ]


def test_groups_and_splits_are_columns_and_splits_have_several_names(folder: Path):
    raw = read(folder, features={"group": "group", "split": "split", "ignored": ["note"]})
    assert raw.groups == ("g0", "g0", "g1", "g1", "g2", "g2")
    assert raw.splits == ("train", "train", "valid", "valid", "test", "test")


def test_without_an_id_rows_are_numbered_from_1(folder: Path):
    (folder / "labels.csv").write_text("labels\nb\nc\nb\nc\nb\nc\n")
    raw = read(folder, features={"id": None, "ignored": ["id", "group", "split", "note"]},
               labels={"id": None})  # fmt: skip
    assert raw.ids == ("1", "2", "3", "4", "5", "6")
    assert raw.labels[:2] == (("b",), ("c",))


def test_labels_that_are_paths_make_the_hierarchy(folder: Path):
    (folder / "labels.csv").write_text("id,labels\ne0,a/b;a/c\ne1,d\ne2,\ne3,d\ne4,d\ne5,d\n")
    raw = read(folder, hierarchy=None)
    assert dict(raw.nodes) == {"a": "a", "a/b": "b", "a/c": "c", "d": "d"}
    assert raw.edges == (("a/b", "a"), ("a/c", "a"))
    assert raw.unscored == frozenset()  # two roots
    (folder / "labels.csv").write_text("id,labels\ne0,a//b\ne1,d\n")
    with pytest.raises(DatasetError, match=r"example 'e0': expected names between separators"):
        read(folder, hierarchy=None)


def test_labels_that_must_be_closed_are_refused_where_they_are_not(folder: Path):
    with pytest.raises(DatasetError, match=r"found 'b' without 'a' in example 'e0'"):
        read(folder, labels={"closure": "refuse"})
    closed = LABELS.replace("b;c", "a;b;c").replace("c;c", "c;b;a").replace("5,c", "5,c;b;a")
    (folder / "labels.csv").write_text(closed.replace("1,b", "1,b;a").replace("4,b", "4,b;a"))
    assert len(read(folder, labels={"closure": "refuse"}).ids) == 6


def test_a_file_with_two_roles_is_there_once(folder: Path):
    rows = FEATURES.splitlines()
    text = "".join(
        f"{row},{label}\n" for row, label in zip(rows, ["labels", *"bcbcbc"], strict=True)
    )
    (folder / "features.csv").write_text(text)
    same = {"path": str(folder / "features.csv"), "sha256": sha256_of(folder / "features.csv")}
    options = {"ignored": ["group", "split", "note", "labels"]}
    source = own(folder, features=options, labels=same)
    assert [file.name for file in source.files()] == ["features.csv", "hierarchy.csv"]
    assert read(folder, features=options, labels=same).labels[0] == ("b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FEATURES.replace("e3,", "e2,"), "line 5: expected each id once, found 'e2' again"),
        (FEATURES.replace("e3,", ","), "line 5: expected an id in column 'id', found an empty"),
    ],
)
def test_ids_are_there_once(text: str, message: str, folder: Path):
    (folder / "features.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read(folder)


@pytest.mark.parametrize("what", ["id", "group"])
def test_nan_is_no_id_and_no_group(what: str, tmp_path: Path):
    values = np.array([1.5, np.nan, 3])
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 1)), c=values)
    parquet.write_table(pa.table({"c": values}), tmp_path / "x.parquet")
    for suffix in ("npz", "parquet"):
        wanted = rf"x\.{suffix}, row 2: expected an? {what} in column 'c', found an empty cell"
        with pytest.raises(DatasetError, match=wanted):
            source.text(tmp_path / f"x.{suffix}", "c", f"a{'n' * (what == 'id')} {what}")
    parquet.write_table(pa.table({"c": [1.5, 3.0]}), tmp_path / "x.parquet")
    assert source.text(tmp_path / "x.parquet", "c", what) == ("1.5", "3")


def moments(folder: Path, values: Sequence[str]) -> tuple[float, ...] | None:
    """Of six examples."""
    lines = [f"{line},{one}" for line, one in zip(FEATURES.splitlines(), values, strict=True)]
    (folder / "features.csv").write_text("\n".join(lines))
    return read(folder, features={"time": values[0]}).moments


def test_moments_are_days_or_numbers_that_float32_would_tie(folder: Path):
    seconds = [str(1_700_000_000 + number) for number in range(6)]
    assert moments(folder, ["t", *seconds]) == tuple(map(float, seconds))
    days = [f"20260{month}01" for month in range(1, 7)]
    assert moments(folder, ["t", *days]) == tuple(map(float, days))
    times = [f"2026-01-31T12:00:00.00000{number}Z" for number in range(6)]
    found = moments(folder, ["t", *times])
    assert found is not None
    assert len(set(found)) == 6
    assert found[0] == 20484.5


def test_moments_are_of_one_kind_in_the_whole_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_format, "_BYTES", 90)  # several blocks
    with pytest.raises(DatasetError, match=r"line 2: expected a date such as .* 't', found '2019'"):
        moments(folder, ["t", *["2019"] * 4, *["2026-01-31"] * 2])


@pytest.mark.parametrize(("cell", "found"), [("", "an empty cell"), ("inf", "inf")])
def test_moments_are_known_and_finite(cell: str, found: str, folder: Path):
    wanted = rf"line 3: expected a date or a finite number in column 't', found {found}"
    with pytest.raises(DatasetError, match=wanted):
        moments(folder, ["t", "1", cell, "3", "4", "5", "6"])


def test_a_file_that_changed_since_is_not_read_in_silence(folder: Path):
    source = own(folder)
    (folder / "features.csv").write_text(FEATURES.replace(",5,", ",6,"))
    with pytest.raises(DatasetError, match=r"features\.csv, found .*`rarenode run` takes it"):
        source.fetch(folder / "raw")
    assert not (folder / "raw").exists()
