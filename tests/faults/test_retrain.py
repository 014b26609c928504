"""Retrains that are killed at any moment."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.retrain import retrain
from pipeline.champion import place, training
from pipeline.champion.processes import git
from tests.flows.retraining import comparison, make, predicting, rows

pytestmark = pytest.mark.usefixtures("prefect_server")


KILLS = max(4, int(os.environ.get("RARENODE_KILLS", "16")) // 4)  # each takes some ten seconds
RUN = """
from flows import server
with server.starting():
    from flows.retrain import retrain
from pipeline.champion import training
from tests.flows.retraining import comparison
training.compare = lambda *_, **__: comparison(0)
retrain()
"""


def _left(folder: Path) -> list[list[str]]:
    """The commands of processes that still work in a folder, when they had time to end."""
    for _ in range(100):
        found: list[list[str]] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and folder in Path(process.cwd()).parents:
                    found.append(process.cmdline())
        if not found:
            break
        time.sleep(0.1)
    return found


def test_kill_at_any_moment_leaves_one_whole_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The old one or the new one: tags, link and bundle agree once the next retrain has looked."""
    make(tmp_path / "workspace", monkeypatch)
    monkeypatch.setattr(training, "compare", lambda *_, **__: comparison(0))
    assert retrain(return_state=True).name == "Promoted"
    began = time.monotonic()
    rows(2)
    assert retrain(return_state=True).name == "Promoted"
    took = time.monotonic() - began
    for number in range(KILLS):
        rows(3 + number)
        held = {predicting(), Path("features.csv").read_text()}
        process = subprocess.Popen(
            [sys.executable, "-c", RUN], start_new_session=True, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(took * (0.4 + 1.2 * (number + 1) / KILLS))
        process.kill()  # alone: what it has started must not outlive it
        process.wait()
        assert _left(tmp_path) == []
        assert git("status", "--porcelain") == ""
        assert predicting() in held
        champion = place.reconcile()
        assert champion is not None
        assert predicting() in held
    rows(1000)
    assert retrain(return_state=True).name == "Promoted"
    assert predicting() == Path("features.csv").read_text()
    assert len(git("worktree", "list").splitlines()) == 1
