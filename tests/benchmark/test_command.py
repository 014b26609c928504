"""Which cells run, and what happens if they fail. The cells themselves are a stand-in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.benchmark import command
from pipeline.datasets import registry
from pipeline.errors import RarenodeError
from tests.datasets.toy import Toy

from .sample import load, put

PYTHON = sys.executable
# Takes the place of python: `-m pipeline.benchmark STUDY CELL`.
STAND_IN = """#!{python}
import json, os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from pipeline.benchmark import study
from tests.benchmark import sample

path, cell = sys.argv[3], study.Cell.model_validate_json(sys.argv[4])
with open("ran", "a") as ran:
    ran.write(cell.name + chr(10))
if Path("fail").exists() and cell.dataset == Path("fail").read_text():
    print("no such luck", file=sys.stderr)
    sys.exit(2)
if Path("hang").exists():
    Path("hanging").write_text(str(os.getpid()))
    time.sleep(60)
if Path("fault").exists():
    os.kill(os.getpid(), 9)
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
    assert lines[0] == "2 cells, 0 with a result, 2 to run, 2 at a time."
    line = "spo_FUN, mcloss, 1 member, seed 0: micro AP 0.2500, macro AP 0.1000"
    assert any(found.startswith(line) for found in lines[1:3])
    assert lines[-2:] == ["2 cells, 2 with a result, nothing to run.", "Page: page.md"]
    assert "| spo_FUN | 1 | 0.215 | 0.2500" in Path("page.md").read_text()


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
    assert "| spo_FUN | 1 | 0.215 | 0.2500" in text
    assert "- enron, mcloss, 1 member, seed 0" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"datasets": ["enrom"]}, "out of enron, spo_FUN (study.yaml), found 'enrom'. Did you"),
        ({"methods": ["mclos"]}, "found 'mclos'. Did you mean 'mcloss'?"),
        ({"members": [3]}, "expected a members out of 1, 5 (study.yaml), found 3."),
        ({"seeds": [7]}, "expected a seed out of 0, 1 (study.yaml), found 7."),
        ({"datasets": ["enron"], "members": [5]}, "expected a cell of study.yaml, found none"),
    ],
)
def test_what_no_cell_has_is_refused(options: dict, message: str, tmp_path: Path):
    load(tmp_path)
    with pytest.raises(RarenodeError, match=re.escape(message)):
        command.run(Path("study.yaml"), **options)
    assert ran() == []


def test_a_fault_of_a_cell_is_exit_code_1_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    load(tmp_path)
    Path("fault").write_text("enron")
    assert command.run(Path("study.yaml"), datasets=["enron"], seeds=[0]) == 1
    said = capsys.readouterr().err
    assert "enron, mcloss, 1 member, seed 0: ended by signal 9; 9 may mean" in said


def test_raw_files_are_fetched_once_before_cells_share_them(tmp_path: Path):
    load(tmp_path)
    command.run(Path("study.yaml"), members=[1], seeds=[0], workers=2)
    found = sorted(str(file.parent) for file in Path("data/raw").rglob("*") if file.is_file())
    assert found == ["data/raw/enron", "data/raw/spo_FUN"]


def test_a_study_that_is_ended_leaves_no_cell_behind(tmp_path: Path):
    load(tmp_path)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    Path("hang").touch()
    code = (
        f"import sys; sys.executable = {sys.executable!r}\n"
        "from pipeline import cli\nfrom pipeline.datasets import registry\n"
        "from tests.datasets.toy import Toy\nregistry.get = lambda name: Toy()\n"
        "sys.exit(cli.main(['benchmark', '--study', 'study.yaml', '--workers', '1']))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([PYTHON, "-c", code], env=environment) as process:
        deadline = time.monotonic() + 60
        while not Path("hanging").exists() or not Path("hanging").read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
    assert not psutil.pid_exists(int(Path("hanging").read_text()))
    assert len(ran()) == 1
