"""Which cells run, and what if they fail. DVC and Prefect are real, the cells a stand-in."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows import benchmark, stages
from pipeline import cli
from pipeline.artifacts import files
from pipeline.benchmark import study
from pipeline.benchmark.study import Study
from pipeline.datasets import registry
from pipeline.errors import RarenodeError
from tests.benchmark import sample
from tests.datasets.toy import Toy

from .conftest import ROOT, gone, runs, wait_for_child

pytestmark = pytest.mark.usefixtures("prefect_server")

STUDY = Path("study/study.yaml")
# `stage.py` stands in for training; the result was made before and is put in its place.
STAGE = """\
  {name}:
    matrix:
      dataset: ${{grids.{name}.datasets}}
      method: ${{grids.{name}.methods}}
    wdir: ..
    cmd:
      - python stage.py ${{item.dataset}}-${{item.method}}
      - echo "${{item.method}} again=$RARENODE_AGAIN threads=$OMP_NUM_THREADS" >> surroundings
      - mkdir -p study/results
      - cp made/${{item.dataset}}.${{item.method}}.json study/results
    outs:
      - study/results/${{item.dataset}}.${{item.method}}.json:
          cache: false
          persist: true
"""


@pytest.fixture
def grid(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The small study in a workspace; nothing of it has a result."""
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    monkeypatch.delenv("RARENODE_AGAIN", raising=False)
    monkeypatch.setattr(registry, "get", lambda name: Toy())
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    STUDY.parent.mkdir()
    loaded = study.load(sample.write(STUDY.parent))
    text = "".join(STAGE.format(name=name) for name in loaded.grids)
    STUDY.with_name("dvc.yaml").write_text(f"vars: [study.yaml]\nstages:\n{text}")
    for one in loaded.cells.values():
        made = sample.result(loaded, one, {one.method: {"micro_ap": 0.25}})
        files.write_json(Path("made") / loaded.file(one).name, made)
    return loaded


def run(**options: Any) -> int:
    return benchmark.run(STUDY, **options)


def test_what_is_asked_for_runs_once(grid: Study, capfd: pytest.CaptureFixture[str]):
    for expected in (["enron-mcloss_1", "spo_FUN-mcloss_1"], []):
        assert run(methods=["mcloss_1"], workers=2) == 0
        assert sorted(runs()) == expected
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "2 cells, 0 with a result, 2 to run, 2 at a time."
    assert [line[:6] for line in lines[1:3]] == ["[1/2] ", "[2/2] "]
    figures = (
        "micro AP 0.2500 ± 0.0000, macro AP 0.1000 ± 0.0000, macro recall at 0.5 2.00 ± 0.00 %"
    )
    assert sorted(line[6:] for line in lines[1:3]) == [
        f"enron, mcloss_1: {figures}",
        f"spo_FUN, mcloss_1: {figures}",
    ]
    end = ["Page: page.md", "2 cells, 2 with a result, nothing to run.", "Page: page.md"]
    assert lines[3:] == end
    assert "| spo_FUN | 1 | 0.215 | 0.2500" in Path("page.md").read_text()
    # Four cores, shared by two.
    assert {*Path("surroundings").read_text().splitlines()} == {"mcloss_1 again= threads=2"}


def test_settings_narrow_a_study(workspace: Path, grid: Study):
    loaded = study.load(sample.write(STUDY.parent, sample.IN_SETTINGS))
    stages_of = STAGE.replace("${{item.dataset}}", "${{item.dataset}}-${{item.setting}}", 1)
    stages_of = stages_of.replace("${{item.dataset}}.", "${{item.dataset}}.${{item.setting}}.")
    setting = "      setting: ${{grids.{name}.settings}}\n      method:"
    stages_of = stages_of.replace("      method:", setting, 1)
    text = "".join(stages_of.format(name=name) for name in loaded.grids)
    STUDY.with_name("dvc.yaml").write_text(f"vars: [study.yaml]\nstages:\n{text}")
    for one in loaded.cells.values():
        made = sample.result(loaded, one, {one.method: {}})
        files.write_json(Path("made") / loaded.file(one).name, made)
    assert run(settings=["half", "tuned"], methods=["mcloss"]) == 0
    assert sorted(runs()) == ["fashion_mnist-half-mcloss", "fashion_mnist-tuned-mcloss"]
    assert "**No verdict yet: 4 of 6 cells lack a result.**" in Path("page.md").read_text()


