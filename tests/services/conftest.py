"""Servers that the tests start themselves."""

from collections.abc import Iterator

import pytest

from tests.services import postgresql


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    with postgresql.cluster() as url:
        yield url


@pytest.fixture
def database(cluster: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a PostgreSQL database, with the password in it; PGPASSWORD is forgotten after."""
    monkeypatch.setenv("PGPASSWORD", "to be forgotten")
    monkeypatch.delenv("PGPASSWORD")
    return cluster
