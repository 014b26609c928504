"""The published benchmarks: by hand under their names, and, where they are, the files themselves.

The files are not ours to pass on. `rarenode data get` fetches them; to test with them, set
RARENODE_HMC_DIR to a folder laid out like the public one (datasets_FUN/, datasets_GO/, others/).
"""

import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from pipeline import __main__
from pipeline.artifacts import paths
from pipeline.config import parse
from pipeline.config.published import PUBLISHED
from pipeline.datasets import arff, hmc_files
from pipeline.datasets.hmc import NAMESPACES, HmcBenchmark
from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from pipeline.hml import imbalance_weights
from pipeline.stages import labelling, prepare
from tests.datasets import independent_arff as independent
from tests.datasets.contract import SourceContract

VARIABLE = "RARENODE_HMC_DIR"

ATTRIBUTES = "@attribute 0point02%_MMS numeric\n@attribute colour {red,'dark blue'}\n"
FUN = "01,01/01,01/01/03,02"
# b has a parent at the root and one below a: its longest path counts.
GO = "root/GO0003674,root/GO0008150,GO0003674/a,a/b,root/b,GO0008150/c"


def written(rows: str, hierarchy: str = FUN, attributes: str = ATTRIBUTES) -> str:
    head = f"@relation tiny\n{attributes}@attribute class hierarchical {hierarchy}\n@data\n"
    return head + "".join(f"{row}\n" for row in rows.split())  # the first row is line 6


TINY = {
    "cellcycle_FUN": {
        "train": written("1.5,red,01/01 ?,red,02 2,?,01/01/03@02 1.5,red,02"),
        "valid": written("1,red,01 3,?,02"),
        "test": written("1.5,red,01/01/03 4,?,02"),
    },
    "cellcycle_GO": {
        "train": written("1,red,b 2,?,a@c 3,red,GO0003674", GO),
        "valid": written("1,?,c", GO),
        "test": written("4,red,b@c", GO),
    },
}
ROW = 6