def test_a_result_that_lacks_a_seed_or_has_other_settings_is_none(grid: Study):
    sample.put(grid, sample.cell(grid, "enron", "mcloss_1"))
    other = sample.cell(grid, "spo_FUN", "mcloss_1")
    sample.put(grid, other, seeds=[0])
    assert run(methods=["mcloss_1"]) == 0
    assert runs() == ["spo_FUN-mcloss_1"]
    file = grid.file(other)
    file.write_text(file.read_text().replace('"epochs": 115', '"epochs": 7'))
    assert run(methods=["mcloss_1"]) == 0
    assert runs() == ["spo_FUN-mcloss_1"]


def test_again_runs_what_has_a_result_and_is_up_to_date(grid: Study):
    for _ in range(2):
        assert run(datasets=["spo_FUN"], methods=["mcloss"], again=True) == 0
        assert runs() == ["spo_FUN-mcloss"]
    # One cell alone has all four cores.
    assert Path("surroundings").read_text() == "mcloss again=1 threads=4\n" * 2


def test_a_cell_that_refuses_is_named_and_the_others_are_kept(
    grid: Study, capfd: pytest.CaptureFixture[str]
):
    Path("refuse-enron-mcloss_1").touch()
    message = "enron, mcloss_1: expected good data, found bad data\nin two lines"
    with pytest.raises(RarenodeError, match=message):
        run(methods=["mcloss_1"], workers=2)
    assert "enron, mcloss_1: failed\n" in capfd.readouterr().out
    text = Path("page.md").read_text()
    assert "| spo_FUN | 1 | 0.215 | 0.2500" in text
    assert "- enron, mcloss_1\n" in text
    runs()
    Path("refuse-enron-mcloss_1").unlink()
    assert run(methods=["mcloss_1"]) == 0
    assert runs() == ["enron-mcloss_1"]


def test_a_fault_of_a_cell_is_exit_code_1_and_its_traceback_is_said(
    grid: Study, capfd: pytest.CaptureFixture[str]
):
    Path("break-enron-mcloss_1").touch()
    arguments = ["benchmark", "--study", str(STUDY), "--datasets", "enron"]
    assert cli.main(arguments) == 1
    said = capfd.readouterr().err
    assert said.startswith("enron, mcloss_1: stage 'study/dvc.yaml:one@enron-mcloss_1' failed.\n")
    assert "RuntimeError: broken on purpose" in said
    log = stages.log_of("study/dvc.yaml:one@enron-mcloss_1")
    assert "about to break" in log.read_text()


def test_what_can_be_mended_is_exit_code_2_and_its_one_message(
    grid: Study, capfd: pytest.CaptureFixture[str]
):
    Path("refuse-enron-mcloss_1").touch()
    arguments = ["benchmark", "--study", str(STUDY), "--datasets", "enron"]
    assert cli.main(arguments) == 2
    said = capfd.readouterr().err
    assert said == "enron, mcloss_1: expected good data, found bad data\nin two lines\n"


