"""Studies in PostgreSQL: several workers, one that is killed, and a password that nobody sees."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import text

from pipeline.errors import ConfigError, WorkspaceError
from pipeline.study import lead, places, slots
from pipeline.study.slots import Opened
from tests.flows.conftest import ROOT
from tests.services.postgresql import PASSWORD, free_port
from tests.study import crews


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")  # the crews set it


@pytest.fixture
def study(database: str) -> Iterator[Callable[[str], Opened]]:
    """Opens a study of some name."""
    found: list[Opened] = []

    def open_one(name: str) -> Opened:
        found.append(crews.opened(database, name))
        return found[-1]

    yield open_one
    for one in found:
        one.close()


def test_a_hundred_trials_by_four_workers_of_which_one_is_killed_and_thrice_the_throughput(
    study: Callable[[str], Opened],
):
    one, four = study("one"), study("four")
    lead.lead(one, crews.Sleepers(one, 1, 1.0), 15)
    crew = crews.Sleepers(four, 4, 1.0, kill_after=40)
    lead.lead(four, crew, 100)

    (killed,) = crew.killed
    trials = four.trials()
    complete = [trial for trial in trials if slots.counts(trial)]
    assert sorted(trial.user_attrs[slots.SLOT] for trial in complete) == [*range(100)]
    assert all(trial.state == TrialState.COMPLETE and trial.params for trial in complete)
    (lost,) = (trial for trial in trials if slots.lost(trial))
    assert f":{killed}:" in lost.user_attrs[slots.WORKER]
    assert len(trials) == 101
    assert len({trial.user_attrs[slots.WORKER] for trial in complete}) == 5  # one was replaced
    ratio = crews.throughput(four) / crews.throughput(one)
    print(f"{crews.throughput(one):.2f} and {crews.throughput(four):.2f} trials a second")
    assert ratio >= 3


def test_two_cannot_lead_and_workers_claim_one_at_a_time(study: Callable[[str], Opened]):
    first, second, other = study("led"), study("led"), study("another")
    with first.place.leading(first.storage, "led"):
        with pytest.raises(WorkspaceError, match="--join adds workers"):
            with second.place.leading(second.storage, "led"):
                pass
        with other.place.leading(other.storage, "another"):
            assert other.place.led(other.storage, "another")
        assert second.place.led(second.storage, "led")
        assert not other.place.led(other.storage, "another")
    assert not second.place.led(second.storage, "led")
    with second.place.leading(second.storage, "led"):
        pass
    entered = threading.Event()
    with first.place.claiming(first.storage):

        def claim() -> None:
            with second.place.claiming(second.storage):
                entered.set()

        thread = threading.Thread(target=claim)
        thread.start()
        assert not entered.wait(0.5)
    thread.join(20)
    assert entered.is_set()


def test_whoever_leads_ends_when_the_database_has_ended_its_session(
    study: Callable[[str], Opened],
):
    found, other = study("ended"), study("ended")
    end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with found.place.leading(found.storage, "ended") as look:
        look()
        assert isinstance(other.storage, RDBStorage)
        with other.storage.engine.begin() as connection:
            connection.execute(text(end))
        crew = crews.Sleepers(found, 2, 0.0)
        with pytest.raises(WorkspaceError, match="expected to lead the study ended to its end"):
            lead.lead(found, crew, 3, look=look)
    assert other.trials() == []


def test_a_worker_of_another_machine_is_given_up_when_its_heart_has_stopped(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    open_soon = places.Place.storage
    monkeypatch.setattr(
        places.Place, "storage", lambda place: open_soon(place, heartbeat=1, grace=2)
    )
    found = crews.opened(database, "far")
    slots.fill(found, 2, {})
    for _ in range(2):
        assert slots.claim(found, "elsewhere:1:1", 2) is not None
    beating, silent = found.trials(TrialState.RUNNING)
    assert slots.fail_lost(found) == []
    for _ in range(6):
        threading.Event().wait(0.6)
        slots.beat(found, beating)
    assert slots.fail_lost(found) == [silent.user_attrs[slots.SLOT]]
    found.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda url: url.replace(PASSWORD, "not-the-password"), "password authentication failed"),
        (lambda url: url.replace("/postgres", "/nothing"), 'database "nothing" does not exist'),
        (lambda url: url.replace(url.rsplit(":", 1)[1].split("/")[0], str(free_port())), "refused"),
    ],
    ids=["wrong password", "no such database", "nobody there"],
)
def test_a_database_that_cannot_be_had_is_one_message_without_the_password(
    spoil: Callable[[str], str], message: str, database: str
):
    with pytest.raises(
        ConfigError, match="--storage: expected a PostgreSQL database at"
    ) as refused:
        places.place(spoil(database), "x").storage()
    said = str(refused.value)
    assert message in said
    assert PASSWORD not in said
    assert "not-the-password" not in said
    assert "\n" not in said


def test_a_database_of_something_else_is_refused(database: str):
    occupied = database.replace("/postgres", "/occupied")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database occupied")
    with psycopg.connect(occupied) as connection:
        # As of Prefect, which keeps its version where Optuna keeps its own.
        connection.execute("create table alembic_version (version_num varchar(32))")
        connection.execute("insert into alembic_version values ('cc510aec4689')")
    # In a process of its own: Optuna gives up without closing its connection.
    opening = "import sys; from pipeline.study import places; places.place(*sys.argv[1:]).storage()"
    done = subprocess.run(
        [sys.executable, "-c", opening, occupied, "x"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    *_, said = done.stderr.splitlines()
    assert said.startswith(
        "pipeline.errors.ArtifactError: --storage: expected a database for studies alone at"
    )
    assert PASSWORD not in done.stderr


def test_what_libpq_reads_is_enough(database: str, monkeypatch: pytest.MonkeyPatch):
    rest = database.removeprefix("postgresql://study:").removeprefix(f"{PASSWORD}@")
    address, _, name = rest.partition("/")
    host, _, port = address.partition(":")
    for key, value in {
        "PGHOST": host,
        "PGPORT": port,
        "PGDATABASE": name,
        "PGUSER": "study",
        "PGPASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(key, value)
    found = crews.opened("postgresql", "by variables")
    assert found.place.url == "postgresql+psycopg://"
    assert found.trials() == []
    found.close()
    assert os.environ["PGPASSWORD"] == PASSWORD
