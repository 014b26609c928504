"""Schedules on a real server, with a real worker, in a workspace in miniature."""

import datetime
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Pending, Running

from tests.flows.conftest import ROOT, git, gone, runs, wait_for_child

from .conftest import Server, running_server, until

ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


@pytest.fixture
def place(workspace: Path) -> Path:
    """A workspace with a commit; its folder's name is that of its schedules."""
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    return workspace


def deploy(server: Server, *arguments: str) -> str:
    done = server.rarenode("deploy", "--flow", "train", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ended(server: Server, name: str, count: int, seconds: float = 60) -> list[dict[str, Any]]:
    """The runs of a schedule, once `count` have ended."""

    def found() -> list[dict[str, Any]]:
        over = [run for run in server.runs(name) if run["state_name"] in ENDED]
        return over if len(over) >= count else []

    return until(found, seconds, lambda: said(server, name))


def said(server: Server, name: str) -> str:
    return "\n".join(f"{run['state_name']}: {run['state']['message']}" for run in server.runs(name))


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def awaiting(server: Server, name: str, state: str) -> dict[str, Any]:
    """A run of a schedule, once it is in a state."""

    def found() -> list[dict[str, Any]]:
        return [run for run in server.runs(name) if run["state_name"] == state]

    return until(found, 60, lambda: said(server, name))[-1]


def flow_process(stage_child: psutil.Process) -> psutil.Process:
    """The process of the flow that a stage's child belongs to."""
    return next(p for p in stage_child.parents() if "prefect.engine" in p.cmdline())


def hang() -> None:
    """Let the stage `first` start a child that ignores SIGTERM, and hang."""
    Path("child").unlink(missing_ok=True)
    Path("hang-first").touch()


@pytest.mark.usefixtures("worker")
def test_cron_fires_on_time_and_the_run_after_it_finds_all_up_to_date(prefect: Server, place: Path):
    deploy(prefect, "--cron", "* * * * *", "--name", "cron")
    (run,) = ended(prefect, "cron", 1, 90)
    assert run["state_name"] == "Completed"
    assert run["auto_scheduled"]
    late = (moment(run["start_time"]) - moment(run["expected_start_time"])).total_seconds()
    assert -2 < late < 15  # a worker starts its process some ten seconds early
    stages = ("first", "left", "right", "last")
    assert prefect.tasks(run) == dict.fromkeys(stages, "Completed")
    assert sorted(runs()) == sorted(stages)

    assert "  - at * * * * * (UTC)\n  + only when asked\n" in deploy(prefect, "--name", "cron")
    prefect.start("train/cron")
    run = ended(prefect, "cron", 2)[-1]
    assert not run["auto_scheduled"]
    assert prefect.tasks(run) == dict.fromkeys(stages, "Cached")
    assert runs() == []


@pytest.mark.usefixtures("worker")
def test_run_that_is_due_meanwhile_waits_and_a_cancelled_one_leaves_nothing(
    prefect: Server, place: Path
):
    deploy(prefect, "--name", "waits", "--overlap", "wait")
    hang()
    prefect.start("train/waits")
    child = wait_for_child()
    prefect.start("train/waits")
    awaiting(prefect, "waits", "AwaitingConcurrencySlot")
    assert child.is_running()

    Path("hang-first").unlink()
    prefect.prefect("flow-run", "cancel", awaiting(prefect, "waits", "Running")["id"])
    assert gone(child)
    first, second = ended(prefect, "waits", 2)
    assert (first["state_name"], second["state_name"]) == ("Cancelled", "Completed")
    assert second["start_time"] > first["end_time"]


@pytest.mark.usefixtures("worker")
def test_run_that_is_due_meanwhile_is_skipped_and_a_killed_one_does_not_hold_up_the_next(
    prefect: Server, place: Path
):
    deploy(prefect, "--name", "skips", "--overlap", "skip")
    hang()
    prefect.start("train/skips")
    child = wait_for_child()
    prefect.start("train/skips")
    skipped = awaiting(prefect, "skips", "Cancelled")
    assert skipped["start_time"] is None or skipped["total_run_time"] < 1
    assert child.is_running()

    Path("hang-first").unlink()
    flow_process(child).kill()
    awaiting(prefect, "skips", "Crashed")
    assert gone(child)
    prefect.start("train/skips")
    assert awaiting(prefect, "skips", "Completed")


@pytest.mark.usefixtures("worker")
def test_time_limit_ends_a_run_and_leaves_no_process(prefect: Server, place: Path):
    deploy(prefect, "--name", "limited", "--time-limit", "0.1")
    hang()
    prefect.start("train/limited")
    child = wait_for_child()
    (run,) = ended(prefect, "limited", 1)
    assert (run["state_name"], run["state_type"]) == ("TimedOut", "FAILED")
    assert 6 < run["total_run_time"] < 20
    assert gone(child)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("overlap", ["wait", "skip"])
def test_run_by_hand_is_not_disturbed(prefect: Server, place: Path, overlap: str):
    name = f"hand-{overlap}"
    deploy(prefect, "--name", name, "--overlap", overlap)
    Path(".rarenode").mkdir()
    with FileLock(".rarenode/run.lock"):
        prefect.start(f"train/{name}")
        if overlap == "skip":
            cancelled = awaiting(prefect, name, "Cancelled")
            assert "found one under way" in cancelled["state"]["message"]
        else:
            awaiting(prefect, name, "Running")
            time.sleep(2)
        assert runs() == []
    if overlap == "wait":
        assert awaiting(prefect, name, "Completed")
        assert len(runs()) == 4


@pytest.mark.usefixtures("worker")
def test_prefect_yaml_makes_the_same_schedule_and_it_runs(prefect: Server, place: Path):
    deploy(prefect, "--cron", "0 3 * * 1", "--name", "weekly")
    ours = prefect.deployment("train/weekly")
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    for before, after in (("scheduled.retrain", "scheduled.train"), ("weekly", "weekly-too")):
        assert text.count(before) == 1
        text = text.replace(before, after)
    Path("prefect.yaml").write_text(text)
    Path(".venv").symlink_to(Path(sys.executable).parents[1])
    prefect.prefect("--no-prompt", "deploy", "--all")
    theirs = prefect.deployment("train/weekly-too")
    for what in ("entrypoint", "parameters", "tags", "work_pool_name", "paused"):
        assert theirs[what] == ours[what]
    assert theirs["concurrency_options"] == ours["concurrency_options"]
    for found in (ours, theirs):
        assert found["global_concurrency_limit"]["limit"] == 1
        (schedule,) = found["schedules"]
        assert (schedule["active"], schedule["schedule"]["cron"]) == (True, "0 3 * * 1")
        assert schedule["schedule"]["timezone"] == "UTC"
    assert theirs["job_variables"] == ours["job_variables"] | {
        "command": ".venv/bin/python -m prefect.engine"
    }

    prefect.start("train/weekly-too")
    assert awaiting(prefect, "weekly-too", "Completed")


def test_run_that_ended_with_its_server_frees_its_place(tmp_path: Path):
    """As after a power cut; of the settings the first is what docs/schedules.md advises."""
    kept = "prefect.server.concurrency.lease_storage.filesystem"
    settings = {
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": kept,
        "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "30",  # the shortest
    }
    assert kept in (ROOT / "docs" / "schedules.md").read_text()

    def enters(server: Server, run: dict[str, Any], state: State) -> bool:
        with SyncPrefectClient(server.url) as client:  # it renews leases, and says so
            return client.set_flow_run_state(run["id"], state).status == SetStateStatus.ACCEPT

    with running_server(tmp_path, **settings) as server:
        flow = server.post("flows/", name="one")
        made = server.post("deployments/", name="one", flow_id=flow["id"], concurrency_limit=1)
        start = f"deployments/{made['id']}/create_flow_run"
        dead, due = server.post(start), server.post(start)
        assert enters(server, dead, Pending())
        assert enters(server, dead, Running())
        assert not enters(server, due, Pending())
    with running_server(tmp_path, **settings) as server:
        assert until(lambda: enters(server, due, Pending()), 90)