def test_programs_are_told_what_became_of_each_cell(grid: Study, capfd: pytest.CaptureFixture[str]):
    sample.put(grid, sample.cell(grid, "spo_FUN", "mcloss"))
    Path("refuse-enron-mcloss_1").touch()
    arguments = ["benchmark", "--json", "--study", str(STUDY), "--methods", "mcloss", "mcloss_1"]
    assert cli.main(arguments) == 2
    out, err = capfd.readouterr()
    found = json.loads(out)
    message = "enron, mcloss_1: expected good data, found bad data\nin two lines"
    assert (found["outcome"], found["error"]) == ("refused", message)
    assert err.endswith(f"{message}\n")
    cells = {(cell["dataset"], cell["method"]): cell for cell in found["cells"]}
    assert {key: cell["state"] for key, cell in cells.items()} == {
        ("enron", "mcloss_1"): "Failed",
        ("spo_FUN", "mcloss_1"): "Completed",
        ("spo_FUN", "mcloss"): "Cached",
    }
    assert cells["enron", "mcloss_1"]["result"] is None
    ran = cells["spo_FUN", "mcloss_1"]
    assert Path(ran["result"]).is_file()
    assert ran["seconds"] > 0
    assert ran["setting"] is None
    assert ran["seeds"] == sample.cell(grid, "spo_FUN", "mcloss_1").seeds
    assert cells["spo_FUN", "mcloss"]["seconds"] is None

    Path("refuse-enron-mcloss_1").unlink()
    assert cli.main(arguments) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["outcome"], found["page"]) == ("completed", "page.md")
    states = [cell["state"] for cell in found["cells"]]
    assert sorted(states) == ["Cached", "Cached", "Completed"]
    Path("break-enron-mcloss_1").touch()
    again = ["benchmark", "--json", "--study", str(STUDY), "--datasets", "enron", "--again"]
    assert cli.main(again) == 1
    found = json.loads(capfd.readouterr().out)
    assert found["outcome"] == "failed"
    assert "RuntimeError: broken on purpose" in found["error"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"datasets": ["enrom"]},
            "expected a data set out of enron, spo_FUN (study/study.yaml), found 'enrom'. "
            "Did you mean 'enron'?",
        ),
        ({"methods": ["mclos"]}, "found 'mclos'. Did you mean 'mcloss'?"),
        ({"methods": ["ours"]}, "mcloss_1, weighted-released (study/study.yaml), found 'ours'."),
        (
            {"methods": ["weighted-paper"]},
            "found 'weighted-paper'. Did you mean 'weighted-released",
        ),
        ({"datasets": ["enron"], "methods": ["mcloss"]}, "expected a cell of study/study.yaml"),
        ({"settings": ["half"]}, "expected a setting out of none (study/study.yaml), found 'half'"),
    ],
)
def test_what_no_cell_has_is_refused_before_anything_runs(
    options: dict[str, list[str]], message: str, grid: Study
):
    with pytest.raises(RarenodeError, match=re.escape(message)):
        run(**options)
    assert runs() == []
    assert not Path("page.md").exists()


def test_raw_files_are_fetched_once_before_cells_share_them(
    grid: Study, monkeypatch: pytest.MonkeyPatch
):
    fetched: list[str] = []

    class Counted(Toy):
        def fetch(self, folder: Path, *arguments: Any, **options: Any) -> None:
            assert not Path("runs").exists()
            fetched.append(str(folder))
            super().fetch(folder, *arguments, **options)

    monkeypatch.setattr(registry, "get", lambda name: Counted())
    assert run(datasets=["spo_FUN"], methods=["mcloss_1", "mcloss"], workers=2) == 0
    assert fetched == ["data/raw/spo_FUN"]
    assert run(datasets=["spo_FUN"], methods=["mcloss"]) == 0
    assert fetched == ["data/raw/spo_FUN"]  # what has a result needs no data
    assert sorted(runs()) == ["spo_FUN-mcloss", "spo_FUN-mcloss_1"]


def test_the_pipeline_of_the_workspace_has_no_cells(grid: Study):
    assert [*stages.plan()] == ["first", "left", "right", "last"]


def test_a_study_that_is_ended_leaves_no_cell_behind(grid: Study):
    from prefect.settings import PREFECT_API_URL

    for one in grid.cells.values():
        Path(f"hang-{one.dataset}-{one.method}").touch()
    assert not Path(grid.page).exists()
    code = (
        "import sys\nfrom pipeline import cli\nfrom pipeline.datasets import registry\n"
        "from tests.datasets.toy import Toy\nregistry.get = lambda name: Toy()\n"
        f"sys.exit(cli.main(['benchmark', '--study', {str(STUDY)!r}, '--workers', '1']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = wait_for_child()  # of the cell; it ignores the signal
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in err
    assert gone(child)
    assert len(runs()) == 1  # none started after that
    assert Path(grid.page).exists()  # with what had been done
