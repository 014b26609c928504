"""A workspace in miniature: DVC and git are real, its stages cost nothing."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from dvc.repo import Repo

import flows  # noqa: F401  sets what Prefect reads from the environment
from flows import stages

# first -> left, right -> last. `runs` (outside DVC) tells which stages really ran.
STAGE = """
import pathlib, subprocess, sys, time
sys.path.insert(0, {root!r})
from pipeline import progress

name, inputs = sys.argv[1], sys.argv[2:]
with open("runs", "a") as runs:
    runs.write(name + chr(10))
if pathlib.Path("break-" + name).exists():
    print("about to break")
    raise RuntimeError("broken on purpose")
if pathlib.Path("refuse-" + name).exists():
    progress.refuse("expected good data, found bad data" + chr(10) + "in two lines")
    sys.exit(2)
if (busy := pathlib.Path("busy-" + name)).exists() and (left := int(busy.read_text())):
    busy.write_text(str(left - 1))
    progress.refuse("expected an answer, found a busy server", transient=True)
    sys.exit(2)
if pathlib.Path("hang-" + name).exists():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code])
    pathlib.Path("child").write_text(str(child.pid))
    time.sleep(60)
with progress.bar("working", total=3, unit="epoch") as bar:
    for _ in range(3):
        bar.advance(note="loss 1")
progress.note(name + " has a note")
text = "".join(pathlib.Path(path).read_text() for path in inputs)
pathlib.Path(name + ".txt").write_text(text + name)
"""

PIPELINE = """
stages:
  first:
    cmd: python stage.py first
    params: [seed]
    deps: [stage.py]
    outs: [first.txt]
  left:
    cmd: python stage.py left first.txt
    deps: [first.txt]
    outs: [left.txt]
  right:
    cmd: python stage.py right first.txt
    deps: [first.txt]
    outs: [right.txt]
  last:
    cmd: python stage.py last left.txt right.txt
    deps: [left.txt, right.txt]
    outs: [last.txt]
"""

PARAMS = """\
# which data
dataset: hpo_eye
profile: quick
seed: 0  # of everything
train:
  members: 5
  epochs: 30
"""

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty miniature workspace, and the current folder."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    Repo.init(".").close()
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "stage.py").write_text(STAGE.format(root=str(ROOT)))
    (folder / ".gitignore").write_text("*.txt\nruns\n.rarenode/\n")
    stages.allow()
    return folder


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


def second_clone(workspace: Path) -> Path:
    """Push a built workspace to a local remote, and let a clone of it pull: what a colleague does.

    The current folder must be `workspace`. It works for any workspace, the real one included.
    """
    dvc("remote", "add", "--default", "local", str(workspace.parent / "remote"))
    dvc("push", "--run-cache")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    clone = workspace.parent / "clone"
    git("clone", "--quiet", str(workspace), str(clone))
    dvc("--cd", str(clone), "pull", "--run-cache")
    return clone


def runs() -> list[str]:
    """The stages that ran since the last call, in order."""
    path = Path("runs")
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def build() -> dict[str, str]:
    """Bring every stage up to date without Prefect; the states by stage."""
    return {
        stage: "Cached" if stages.is_up_to_date(stage) else reproduce(stage)
        for stage in stages.plan()
    }


def reproduce(stage: str) -> str:
    return stages.reproduce(stage, log=lambda line: None, on_event=lambda event: None)


def wait_for_child() -> psutil.Process:
    """The grandchild of a stage that hangs; it ignores SIGTERM."""
    for _ in range(200):
        if Path("child").exists() and (text := Path("child").read_text()):
            return psutil.Process(int(text))
        time.sleep(0.1)
    raise AssertionError("the stage did not start")


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; DVC alone is given five seconds to."""
    for _ in range(300):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False
