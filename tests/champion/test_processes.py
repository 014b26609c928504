"""What a retrain runs starts when the guard knows of it, and leaves nothing behind."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest

from flows import guard
from pipeline.champion.processes import StepFailed, python

# Both parts take their time; the child tidies up when it is asked to end.
LEADER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]])
time.sleep(20)
"""
CHILD = """
import os, pathlib, signal, sys, time
def end(*_):
    time.sleep(0.5)
    pathlib.Path("tidy").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(os.getppid(), flush=True)
time.sleep(20)
"""


def test_step_whose_leader_was_killed_ends(tmp_path: Path):
    def kill(line: str) -> None:
        os.kill(int(line), signal.SIGKILL)

    with pytest.raises(StepFailed):
        python(["-S", "-c", LEADER, CHILD], folder=tmp_path, log=kill)
    assert (tmp_path / "tidy").exists()


def test_interrupted_step_has_the_time_to_tidy_up(tmp_path: Path):
    def interrupt(line: str) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        python(["-S", "-c", LEADER, CHILD], folder=tmp_path, log=interrupt)
    assert (tmp_path / "tidy").exists()


def test_step_starts_only_when_the_guard_knows_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def watch(target: int) -> None:
        time.sleep(0.5)
        raise OSError("killed here")

    monkeypatch.setattr(guard, "watch", watch)
    code = "open('ran', 'w').close()"
    with pytest.raises(OSError, match="killed here"):
        python(["-S", "-c", code], folder=tmp_path, log=lambda line: None)
    assert not (tmp_path / "ran").exists()