Publish = Callable[[str, dict[str, str]], Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Put files under the published names and let them be the published ones."""
    monkeypatch.chdir(tmp_path)

    def publish(name: str, texts: dict[str, str]) -> Path:
        folder = paths.raw(name)
        folder.mkdir(parents=True)
        named = {split: hmc_files.files(name)[split] for split in texts}
        for split, text in texts.items():
            (folder / named[split].name).write_bytes(text.encode())
        digests = {
            named[split].path: hashlib.sha256(text.encode()).hexdigest()
            for split, text in texts.items()
        }
        monkeypatch.setattr(hmc_files, "_published", lambda: digests)
        return folder

    return publish


def test_files_written_by_hand_are_read(publish: Publish):
    raw = HmcBenchmark("cellcycle_FUN").read(publish("cellcycle_FUN", TINY["cellcycle_FUN"]))
    assert " ".join(raw.ids) == ("train-1 train-2 train-3 train-4 valid-1 valid-2 test-1 test-2")
    assert raw.splits == ("train",) * 4 + ("valid",) * 2 + ("test",) * 2
    assert raw.labels[:3] == (("01/01",), ("02",), ("01/01/03", "02"))
    assert list(raw.nodes) == ["01", "01/01", "01/01/03", "02"]
    assert raw.edges == (("01/01", "01"), ("01/01/03", "01/01"))
    assert raw.unscored == frozenset()
    assert list(raw.attributes) == ["0point02%_MMS", "colour"]
    assert raw.attributes["colour"].cat.categories.tolist() == ["red", "dark blue"]
    assert raw.info["notes"][-1].startswith("1 of 2 test examples")
    # Equal rows of one split are one group; across splits the publication has its way.
    assert raw.groups[0] == raw.groups[3]
    assert len(set(raw.groups)) == len(raw.ids) - 1


def test_edges_of_a_graph_written_by_hand_are_read(publish: Publish):
    raw = HmcBenchmark("cellcycle_GO").read(publish("cellcycle_GO", TINY["cellcycle_GO"]))
    assert list(raw.nodes) == ["root", "GO0003674", "GO0008150", "a", "b", "c"]
    assert raw.edges[2:5] == (("a", "GO0003674"), ("b", "a"), ("b", "root"))
    assert raw.labels[2] == ("GO0003674",)
    assert raw.unscored >= {"root", "GO0003674", "GO0008150"}
    hierarchy = labelling.build(raw.nodes, raw.edges)
    assert hierarchy.depth[hierarchy.index["b"]] == 3


@pytest.mark.parametrize("name", ["expr_FUN", "expr_GO"])
def test_benchmark_that_was_published_without_training_file_is_refused(name: str, tmp_path: Path):
    source = HmcBenchmark(name)
    for refused in (source.fetch, source.read):
        with pytest.raises(DatasetError, match=f"{name} was published without its training file"):
            refused(tmp_path)


def test_what_is_verified_is_what_was_read(publish: Publish, monkeypatch: pytest.MonkeyPatch):
    """A file that goes as soon as it was read is neither missed nor read a second time."""
    folder = publish("cellcycle_FUN", TINY["cellcycle_FUN"])
    read = arff.read

    def read_and_remove(path: Path) -> arff.ArffFile:
        file = read(path)
        path.unlink()
        return file

    monkeypatch.setattr(arff, "read", read_and_remove)
    assert len(HmcBenchmark("cellcycle_FUN").read(folder).ids) == 8


class Broken(NamedTuple):
    """A file that is not as it was published, and what is said about it.

    `change` is (old, new) once in the text, the whole content, or None for no file at all.
    `message` may name `{file}` and `{folder}`.
    """

    change: tuple[str, str] | bytes | None
    message: str
    name: str = "cellcycle_FUN"
    split: str = "train"

    def apply(self, folder: Path) -> Path:
        path = folder / f"{self.name}.{self.split}.arff"
        if self.change is None:
            path.unlink()
        elif isinstance(self.change, bytes):
            path.write_bytes(self.change)
        else:
            text = path.read_text()
            assert self.change[0] in text
            path.write_text(text.replace(*self.change, 1))
        return path


CLASS = ROW - 2
BROKEN = {
    "truncated file": Broken(
        ("2,?,01/01/03@02\n1.5,red,02\n", "2,?"),
        f"{{file}}, line {ROW + 2}: expected 3 values, one per attribute, found 2",
    ),
    "truncated header": Broken(
        ("@data\n1.5,red,01/01\n?,red,02\n2,?,01/01/03@02\n1.5,red,02\n", ""),
        f"{{file}}, line {CLASS}: expected @data, found the end of the file",
    ),
    "header without class": Broken(
        (f"@attribute class hierarchical {FUN}\n", ""),
        f"{{file}}, line {CLASS}: expected an attribute of type hierarchical before @data, found "
        "none among 2 attributes",
    ),
    "too few values": Broken(
        ("1,red,", "1,"),
        f"{{file}}, line {ROW}: expected 3 values, one per attribute, found 2",
        split="valid",
    ),
    "too many values": Broken(
        ("1.5,red,", "1.5,red,red,"),
        f"{{file}}, line {ROW}: expected 3 values, one per attribute, found 4",
        split="test",
    ),
    "no number": Broken(
        ("1.5,", "1_5,"),
        f"{{file}}, line {ROW}: expected a number or ? for '0point02%_MMS', found '1_5'",
    ),
    "undeclared value": Broken(
        ("?,red", "?,green"),
        f"{{file}}, line {ROW + 1}: expected 'colour' out of red, dark blue, found 'green'",
    ),
    "label outside the hierarchy": Broken(
        ("4,?,02", "4,?,02@03@02/01"),
        f"{{file}}, line {ROW + 1}: expected labels of the hierarchy, found '03', '02/01'",
        split="test",
    ),
    "label outside the graph": Broken(
        ("4,red,b@c", "4,red,b@d"),
        f"{{file}}, line {ROW}: expected labels of the hierarchy, found 'd'",
        "cellcycle_GO",
        "test",
    ),
    "cycle": Broken(
        ("GO0008150/c", "GO0008150/c,b/GO0003674"),
        f"{{file}}, line {CLASS}: expected a hierarchy without cycles, found "
        "GO0003674 -> a -> b -> GO0003674",
        "cellcycle_GO",
    ),
    "node above itself": Broken(
        ("GO0008150/c", "GO0008150/c,c/c"),
        f"{{file}}, line {CLASS}: expected a hierarchy without cycles, found c -> c",
        "cellcycle_GO",
    ),
    "edge without a slash": Broken(
        ("GO0008150/c", "GO0008150"),
        f"{{file}}, line {CLASS}: expected edges parent/child, found 'GO0008150'",
        "cellcycle_GO",
    ),
    "edge of three": Broken(
        ("GO0008150/c", "GO0008150/c/d"),
        f"{{file}}, line {CLASS}: expected edges parent/child, found 'GO0008150/c/d'",
        "cellcycle_GO",
    ),
    "path without its parent": Broken(
        ("01,01/01,01/01/03", "01,01/01/03"),
        f"{{file}}, line {CLASS}: expected the parent '01/01' of '01/01/03' in the hierarchy, "
        "found none",
    ),
    "attribute of another name": Broken(
        ("attribute colour", "attribute color"),
        f"{{file}}, line {CLASS}: expected the attributes of {{train}}, found 'color' (nominal) "
        "where 'colour' (nominal) should be",
        split="test",
    ),
    "attribute of another type": Broken(
        ("@attribute 0point02%_MMS numeric", "@attribute 0point02%_MMS {1.5,4}"),
        f"{{file}}, line {CLASS}: expected the attributes of {{train}}, found '0point02%_MMS' "
        "(nominal) where '0point02%_MMS' (numeric) should be",
        split="test",
    ),
    "attributes fewer than in train": Broken(
        written("1,01", attributes="@attribute 0point02%_MMS numeric\n").encode(),
        f"{{file}}, line {CLASS - 1}: expected the attributes of {{train}}, found no attribute "
        "where 'colour' (nominal) should be",
        split="valid",
    ),
    "another hierarchy than in train": Broken(
        (FUN, f"{FUN},03"),
        f"{{file}}, line {CLASS}: expected the hierarchy of {{train}}, found a difference in "
        "['03']",
        split="valid",
    ),
    "another number": Broken(
        ("1.5,", "1.6,"), "expected the published train file (sha256 {published}) in {file}, found"
    ),
    "one row less": Broken(
        ("3,?,02\n", ""),
        "expected the published valid file (sha256 {published}) in {file}, found sha256",
        split="valid",
    ),
    "empty file": Broken(b"", "{file}, line 1: expected an ARFF header, found an empty file"),
    "binary file": Broken(bytes(range(256)), "{file}, line 1: expected text, found binary data"),
    "missing file": Broken(None, "expected the file {file}, found none", split="valid"),
}


def message(broken: Broken, path: Path) -> str:
    published = {file.name: file.sha256 for file in hmc_files.files(broken.name).values()}
    train = path.with_name(f"{broken.name}.train.arff")
    return broken.message.format(file=path, train=train, published=published[path.name])


def snapshot() -> dict[Path, tuple[int, bytes | None]]:
    """Everything under data/: time of the last change, and bytes of files."""
    return {
        file: (file.stat().st_mtime_ns, None if file.is_dir() else file.read_bytes())
        for file in (paths.RAW.parent, *paths.RAW.parent.rglob("*"))
    }


def configure(name: str) -> None:
    paths.PARAMS.write_text(f"dataset: {name}\nprepare:\n  min_support: 0\n")


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_refused_with_file_and_line_and_the_data_stays(
    case: str, publish: Publish, capsys: pytest.CaptureFixture[str]
):
    broken = BROKEN[case]
    folder = publish(broken.name, TINY[broken.name])
    configure(broken.name)
    assert __main__.main(["prepare"]) == 0
    path = broken.apply(folder)
    before = snapshot()
    assert {paths.PREPARED / "dataset.json", folder} < before.keys()
    capsys.readouterr()

    assert __main__.main(["prepare"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(message(broken, path))
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert snapshot() == before


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_not_fetched_and_its_flaw_is_told(
    case: str, publish: Publish, tmp_path: Path
):
    broken = BROKEN[case]
    folder = publish(broken.name, TINY[broken.name])
    origin = tmp_path / "from"
    shutil.copytree(folder, origin)
    path = broken.apply(origin)
    before = snapshot()
    with pytest.raises(DatasetError) as raised:
        HmcBenchmark(broken.name).fetch(folder, origin)
    assert snapshot() == before
    assert "\n" not in str(raised.value)
    if broken.change is None:
        assert f"{path.name} in {origin}, found none" in str(raised.value)
        return
    assert f"of {path}, found " in str(raised.value)
    # What only shows beside the other files, or by the checksum, is not told here.
    alone = "{train}" not in broken.message and "sha256" not in broken.message
    assert ("What is wrong with it: " in str(raised.value)) == alone
    if alone:
        assert message(broken, path) in str(raised.value)


def features(columns: dict[str, Any], fit_rows: list[int]) -> dict[str, list[float]]:
    table = pd.DataFrame(
        {
            name: np.array(values, dtype=np.float32)
            if not isinstance(values, pd.Categorical)
            else values
            for name, values in columns.items()
        }
    )
    n = len(table)
    raw = RawDataset(("",) * n, ("",) * n, ((),) * n, {}, (), table, {})
    values, names, _ = HmcBenchmark("cellcycle_FUN").features(raw, np.array(fit_rows), 1)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert len(set(names)) == len(names) == values.shape[1]
    return dict(zip(names, values.T.tolist(), strict=True))


def test_columns_that_say_nothing_where_they_are_fitted_are_left_out():
    nan = float("nan")
    columns = {
        "constant": [3, 3, 3, 3],
        "constant or missing": [3, nan, 3, 3],
        "missing": [nan, nan, nan, nan],
        "constant but for test": [3, 3, 3, 4],
        "missing but for test": [nan, nan, nan, 4],
        "constant in test": [1, 2, 2, 2],
    }
    found = features(columns, [0, 1, 2])
    assert found == {"constant in test": [1, 2, 2, 2]}
    assert list(features(columns, [0, 1, 2, 3])) == ["constant but for test", "constant in test"]
    for value in (-1e30, 1e30, nan):  # whatever stands in test
        changed = {name: [*values[:3], value] for name, values in columns.items()}
        assert list(features(changed, [0, 1, 2])) == list(found)


def test_nominal_values_are_one_column_each_and_a_missing_one_is_zero_in_all():
    colours = pd.Categorical(["a", "b", None, "c", "a"], categories=["a", "b", "c", "d"])
    found = features({"x": [0, 1, float("nan"), 3, 4], "colour": colours}, [0, 1, 2, 3])
    assert found.pop("x")[3:] == [3, 4]
    assert found == {
        "colour=a": [1, 0, 0, 0, 1],
        "colour=b": [0, 1, 0, 0, 0],
        "colour=c": [0, 0, 0, 1, 0],
    }
    assert list(features({"colour": colours}, [0, 1, 2])) == ["colour=a", "colour=b"]


def test_attribute_names_that_repeat_become_different_ones(publish: Publish):
    names = ("a (2)", "a", "a", "a", "a (2)")
    head = "".join(f"@attribute '{name}' numeric\n" for name in names)
    rows = {"train": "1,2,3,4,5,02 2,3,4,5,6,01", "valid": "0,0,0,0,0,02", "test": "9,9,9,9,9,02"}
    texts = {split: written(row, attributes=head) for split, row in rows.items()}
    source = HmcBenchmark("cellcycle_FUN")
    raw = source.read(publish("cellcycle_FUN", texts))
    assert raw.attributes.iloc[0].tolist() == [1, 2, 3, 4, 5]
    values, found, _ = source.features(raw, np.array([0, 1, 2]), 1)
    assert len(set(found)) == 5
    assert values[1].tolist() == [2, 3, 4, 5, 6]


SIZES = [n % 70 for n in range(100)]  # thirty e-mails came twice


@pytest.fixture
def emails(publish: Publish) -> RawDataset:
    """A benchmark without validation file; all rows of test are in train as well."""
    texts = {
        "train": " ".join(f"{size},red,02" for size in SIZES),
        "test": " ".join(f"{size},red,01" for size in range(20)),
    }
    texts = {split: written(rows) for split, rows in texts.items()}
    return HmcBenchmark("enron").read(publish("enron", texts))


def splits(raw: RawDataset, **values: Any) -> list[str]:
    config = parse({"prepare": {"min_support": 0, **values}}, "test")
    return prepare.prepare(raw, HmcBenchmark("enron"), config).examples["split"].tolist()


def test_validation_is_drawn_from_training_and_equal_rows_stay_together(emails: RawDataset):
    assert emails.splits == ("train",) * 100 + ("test",) * 20
    drawn = splits(emails)
    assert drawn[100:] == ["test"] * 20
    assert 5 < drawn[:100].count("valid") < 30
    assert drawn[:100].count("train") + drawn[:100].count("valid") == 100
    assert drawn[70:100] == drawn[:30]
    assert splits(emails) == drawn


def test_another_seed_or_share_draws_another_validation_and_moves_no_test_row(emails: RawDataset):
    drawn = splits(emails)
    for other in (splits(emails, split_seed=1), splits(emails, valid_share=0.5)):
        assert other != drawn
        assert other[70:100] == other[:30]
        assert other[100:] == ["test"] * 20
    assert splits(emails, test_share=0.6) == drawn  # the publication's test set stays


def test_a_row_stays_in_its_split_when_others_go(emails: RawDataset):
    keep = [*range(0, 100, 2), *range(100, 120)]
    fewer = dataclasses.replace(
        emails,
        attributes=emails.attributes.iloc[keep],
        **{
            name: tuple(getattr(emails, name)[row] for row in keep)
            for name in ("ids", "groups", "labels", "splits")
        },
    )
    drawn = splits(emails)
    assert splits(fewer) == [drawn[row] for row in keep]


# From here on, the published files.


class Facts(NamedTuple):
    """What was counted once, by other means."""

    rows: tuple[int, ...]  # per split: train, valid, test, or train, test
    attributes: int
    nodes: int
    edges: int
    depth: int
    unsupported: int  # scored nodes without a positive in train+valid
    test_known: int  # test rows whose attributes are those of a row in train+valid


FACTS = {
    "cellcycle_FUN": Facts((1628, 848, 1281), 77, 499, 481, 5, 24, 0),
    "derisi_FUN": Facts((1608, 842, 1275), 63, 499, 481, 5, 24, 0),
    "gasch1_FUN": Facts((1634, 846, 1284), 173, 499, 481, 5, 24, 0),
    "spo_FUN": Facts((1600, 837, 1266), 80, 499, 481, 5, 24, 0),
    "cellcycle_GO": Facts((1625, 848, 1278), 77, 4126, 5827, 14, 431, 0),
    "gasch2_GO": Facts((1636, 849, 1288), 52, 4132, 5837, 14, 434, 0),
    "enron": Facts((988, 660), 1001, 56, 53, 2, 2, 7),
    "imclef07d": Facts((10000, 1006), 80, 46, 42, 2, 0, 6),
}
GO_NAMES = [name for name in FACTS if name.endswith("_GO")]


@pytest.fixture(scope="module")
def published() -> Path:
    """The folder of the published files."""
    if not (value := os.environ.get(VARIABLE)):
        pytest.skip(
            f"set {VARIABLE} to a folder with the published files (datasets_FUN/, datasets_GO/, "
            "others/) to compare what is read from them with what others read"
        )
    folder = Path(value).absolute()
    needed = (file.path for name in FACTS for file in hmc_files.files(name).values())
    if missing := [path for path in needed if not (folder / path).is_file()]:
        pytest.fail(f"{VARIABLE} is {value}, and there is no {', '.join(missing)}", pytrace=False)
    return folder


class Local(HmcBenchmark):
    """A benchmark whose files come from a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder

    def origin(self) -> Path:
        return self._folder


@dataclasses.dataclass(frozen=True)
class Both:
    """A benchmark as we read it and as others do."""

    name: str
    files: dict[str, Path]
    raw: RawDataset
    others: dict[str, independent.Independent]
    graph: nx.DiGraph
    facts: Facts

    @property
    def labels(self) -> list[set[str]]:
        return [labels for other in self.others.values() for labels in other.labels]


@pytest.fixture(scope="module")
def load(published: Path, tmp_path_factory) -> Callable[[str], Both]:
    @cache
    def load(name: str) -> Both:
        source = Local(name, published)
        folder = tmp_path_factory.mktemp(name)
        source.fetch(folder)
        files = {split: folder / file.name for split, file in hmc_files.files(name).items()}
        others = {split: independent.by_pandas(path) for split, path in files.items()}
        return Both(
            name=name,
            files=files,
            raw=source.read(folder),
            others=others,
            graph=independent.graph(others["train"].entries, edges=name in GO_NAMES),
            facts=FACTS[name],
        )

    return load


@pytest.fixture(scope="module", params=FACTS)
def both(request: pytest.FixtureRequest, load: Callable[[str], Both]) -> Both:
    return load(request.param)


def test_rows_and_attributes_are_those_of_the_files(both: Both):
    rows = {split: both.raw.splits.count(split) for split in both.files}
    assert tuple(rows.values()) == both.facts.rows
    assert both.raw.ids[0] == "train-1"
    assert both.raw.ids[-1] == f"test-{both.facts.rows[-1]}"
    expected = [name for name, _ in both.others["train"].attributes]
    assert len(expected) == both.facts.attributes
    if both.name == "gasch1_FUN":  # it has two attributes of one name
        twice = "Heat_Shock_000_minutes__hs_2"
        second = expected.index(twice, expected.index(twice) + 1)
        expected[second] = f"{twice} ({second})"
    assert list(both.raw.attributes) == expected
    for other in both.others.values():
        assert other.attributes == both.others["train"].attributes
        assert other.entries == both.others["train"].entries


def test_every_value_is_the_one_that_pandas_reads(both: Both):
    table = pd.concat([other.table for other in both.others.values()], ignore_index=True)
    kinds = [kind for _, kind in both.others["train"].attributes]
    for (name, ours), (_, theirs), kind in zip(
        both.raw.attributes.items(), table.items(), kinds, strict=True
    ):
        if kind.startswith("{"):
            assert ours.cat.categories.tolist() == kind.strip("{}").split(",")
            assert ours.isna().tolist() == theirs.isna().tolist()
            assert ours.dropna().tolist() == theirs.dropna().tolist()
        else:
            assert ours.dtype == np.float32
            np.testing.assert_array_equal(ours, theirs.to_numpy(np.float32), err_msg=str(name))


def test_every_value_is_the_one_that_scipy_reads(both: Both):
    """Nothing of its own is missing to scipy in a nominal column: it calls that `?`."""
    parts = [independent.by_scipy(path) for path in both.files.values()]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    for (name, ours), theirs in zip(both.raw.attributes.items(), columns, strict=True):
        if theirs.dtype.kind == "S":
            found = ours.astype(object).where(ours.notna(), "?")
            assert found.tolist() == theirs.astype(str).tolist()
        else:
            np.testing.assert_array_equal(ours, theirs.astype(np.float32), err_msg=str(name))


def test_labels_are_those_of_the_files(both: Both):
    assert [set(labels) for labels in both.raw.labels] == both.labels
    assert all(len(set(labels)) == len(labels) > 0 for labels in both.raw.labels)


def test_hierarchy_and_depths_are_those_of_the_files(both: Both):
    raw, graph, facts = both.raw, both.graph, both.facts
    assert set(raw.nodes) == set(graph)
    assert len(raw.nodes) == facts.nodes
    assert {(parent, child) for child, parent in raw.edges} == set(graph.edges)
    assert len(raw.edges) == facts.edges
    hierarchy = labelling.build(raw.nodes, raw.edges)
    depths = dict(zip(hierarchy.nodes, hierarchy.depth.tolist(), strict=True))
    assert depths == independent.depths(graph)
    assert max(depths.values()) == facts.depth


def test_nodes_without_positive_are_as_many_as_were_counted(both: Both):
    raw = both.raw
    hierarchy = labelling.build(raw.nodes, raw.edges)
    fitted = [
        labels for labels, split in zip(raw.labels, raw.splits, strict=True) if split != "test"
    ]
    support = hierarchy.support(labelling.label_matrix(fitted, hierarchy))
    unsupported = {node for node, n in zip(hierarchy.nodes, support, strict=True) if n == 0}
    others = (labels for split, o in both.others.items() if split != "test" for labels in o.labels)
    positive = set().union(*(independent.closed(labels, both.graph) for labels in others))
    assert unsupported == set(both.graph) - positive
    assert len(unsupported - raw.unscored) == len(unsupported) == both.facts.unsupported


def test_root_and_namespaces_of_the_gene_ontology_are_not_scored(both: Both):
    expected = {"root", *NAMESPACES} if both.name in GO_NAMES else set()
    assert both.raw.unscored == expected
    scored = {"cellcycle_GO": 4122, "gasch2_GO": 4128}.get(both.name, both.facts.nodes)
    assert len(both.raw.nodes.keys() - both.raw.unscored) == scored


def test_test_rows_that_are_known_from_training_are_counted(both: Both):
    *fitted, test = (
        pd.util.hash_pandas_object(other.table, index=False) for other in both.others.values()
    )
    known = test.isin(pd.concat(fitted)).sum()
    assert known == both.facts.test_known
    total = both.facts.rows[-1]
    assert both.raw.info["notes"][-1].startswith(f"{known} of {total} test examples")


def test_no_carriage_return_is_left(both: Both):
    assert any(b"\r\n" in path.read_bytes() for path in both.files.values()) == (
        both.name == "imclef07d"
    )
    raw = both.raw
    texts = [*raw.ids, *raw.nodes, *raw.attributes, *(text for row in raw.labels for text in row)]
    for column in raw.attributes.select_dtypes("category"):
        texts += raw.attributes[column].cat.categories.tolist()
    assert not any("\r" in text for text in texts)


def test_path_from_the_root_is_not_always_the_longest_one(load: Callable[[str], Both]):
    graph = load("cellcycle_GO").graph
    longest, shortest = independent.depths(graph), independent.depths(graph, min)
    shorter = sum(shortest[node] < longest[node] for node in graph)
    assert shorter == 1598
    assert round(shorter / len(graph), 2) == 0.39


@pytest.mark.parametrize("name", GO_NAMES)
def test_rows_that_carry_only_a_namespace_are_read(name: str, load: Callable[[str], Both]):
    raw = load(name).raw
    bare = [s for s, row in zip(raw.splits, raw.labels, strict=True) if set(row) <= {*NAMESPACES}]
    assert [bare.count(split) for split in ("train", "valid", "test")] == [27, 24, 20]


def test_percent_signs_in_names_are_no_comments(load: Callable[[str], Both]):
    names = list(load("gasch2_GO").raw.attributes)
    assert names[0] == "DES460_Plus_0point02%_MMS___5_min"
    assert sum("%" in name for name in names) == 17


def test_entries_of_a_hierarchy_that_repeat_are_one_node(load: Callable[[str], Both]):
    both = load("imclef07d")
    assert len(both.others["train"].entries) == 78
    assert len(both.raw.nodes) == 46


def test_a_published_file_that_was_changed_is_refused(load: Callable[[str], Both], tmp_path: Path):
    both = load("cellcycle_FUN")
    for path in both.files.values():
        shutil.copy(path, tmp_path)
    changed = tmp_path / both.files["valid"].name
    lines = changed.read_bytes().splitlines(keepends=True)
    changed.write_bytes(b"".join(lines[:-1]))
    expected = re.escape("expected the published valid file (sha256 8914f375")
    with pytest.raises(DatasetError, match=expected):
        HmcBenchmark("cellcycle_FUN").read(tmp_path)


def test_emails_that_repeat_stay_together(load: Callable[[str], Both]):
    both = load("enron")
    train = both.facts.rows[0]
    repeats = both.others["train"].table.duplicated()
    assert repeats.sum() == 52
    assert len(set(both.raw.groups[:train])) == train - 52
    drawn = pd.Series(splits(both.raw)[:train])
    assert 0.1 < (drawn == "valid").mean() < 0.2
    assert drawn.groupby(list(both.raw.groups[:train])).nunique().max() == 1


class PublishedContract(SourceContract):
    name: str

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, published: Path) -> HmcBenchmark:
        return Local(cls.name, published)

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, load: Callable[[str], Both]) -> RawDataset:
        return load(cls.name).raw


