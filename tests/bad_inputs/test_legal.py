"""What looks malformed and is not: it works, and names stay data."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import cli
from pipeline.config import load
from pipeline.config.tables import Tables
from pipeline.datasets.source import RawDataset
from pipeline.datasets.tables.source import OwnTables
from tests.bad_inputs import workspace
from tests.bad_inputs.workspace import FEATURES, HIERARCHY, LABELS, RIGHT

NAMES = {
    "HTML": "<script>alert('x')</script>",
    "quotes": 'it\'s "quoted" `so` \'\'\' """',
    "a path": "../../etc/passwd",
    "a path of another system": "C:\\nul\\..",
    "a template": "{{ 7 * 7 }} ${dataset} %s {0}",
    "YAML": "- a: &b !!str [*c] # d",
    "a missing value's": "NaN",
    "a number's": "007",
    "other scripts": "Größe 日本 \u202eabc",
    "a fence": "``` # heading",
    "a blank only inside": "a\u00a0b\u200bc",
    "1,000 characters": "x" * 1000,
}

CHARACTERS = st.characters(codec="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(rows: Sequence[Sequence[str]]) -> str:
    """Text as the csv module has it."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return made.getvalue()


def understood() -> tuple[Tables, RawDataset]:
    """What params.yaml holds, and what a later run makes of it."""
    config = load()
    assert config.tables is not None
    source = OwnTables(config.dataset, config.tables)
    source.fetch(Path("data/raw"))
    return config.tables, source.read(Path("data/raw"))


def card() -> str:
    """The only data card."""
    (found,) = Path("data/cards").iterdir()
    return found.read_text(encoding="utf-8")


def init(files: Mapping[str, str | bytes], *options: str) -> tuple[Tables, RawDataset]:
    """`rarenode init` with some other files."""
    workspace.put(Path(), files)
    assert cli.main([*workspace.INIT, *options]) == 0
    return understood()


@pytest.mark.parametrize("name", RIGHT)
def test_the_mark_that_excel_writes_is_no_part_of_the_file(name: str):
    usual = init({})[1]
    found = init({name: b"\xef\xbb\xbf" + RIGHT[name].encode()})[1]
    assert (found.ids, found.labels, found.edges) == (usual.ids, usual.labels, usual.edges)
    assert found.attributes.equals(usual.attributes)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_other_delimiters_and_ends_of_lines_are_found_out(delimiter: str, end: str):
    usual = init({})[1]
    files = {
        "features.csv": FEATURES.replace(",", delimiter).replace("\n", end),
        "hierarchy.csv": HIERARCHY.replace(",", delimiter).replace("\n", end),
    }
    found = init(files)[1]
    assert (found.ids, found.labels, found.edges) == (usual.ids, usual.labels, usual.edges)
    assert found.attributes.equals(usual.attributes)


def test_decimal_commas_are_read_where_they_are_clear(capsys: pytest.CaptureFixture[str]):
    usual = init({})[1]
    found = init({"features.csv": FEATURES.replace(",", ";").replace(".5;", ",5;")})[1]
    assert found.attributes.equals(usual.attributes)
    assert "1 numeric: 'age' (with decimal commas)" in capsys.readouterr().out


@pytest.mark.parametrize("kind", NAMES)
def test_unusual_names_of_nodes_stay_what_they_are(kind: str):
    name = NAMES[kind]
    edges = [["child", "parent"], ["a", name], ["b", name], ["c", "a"], ["d", "a"], [name, ""]]
    labels = [["id", "node"], *([f"e{row}", "abcd"[row % 4]] for row in range(11)), ["e11", name]]
    files = {"hierarchy.csv": written(edges), "labels.csv": written(labels)}
    tables, raw = init(files, "--label-column", "node")
    assert tables.labels.layout == "long"
    assert name in raw.nodes
    assert ("a", name) in raw.edges
    assert raw.labels[-1] == (name,)
    assert card().count("```") == 2  # the fence that is the card's own


@pytest.mark.parametrize("kind", [*NAMES, "100,000 characters"])
def test_unusual_names_of_columns_values_and_ids_stay_what_they_are(kind: str):
    name = NAMES.get(kind, "y" * 100_000)
    rows = [line.split(",") for line in FEATURES.splitlines()]
    rows[0][3] = name
    for row in rows[1::2]:
        row[3] = f"{name}!"
    rows[1][0] = f"{name}0"
    labels = [line.split(",") for line in LABELS.splitlines()]
    labels[1][0] = f"{name}0"
    files = {"features.csv": written(rows), "labels.csv": written(labels)}
    tables, raw = init(files, f"--categorical={name}")
    assert name in tables.features.categorical
    assert raw.ids[0] == f"{name}0"
    assert raw.attributes[name][0] == f"{name}!"
    assert card().count("```") == 2


@pytest.mark.parametrize("name", ["a b.csv", "<b>.csv", "it's.csv", "-x.csv", "Größe.CSV"])
def test_unusual_names_of_files_are_names(name: str):
    Path(name).write_text(FEATURES)
    assert cli.main([*workspace.INIT, "--features", f"./{name}", "--name", "mine"]) == 0
    tables, raw = understood()
    assert tables.features.path == name
    assert len(raw.ids) == 12


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example("\x85", "\u2028")
@example("a\nb", "\ta\x07")
@example("#", "'")
@given(st.text(CHARACTERS, min_size=1), st.text(CHARACTERS, min_size=1, max_size=20))
def test_any_name_of_a_column_comes_back_from_the_parameters(folder: Path, name: str, value: str):
    Path("params.yaml").write_bytes((workspace.ROOT / "params.yaml").read_bytes())
    rows = [line.split(",") for line in FEATURES.splitlines()]
    other = {"", *rows[0]}
    rows[0][3] = name
    for row in rows[1::2]:
        row[3] = value
    workspace.put(folder, {"features.csv": written(rows)})
    name = name.strip()
    code = cli.main([*workspace.INIT, f"--categorical={name}"])
    if name in other or "\0" in name + value:
        assert code == 2
        assert load().tables is None
    else:
        assert code == 0
        tables, raw = understood()
        assert name in tables.features.categorical
        assert raw.attributes[name][0] in (value.strip(), "")
