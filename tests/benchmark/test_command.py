"""Which cells run, and what happens if they fail. The cells themselves are a stand-in."""

import json
import sys
from pathlib import Path

import pytest

from pipeline.benchmark import command
from pipeline.datasets import registry
from pipeline.errors import RarenodeError
from tests.datasets.toy import Toy

from .sample import load, put

# Takes the place of python: `-m pipeline.benchmark STUDY CELL`.
STAND_IN = """#!{python}
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from pipeline.benchmark import study
from tests.benchmark import sample

path, cell = sys.argv[3], study.Cell.model_validate_json(sys.argv[4])
with open("ran", "a") as ran:
    ran.write(cell.name + chr(10))
if Path("fail").exists() and cell.dataset == Path("fail").read_text():
    sys.exit("no such luck")
sample.put(study.load(Path(path)), cell, 0.25)
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "python"
    root = str(Path(__file__).parents[2])
    script.write_text(STAND_IN.format(python=sys.executable, root=root))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(registry, "get", lambda name: Toy())


def ran() -> list[str]:
    return sorted(Path("ran").read_text().splitlines()) if Path("ran").exists() else []


def test_what_is_asked_for_runs_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    load(tmp_path)
    options = {"datasets": ["spo_FUN"], "methods": ["mcloss"], "members": [1]}
    for _ in range(2):
        assert command.run(Path("study.yaml"), **options, workers=2) == 0
        assert ran() == ["spo_FUN, mcloss, 1 member, seed 0", "spo_FUN, mcloss, 1 member, seed 1"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 cells, 0 have a result, 2 to run, 2 at a time."
    assert "spo_FUN, mcloss, 1 member, seed 0: micro AP 0.2500, macro AP 0.1000" in lines[1]
    assert lines[-2:] == ["2 cells, 2 have a result, nothing to run.", "Page: page.md"]
    assert "| spo_FUN | 0.215 | 0.2500" in Path("page.md").read_text()


def test_again_runs_what_has_a_result(tmp_path: Path):
    grid = load(tmp_path)
    put(grid, grid.all_cells()[0], 0.2)
    command.run(Path("study.yaml"), datasets=["spo_FUN"], seeds=[0], members=[1], again=True)
    assert ran() == ["spo_FUN, mcloss, 1 member, seed 0"]


def test_a_result_of_other_settings_is_none(tmp_path: Path):
    grid = load(tmp_path)
    cell = grid.all_cells()[0]
    put(grid, cell, 0.2)
    file = Path(grid.results) / cell.file_name
    found = json.loads(file.read_text())
    found["settings"]["train"]["epochs"] = 7
    file.write_text(json.dumps(found))
    command.run(Path("study.yaml"), datasets=["spo_FUN"], seeds=[0], members=[1])
    assert ran() == [cell.name]


def test_a_cell_that_fails_is_named_and_the_others_are_kept(tmp_path: Path):
    load(tmp_path)
    Path("fail").write_text("enron")
    message = "enron, mcloss, 1 member, seed 0: no such luck"
    with pytest.raises(RarenodeError, match=message):
        command.run(Path("study.yaml"), members=[1], seeds=[0], workers=2)
    text = Path("page.md").read_text()
    assert "| spo_FUN | 0.215 | 0.2500" in text
    assert "- enron, mcloss, 1 member, seed 0" in text


def test_nothing_that_is_asked_for_is_refused_with_what_there_is(tmp_path: Path):
    load(tmp_path)
    with pytest.raises(RarenodeError, match=r"enron, mcloss, 1 member, seed 0; .*found none"):
        command.run(Path("study.yaml"), datasets=["hpo_eye"])
    assert ran() == []


def test_raw_files_are_fetched_once_before_cells_share_them(tmp_path: Path):
    load(tmp_path)
    command.run(Path("study.yaml"), members=[1], seeds=[0], workers=2)
    found = sorted(str(file.parent) for file in Path("data/raw").rglob("*") if file.is_file())
    assert found == ["data/raw/enron", "data/raw/spo_FUN"]