class TestTreeWithNominalAttributes(PublishedContract):
    name = "spo_FUN"


class TestGraph(PublishedContract):
    name = "cellcycle_GO"


class TestManyAttributes(PublishedContract):
    name = "enron"


def test_what_the_docs_say_about_the_published_weights_is_so(load: Callable[[str], Both]):
    """docs/method.md, section 10."""
    found = {}
    for name in ("cellcycle_FUN", "cellcycle_GO"):
        raw = load(name).raw
        hierarchy = labelling.build(raw.nodes, raw.edges)
        rows = np.flatnonzero(np.array(raw.splits) != "test")
        support = hierarchy.support(labelling.label_matrix(raw.labels, hierarchy)[rows])
        scored = np.array([node not in raw.unscored for node in hierarchy.nodes])
        learnable = scored & (support > 0)
        options = {"floor": 0.25, "scored": scored}
        sizes = support, len(rows), hierarchy
        released = imbalance_weights(*sizes, variant="released", **options)[1][learnable]
        paper = imbalance_weights(*sizes, variant="paper", **options)[0][learnable]
        found[name] = released, paper
    released, paper = found["cellcycle_FUN"]
    assert round((released > 1).mean(), 2) == 0.36
    assert round(released.max(), 1) == 5.2
    assert round(np.median(released), 2) == 0.63
    assert round((paper < 1).mean(), 1) == 0.6
    assert all(weights.max() < 1 for weights in found["cellcycle_GO"])


def test_every_published_setting_has_its_data_set_and_the_other_way_round():
    assert set(hmc_files.NAMES) - set(PUBLISHED) == {"church_FUN", "pheno_FUN", "pheno_GO"}
    assert set(PUBLISHED) <= set(hmc_files.NAMES)
