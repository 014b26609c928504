"""What a killed run leaves in the workspace, and that nothing else is touched."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import leftovers, stages
from flows.workspace import exclusive
from pipeline.artifacts import files

from .conftest import ROOT, build, runs

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.artifacts import files

with files.whole_folder(Path("models/bundle")) as folder:
    files.write_json(folder / "x.json", 1)
    with files.whole_file(Path("reports/metrics.json")), files.whole_file(Path("data/raw/a/b")):
        print(1, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
RWLOCK = Path(".dvc/tmp/rwlock")


def killed() -> int:
    """The id of a process that was killed while it wrote."""
    code = [sys.executable, "-c", KILLED]
    process = subprocess.Popen(
        code, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    process.wait()
    return process.pid


def hidden() -> list[Path]:
    return [path for root in ("models", "reports", "data") for path in Path(root).rglob(".*")]


def test_half_written_files_of_dead_processes_are_removed_and_no_others(workspace: Path):
    killed()
    assert len(hidden()) == 3
    Path("data/.settings").touch()
    Path("data/.x.unfinished").touch()
    with files.whole_file(Path("reports/report.html")) as live:
        leftovers.clear()
        assert {*hidden()} == {
            live.relative_to(workspace),
            Path("data/.settings"),
            Path("data/.x.unfinished"),
        }
    assert Path("reports/report.html").exists()


def test_process_id_that_is_in_use_again_keeps_no_file(workspace: Path):
    Path("reports").mkdir()
    old = Path(f"reports/.metrics.json.{os.getpid()}-abcd1234.unfinished")
    old.touch()
    assert not files.alive(os.getpid(), 0.0)
    assert files.alive(os.getpid(), time.time())


def test_locks_of_dead_processes_and_of_others_than_dvc_are_released(workspace: Path):
    build()
    for pid in (killed(), os.getpid()):  # the latter is no DVC
        entry = {"pid": pid, "cmd": "dvc repro"}
        path = str(Path("first.txt").absolute())
        RWLOCK.write_text(json.dumps({"write": {path: entry}, "read": {path: [entry]}}))
        leftovers.clear()
        assert not RWLOCK.exists()
    runs()
    assert {*build().values()} == {"Cached"}


def test_lock_that_was_cut_off_is_released(workspace: Path):
    build()
    RWLOCK.write_text('{"write": {"/a": {"pi')
    leftovers.clear()
    Path("left.txt").unlink()
    assert build()["left"] == "Restored"


def test_lock_of_a_dvc_at_work_is_kept(workspace: Path):
    code = "import sys, time; print(1, flush=True); time.sleep(60)"
    at_work = subprocess.Popen([sys.executable, "-c", code, "dvc"], stdout=subprocess.PIPE)
    try:
        assert at_work.stdout is not None
        at_work.stdout.readline()
        RWLOCK.parent.mkdir(exist_ok=True)
        RWLOCK.write_text(json.dumps({"write": {"/a": {"pid": at_work.pid, "cmd": "dvc"}}}))
        leftovers.clear()
        assert RWLOCK.exists()
    finally:
        at_work.kill()
        at_work.communicate()


def test_dvc_lock_that_was_cut_off_anywhere_stops_nothing(workspace: Path):
    build()
    runs()
    lock = Path("dvc.lock")
    whole = lock.read_text()
    for length in range(0, len(whole), 7):
        lock.write_text(whole[:length])
        if leftovers.clear():
            assert leftovers.BROKEN.read_text() == whole[:length]
            assert not lock.exists()
        elif whole[:length]:
            with stages._repo() as repo:
                repo.index.check_graph()
                assert [stage.name for stage in repo.index.stages]
    lock.write_text(whole[: whole.rindex("md5:") + 12])
    assert len(leftovers.clear()) == 1
    assert {*build().values()} == {"Restored"}
    assert runs() == []
    assert lock.read_text() == whole
    assert leftovers.clear() == []


def test_dvc_lock_without_its_last_newline_is_kept(workspace: Path):
    build()
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().rstrip())
    assert leftovers.clear() == []
    assert {*build().values()} == {"Cached"}


def test_conflict_of_a_merge_is_left_to_the_user(workspace: Path):
    conflict = "stages:\n<<<<<<< HEAD\n  a:\n=======\n  b:\n>>>>>>> other\n"
    Path("dvc.lock").write_text(conflict)
    assert leftovers.clear() == []
    assert Path("dvc.lock").read_text() == conflict


def test_whoever_holds_the_workspace_hears_what_was_left(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    killed()
    Path("dvc.lock").write_text("schema: ")
    with exclusive():
        assert hidden() == []
    assert capsys.readouterr().err.startswith("Note: dvc.lock was cut off while DVC wrote it; ")
