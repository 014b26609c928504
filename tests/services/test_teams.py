"""What docs/teams.md says of a server for several people: PostgreSQL, and a password."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.flows.conftest import git, runs

from .conftest import Server, running_server, running_worker, until


@pytest.fixture
def team(cluster: str, tmp_path: Path) -> Iterator[Server]:
    home = tmp_path / "prefect"
    home.mkdir()
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute("create database prefect")  # not in one with studies: docs/teams.md
    address = urlsplit(cluster)._replace(scheme="postgresql+asyncpg", path="/prefect")
    with running_server(
        home,
        PREFECT_SERVER_DATABASE_CONNECTION_URL=address.geturl(),
        PREFECT_SERVER_API_AUTH_STRING="admin:pass",
    ) as server:
        yield replace(server, login=("admin", "pass"))


def test_schedule_fires_with_postgresql_and_a_password_and_without_it_nobody_gets_in(
    team: Server, workspace: Path, tmp_path: Path
):
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    command = "deploy", "--flow", "train", "--cron", "* * * * *", "--name", "team"
    done = team.rarenode(*command)
    assert done.returncode == 2
    assert "found: 401. Set PREFECT_API_AUTH_STRING to the server's.\n" in done.stderr
    assert done.stderr.count("\n") == 1

    team.environment["PREFECT_API_AUTH_STRING"] = "admin:pass"
    done = team.rarenode(*command)
    assert done.returncode == 0, done.stderr
    (tmp_path / "worker").mkdir()
    with running_worker(team, tmp_path / "worker"):
        run = until(lambda: [r for r in team.runs("team") if r["end_time"]], 150)[0]
    assert run["state_name"] == "Completed"
    assert run["auto_scheduled"]
    assert len(runs()) >= 4
    assert not list((tmp_path / "prefect").glob("*.db"))
