"""What is left of a flow that was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from flows import guard, server

from .conftest import ROOT, gone

# A flow with a child in a group of its own, which says who it is and who its child.
FLOW = """
import os, subprocess, sys, time
from flows import guard

child = [sys.executable, "-c", sys.argv[1]]
group = subprocess.Popen(child, start_new_session=True, stdout=subprocess.PIPE)
single = subprocess.Popen(child, stdout=subprocess.PIPE)
guard.watch(-group.pid)
guard.watch(single.pid)
for process in group, single:
    process.stdout.readline()
print(group.pid, single.pid, guard._guard.pid, flush=True)
time.sleep(60)
"""
PLAIN = "import time; print(1, flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PLAIN}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def start(child: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    process = subprocess.Popen(
        [sys.executable, "-c", FLOW, child],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_flow_leaves_no_child_and_no_guard(number: signal.Signals):
    flow, others = start(PLAIN)
    with flow:
        flow.send_signal(number)
    assert all(gone(process) for process in others)


def test_child_ends_although_the_folder_has_gone(tmp_path: Path):
    flow, others = start(PLAIN)
    with flow:
        shutil.rmtree(tmp_path / ".rarenode")
        flow.kill()
    assert all(gone(process) for process in others)


def test_server_that_another_has_replaced_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(guard, "watch", lambda target: told.append(("watch", target)))
    monkeypatch.setattr(guard, "forget", lambda target: told.append(("forget", target)))
    servers = [SimpleNamespace(server_process=SimpleNamespace(pid=pid)) for pid in (1, 1, 2, 2)]
    module = SimpleNamespace(SubprocessASGIServer=lambda: servers.pop(0))
    monkeypatch.setitem(sys.modules, "prefect.server.api.server", module)
    reached: Any = SimpleNamespace(wait=lambda seconds: not servers)
    server._hand_over(reached)
    assert told == [("watch", 1), ("watch", 2), ("forget", 1)]


def test_child_that_ignores_the_signal_is_killed_and_the_next_run_waits_for_it():
    flow, (group, single, helper) = start(DEAF)
    with flow:
        flow.kill()
    time.sleep(0.5)
    assert group.is_running()
    guard.wait_for_others()
    assert gone(group)
    assert gone(single)
    assert gone(helper)


def test_nobody_waits_where_no_flow_was_killed():
    started = time.monotonic()
    guard.wait_for_others()
    guard.watch(os.getpid())  # there is a guard, but it ends nobody
    guard.forget(os.getpid())
    guard.wait_for_others()
    assert time.monotonic() - started < 1


def test_guard_that_was_killed_is_replaced_and_knows_everything(capfd: pytest.CaptureFixture[str]):
    kept = subprocess.Popen([sys.executable, "-c", PLAIN], stdout=subprocess.DEVNULL)
    other = subprocess.Popen([sys.executable, "-c", PLAIN], stdout=subprocess.DEVNULL)
    try:
        guard.watch(kept.pid)
        assert guard._guard is not None
        guard._guard.kill()
        guard._guard.wait()
        guard.watch(other.pid)
        guard.forget(other.pid)
        guard._close()  # as at the end of the process
        assert kept.wait(10) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (kept, other):
            process.kill()
            process.wait()
        guard.forget(kept.pid)
