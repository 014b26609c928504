"""Where studies are kept: what is asked for, what is damaged, and passwords that stand nowhere."""

import os
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest

from pipeline.errors import ArtifactError, ConfigError, WorkspaceError
from pipeline.study import places, slots, studies
from tests.study import crews


@pytest.mark.parametrize(
    ("asked", "url"),
    [
        (None, "sqlite:///.rarenode/studies/eye.db"),
        ("sqlite", "sqlite:///.rarenode/studies/eye.db"),
        ("journal", "journal:///.rarenode/studies/eye.journal"),
        ("journal:///a/b.journal", "journal:///a/b.journal"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("postgresql", "postgresql+psycopg://"),
        ("postgresql://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgres://me@host:1/db", "postgresql+psycopg://me@host:1/db"),
        ("postgresql+psycopg://host/db?sslmode=require", "postgresql+psycopg://host/db?sslmode=require"),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_a_place(asked: str | None, url: str):
    assert places.place(asked, "eye").url == url
    assert "PGPASSWORD" not in os.environ


@pytest.mark.parametrize(
    "url", ["postgresql://me:hush@host/db", "postgresql://me@host/db?password=hush"]
)
def test_a_password_goes_to_where_libpq_reads_it_and_stands_in_no_url(url: str):
    assert places.place(url, "eye").url == "postgresql+psycopg://me@host/db"
    assert os.environ["PGPASSWORD"] == "hush"


def test_the_environment_says_what_the_command_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RARENODE_STORAGE", "postgresql://me:hush@host/db")
    for asked in (None, "postgresql"):
        assert places.place(asked, "eye").url == "postgresql+psycopg://me@host/db"
    assert places.place("journal", "eye").url.startswith("journal")


@pytest.mark.parametrize(
    "asked",
    [
        "mysql://me:hush@host/db",
        "hush",
        "hush://me@host/db",
        "me:hush@host/db",
        "postgresql:/me:hush@host/db",
        "postgresql:me:hush@host/db",
        "postgresql://me:hush@host:port/db",
        "postgresql://me:so@hush@host/db",
        "postgresql://host/hush@db",
        "postgresql://me@host/db?sslpassword=hush",
        "postgresql://me@host/db?Password=hush",
        "postgresql://me@host/db?oauth_client_secret=hush",
        "postgresql://me@host/db?password=hush&password=hush",
        "sqlite://",
    ],
)
def test_what_is_no_place_is_refused_without_its_password(asked: str):
    with pytest.raises(ConfigError, match="--storage: expected") as refused:
        places.place(asked, "eye")
    assert "hush" not in str(refused.value)
    assert "PGPASSWORD" not in os.environ


@pytest.mark.parametrize("password", ["a@b", "a/b?c=d#e", "a:b %"])
def test_any_password_can_be_written_in_a_url(password: str):
    url = f"postgresql://me:{quote(password, safe='')}@host/db"
    assert places.place(url, "eye").url == "postgresql+psycopg://me@host/db"
    assert os.environ["PGPASSWORD"] == password


def test_a_database_where_nobody_is_and_a_driver_that_is_missing_are_one_message(
    monkeypatch: pytest.MonkeyPatch,
):
    place = places.place("postgresql://me:hush@127.0.0.1:1/db", "eye")
    with pytest.raises(ConfigError, match="expected a PostgreSQL database at") as refused:
        place.storage()
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"package psycopg, .*\[teams\]"):
        place.storage()


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
@pytest.mark.parametrize(
    "content",
    [b"no study\nat all\n", b"\x00\xff" * 600 + b"\n", b'{"op_code": 4}\n{"op_code": 9}\n'],
)
def test_a_damaged_file_is_named_and_left_alone(storage: str, content: bytes):
    file = places.place(storage, "x").file
    assert file is not None
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"in {file}, found") as refused:
        crews.opened(storage, "x")
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content


def test_half_a_line_of_a_journal_is_taken_away():
    found = crews.opened("journal", "x")
    file = found.place.file
    assert file is not None
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code": 5, "wor')
    again = crews.opened("journal", "x")
    assert file.read_bytes().startswith(whole + b'{"op_code":0')
    slots.fill(again, 2, {})
    assert len(crews.opened("journal", "x").trials()) == 2


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_two_cannot_lead_and_workers_claim_one_at_a_time(storage: str):
    first, second = (crews.opened(storage, "x") for _ in range(2))
    with first.place.leading(first.storage, "x"):
        with pytest.raises(WorkspaceError, match="--join adds workers"):
            with second.place.leading(second.storage, "x"):
                pass
    with second.place.leading(second.storage, "x"):
        pass
    entered = threading.Event()

    def claim() -> None:
        with second.place.claiming(second.storage):
            entered.set()

    with first.place.claiming(first.storage):
        thread = threading.Thread(target=claim)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(20)
    assert entered.is_set()
    for found in (first, second):
        found.close()


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_study_that_is_not_there_is_named(storage: str):
    place = places.place(storage, "x")
    with pytest.raises(ConfigError, match=r"expected the study x in .*, found none"):
        studies.load(place, "x")
    assert not Path(".rarenode").exists()
    crews.opened(storage, "x").close()
    with pytest.raises(ConfigError, match=r"expected the study y in .*, found none"):
        studies.load(place, "y")


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
@pytest.mark.parametrize("trials", [0, 1], ids=["two objectives", "a trial"])
def test_a_study_of_others_is_not_taken_over(storage: str, trials: int):
    place = places.place(storage, "x")
    study = optuna.create_study(
        study_name="x", storage=place.storage(), directions=["maximize"] * (2 - trials)
    )
    for _ in range(trials):
        study.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(ArtifactError, match=r"expected a study by `rarenode study` in .*, found x"):
        crews.opened(storage, "x")
    assert study.user_attrs == {}
