"""What `rarenode deploy` makes and says; tests/services has a worker that runs it."""

import json
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline import cli

from .conftest import git

WEEKLY = ("--cron", "0 3 * * 1", "--timezone", "Europe/Berlin", "--name", "a")


@pytest.fixture
def place(workspace: Path, prefect_server: None) -> Path:
    """A workspace with a commit."""
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    return workspace


class Deploy:
    """The command, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        assert cli.main(["deploy", *arguments]) == 0
        return self._capsys.readouterr().out

    def refused(self, *arguments: str) -> str:
        assert cli.main(["deploy", *arguments]) == 2
        out, err = self._capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err


@pytest.fixture
def deploy(place: Path, capsys: pytest.CaptureFixture[str]) -> Deploy:
    return Deploy(capsys)


def test_schedule_is_made_changed_listed_and_removed(place: Path, deploy: Deploy):
    said = deploy(*WEEKLY)
    assert "retrain/a: created\n  at 0 3 * * 1 (Europe/Berlin)\n" in said
    assert f"  in {place} with {sys.executable} -m prefect.engine\n" in said
    assert "worker start --pool rarenode\n" in said
    assert deploy(*WEEKLY).startswith("retrain/a: unchanged\n")
    lines = "  - an overlapping run: wait\n  + paused\n  + an overlapping run: skip\n"
    changed = deploy(*WEEKLY, "--overlap", "skip", "--pause")
    assert changed.startswith(f"retrain/a: changed\n{lines}\n")
    limited = deploy("--name", "a", "--time-limit", "90")
    assert "  + only when asked\n" in limited
    assert "  + time limit: 90 minutes\n" in limited
    assert "  - paused\n" in limited
    deploy("--flow", "train", "--name", "b")
    listed = deploy("--list")
    assert "retrain/a\n  only when asked\n" in listed
    assert "train/b\n" in listed
    assert deploy("--remove", "a") == "retrain/a: removed\n"
    assert deploy("--remove", "train/b") == "train/b: removed\n"
    assert deploy("--list") == f"No schedule of {place}.\n"


def test_schedules_are_listed_for_programs(
    place: Path, deploy: Deploy, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["deploy", "--json", *WEEKLY]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "expected --json with --list, found it without"
    assert err == "expected --json with --list, found it without\n"
    deploy(*WEEKLY, "--overlap", "skip", "--pause", "--time-limit", "90")
    deploy("--flow", "train", "--name", "b")
    listed = json.loads(deploy("--list", "--json"))
    assert (listed["outcome"], listed["error"]) == ("completed", None)
    one, other = sorted(listed["schedules"], key=lambda schedule: schedule["name"])
    assert one.pop("page").startswith("http")
    assert one == {
        "name": "retrain/a",
        "when": [{"cron": "0 3 * * 1", "timezone": "Europe/Berlin"}],
        "paused": True,
        "overlap": "skip",
        "time_limit": 90,
        "folder": str(place),
        "command": f"{sys.executable} -m prefect.engine",
        "pool": "rarenode",
    }
    assert (other["name"], other["when"], other["time_limit"]) == ("train/b", [], None)
    deploy("--remove", "a")
    deploy("--remove", "b")
    assert json.loads(deploy("--list", "--json"))["schedules"] == []
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert cli.main(["deploy", "--list", "--json"]) == 2
    out, err = capsys.readouterr()
    refused = json.loads(out)
    assert refused["outcome"] == "refused"
    assert err == f"{refused['error']}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cron", "0 3 * *"), "weekday of --cron, found '0 3 * *'"),
        (("--cron", "0 3 * * 1", "--timezone", "Mars"), "a time zone such as Europe/Berlin"),
        (("--remove", "nothing"), "expected one of no schedule in "),
        (("--time-limit", "0"), "more than 0 minutes for --time-limit, found 0"),
        (("--time-limit", "nan"), "more than 0 minutes for --time-limit, found nan"),
        (("--time-limit", "inf"), "a finite number of more than 0 minutes for --time-limit"),
        (("--name", "a/b"), "a name without / % & > < for --name, found 'a/b'"),
        (("--name", "a&b"), "for --name, found 'a&b'"),
        (("--pool", "x/y"), "a name without / % & > < for --pool, found 'x/y'"),
        (("--pool", " "), "for --pool, found ' '"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_request_that_cannot_be_met_is_refused(
    deploy: Deploy, arguments: tuple[str, ...], message: str
):
    assert message in deploy.refused(*arguments)
    assert deploy("--list").startswith("No schedule")


def test_schedules_are_found_beside_any_number_of_flows_of_others(deploy: Deploy):
    deploy("--name", "lonely")
    with get_client(sync_client=True) as client:
        for number in range(200):  # the server gives 200 at a time, by name
            client.create_flow_from_name(f"a-{number}")
    assert "retrain/lonely\n" in deploy("--list")
    deploy("--remove", "lonely")


def test_name_that_another_workspace_has_is_refused(
    place: Path, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
):
    deploy("--name", "mine")
    other = place.parent / "other"
    git("clone", "--quiet", str(place), str(other))
    monkeypatch.chdir(other)
    assert f"found 'retrain/mine' of {place}" in deploy.refused("--name", "mine")
    monkeypatch.chdir(place)
    deploy("--remove", "mine")


def test_workspace_without_a_commit_is_refused(
    workspace: Path, prefect_server: None, capsys: pytest.CaptureFixture[str]
):
    assert f"expected a commit in {workspace}" in Deploy(capsys).refused("--name", "x")


def test_without_a_server_it_is_said_how_to_get_one(deploy: Deploy):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        said = deploy.refused(*WEEKLY)
    assert said.startswith("expected a Prefect server in PREFECT_API_URL, found none")
    assert "`prefect server start`" in said
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert "a Prefect server at http://127.0.0.1:9/api" in deploy.refused("--list")
