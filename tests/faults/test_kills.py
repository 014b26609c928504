"""Kills of the flow, DVC or a stage at random moments: the next run ends as if nothing had been.

`RARENODE_KILLS` says how many, over all stages in turn; `RARENODE_FAULT_SEED` draws other moments.
"""

import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from pipeline.__main__ import STAGES

from .workspace import TRIALS, Workspace, copy_of, create

KILLS = int(os.environ.get("RARENODE_KILLS", "4"))
SEED = int(os.environ.get("RARENODE_FAULT_SEED", "0"))
# In turn; seven of them, so that each meets each of the eight stages.
TARGETS = ("flow", "dvc", "stage", "flow", "stage", "dvc", "start")
EVERY = 5  # of so many kills one has a temporary Prefect server


@dataclass(frozen=True)
class Kill:
    """Who is killed, how and when.

    Attributes:
        stage: that runs then, and is killed if it is the target.
        target: "flow", "dvc" or "stage"; "start" is the flow before any stage.
        number: of the signal.
        moment: share of the time that the stage's process lives, or until there is the first.
        temporary: whether Prefect's server is a temporary one, a child of the flow.
        at_once: whether the next run starts before all have ended.
    """

    stage: str
    target: str
    number: signal.Signals
    moment: float
    temporary: bool
    at_once: bool

    def __str__(self) -> str:
        server = "-temporary" if self.temporary else ""
        return f"{self.stage}-{self.target}-{self.number.name}-{self.moment:.2f}{server}"


def plan() -> list[Kill]:
    """Each stage in turn, the longest first, with a target, a signal and a moment."""
    draw = random.Random(SEED)
    first = ["train", "tune", "evaluate", "prepare"]  # what four kills should hit
    order = [*first, *(stage for stage in STAGES if stage not in first)]
    kills: list[Kill] = []
    for place in range(KILLS):
        kills.append(
            Kill(
                stage=order[place % len(order)],
                target=TARGETS[place % len(TARGETS)],
                number=draw.choice([signal.SIGKILL, signal.SIGTERM]),
                moment=draw.random(),
                temporary=place % EVERY == EVERY - 1,
                at_once=draw.random() < 0.5,
            )
        )
    return kills


@dataclass(frozen=True)
class Reference:
    """An undisturbed run, and the seconds that each stage's process lived."""

    workspace: Workspace
    results: dict[str, str]
    seconds: dict[str, float]
    start: float  # until the first of them


@pytest.fixture(scope="session")
def server(prefect_server: None) -> dict[str, str]:
    return {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, server: dict[str, str]) -> Reference:
    workspace = create(tmp_path_factory.mktemp("reference") / "workspace")
    workspace.environment = server
    began = time.monotonic()
    process = workspace.command("run")
    seen: dict[str, list[float]] = {}

    def look() -> None:
        while process.poll() is None:
            for stage in STAGES:
                if find(process.pid, "stage", stage) is not None:
                    seen.setdefault(stage, []).append(time.monotonic())
            time.sleep(0.1)

    thread = threading.Thread(target=look)
    thread.start()
    output, _ = process.communicate(timeout=900)
    thread.join()
    assert process.returncode == 0, output
    assert [*seen] == [stage for stage in seen if stage in STAGES]
    workspace.wait_until_empty()
    seconds = {stage: times[-1] - times[0] for stage, times in seen.items()}
    return Reference(workspace, workspace.results(), seconds, seen["fetch"][0] - began)


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Prefect's database where there is no server."""
    return {"PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")), "PREFECT_API_URL": ""}


def find(flow: int, target: str, stage: str) -> psutil.Process | None:
    """A stage's own process, or its DVC's, among what a flow has started."""
    last = ("pipeline", stage) if target == "stage" else ("--single-item", stage)
    try:
        for process in psutil.Process(flow).children(recursive=True):
            if tuple(process.cmdline()[-2:]) == last:
                return process
    except psutil.Error:
        pass
    return None


def strike(kill: Kill, process: subprocess.Popen[str], reference: Reference, haste: float) -> bool:
    """Wait for the moment and kill; False if it had ended before."""
    if kill.target == "start":  # while Prefect and DVC are being imported, or plan
        time.sleep(kill.moment * reference.start * haste)
        if process.poll() is not None:
            return False
        process.send_signal(kill.number)
        return True
    while (stage := find(process.pid, "stage", kill.stage)) is None:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    dvc = find(process.pid, "dvc", kill.stage)
    time.sleep(kill.moment * reference.seconds[kill.stage] * haste)
    target = {"flow": psutil.Process(process.pid), "dvc": dvc, "stage": stage}[kill.target]
    if target is None or process.poll() is not None or not stage.is_running():
        return False
    try:
        target.send_signal(kill.number)
    except psutil.NoSuchProcess:
        return False
    return True


def expected_codes(kill: Kill) -> set[int]:
    if kill.target in ("dvc", "stage"):
        return {1, 0}  # 0: it had done all its work
    # Before it listens to signals, it ends as any process does.
    return {-9} if kill.number == signal.SIGKILL else {130, -15}


@pytest.mark.parametrize("kill", plan(), ids=lambda kill: str(kill))
def test_next_run_ends_as_if_nothing_had_been(
    kill: Kill,
    reference: Reference,
    temporary: dict[str, str],
    server: dict[str, str],
    tmp_path: Path,
):
    environment = temporary if kill.temporary else server
    workspace = copy_of(reference.workspace, tmp_path / "workspace", environment)
    haste = 1.0
    for _ in range(4):
        workspace.forget(kill.stage)
        process = workspace.command("run")
        hit = strike(kill, process, reference, haste)
        output, _ = process.communicate(timeout=300)
        if hit:
            break
        haste /= 3
        workspace.run()
    assert hit, output
    assert process.returncode in expected_codes(kill), output
    if process.returncode == 1:
        assert f"'{kill.stage}' was ended by {kill.number.name} from outside" in output
        assert "Traceback" not in output
    if not kill.at_once:
        workspace.wait_until_empty()
    before = workspace.trials()

    workspace.run()
    assert workspace.results() == reference.results
    workspace.wait_until_empty()
    workspace.check_locks()
    after = workspace.trials()
    for study, trials in after.items():
        assert len(trials) == TRIALS
        assert trials[: len(before.get(study, []))] == before.get(study, [])
    assert {*before} <= {*after}
    if not kill.temporary:
        assert "Running" not in states_of(workspace)


def states_of(workspace: Workspace) -> set[str]:
    """Of all runs that Prefect's server knows of the workspace."""
    tag = f"workspace:{(workspace.folder / '.rarenode/workspace').read_text().strip()}"
    with get_client(sync_client=True) as client:
        runs: list[Any] = [run for run in client.read_flow_runs(limit=200) if tag in run.tags]
    return {run.state_name for run in runs}
