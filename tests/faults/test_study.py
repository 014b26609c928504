"""A study with one worker is killed over and over, and ends with the bytes of one that was not."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.study.crews import ROOT
from tests.study.workspace import fresh, outputs

# Each costs the start of two processes, and torch: a few of those that are asked for.
KILLS = max(2, int(os.environ.get("RARENODE_KILLS", "16")) // 8)
COMMAND = (
    "import sys; from pipeline.study.command import Asked, run; "
    "sys.exit(run(Asked(trials=int(sys.argv[1]), storage=sys.argv[2])))"
)


def started(trials: int, storage: str) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, str(trials), storage]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_study_that_is_killed_over_and_over_ends_with_the_same_bytes(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draw = random.Random(storage)
    found: list[dict[str, bytes]] = []
    for name, kills in (("undisturbed", 0), ("killed", KILLS)):
        fresh(tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        for _ in range(kills):
            process = started(6, storage)
            children: list[psutil.Process] = []
            limit = time.monotonic() + draw.uniform(3, 12)
            while time.monotonic() < limit and process.poll() is None:
                time.sleep(0.1)
                children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
            assert psutil.wait_procs(children, timeout=10)[1] == []  # no worker is left behind
        assert started(6, storage).wait() == 0
        found.append(outputs())
    assert found[0] == found[1]
