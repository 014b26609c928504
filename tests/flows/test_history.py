"""Runs that a kill has left `Running`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL
from prefect.states import Running

from flows import guard, history, scheduled
from flows.train import train
from flows.workspace import WorkspaceBusyError

from .conftest import ROOT, gone, wait_for_child

pytestmark = pytest.mark.usefixtures("prefect_server")

RUN = "import sys; from pipeline.cli import main; sys.exit(main(['run']))"


def states(run: UUID) -> tuple[str, dict[str, str]]:
    """Of a flow run, and of its task runs by name."""
    with get_client(sync_client=True) as client:
        own = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        tasks = client.read_task_runs(flow_run_filter=own)
        state: Any = client.read_flow_run(run).state
        return state.name, {task.name: task.state_name or "" for task in tasks}


def runs_of_workspace() -> list[Any]:
    with get_client(sync_client=True) as client:
        return [run for run in client.read_flow_runs() if history.tag() in run.tags]


def test_killed_run_is_called_crashed_by_the_next_one(workspace: Path):
    Path("hang-first").touch()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
    }
    process = subprocess.Popen([sys.executable, "-c", RUN], env=environment)
    child = wait_for_child()
    (run,) = runs_of_workspace()
    for _ in range(100):  # states of tasks reach the server as events
        if states(run.id)[1].get("first") == "Running":
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    guard.wait_for_others()  # the child ignores SIGTERM
    assert gone(child)
    assert states(run.id)[0] == "Running"
    Path("hang-first").unlink()

    assert train(return_state=True).is_completed()
    name, tasks = states(run.id)
    assert name == "Crashed"
    assert tasks["first"] == "Crashed"
    assert "Running" not in tasks.values()
    assert [run.state_name for run in runs_of_workspace()].count("Completed") == 1


def test_runs_of_other_workspaces_and_those_that_this_one_is_part_of_go_on(
    workspace: Path, tmp_path: Path
):
    @flow
    def elsewhere() -> str:
        os.chdir(tmp_path)
        try:
            found = history.reconcile()
        finally:
            os.chdir(workspace)
        return str(found)

    @flow
    def part() -> int:
        return history.reconcile()

    @flow
    def whole() -> tuple[str, int]:
        return elsewhere(), part()

    with tags(history.tag()):
        assert whole() == ("0", 0)
    assert {run.state_name for run in runs_of_workspace()} == {"Completed"}


def test_run_that_holds_another_lock_goes_on_and_one_that_held_this_one_has_ended(workspace: Path):
    @flow
    def beside(left: UUID) -> tuple[int, str, int]:
        return history.reconcile("retrain"), states(left)[0], history.reconcile()

    with get_client(sync_client=True) as client:
        left = client.create_flow_run(beside, parameters={}, tags=[history.tag()])
        client.set_flow_run_state(left.id, Running(), force=True)
    assert beside(left.id) == (0, "Running", 1)
    assert states(left.id)[0] == "Crashed"


def test_run_that_waits_is_not_taken_for_the_one_that_holds_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scheduled, "_AGAIN", 0)
    seen: list[set[str]] = []

    def hold() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        with get_client(sync_client=True) as client:
            seen.append({*client.read_flow_run(context.flow_run.id).tags})
        if len(seen) == 1:
            raise WorkspaceBusyError("busy")

    @flow
    def waits() -> None:
        scheduled._alone(hold, "wait", None)

    with tags(history.tag(), "other"):  # as one that is retried from the pages
        waits()
    assert seen == [{history.tag(), "other"}, {"other"}]


def test_tag_stays_the_same(workspace: Path):
    assert history.tag() == history.tag()
    assert history.tag().startswith("workspace:")
