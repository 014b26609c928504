"""What a flow returned or raised is known although an answer of Prefect's server came too late."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow

from flows import outcome
from pipeline import cli
from pipeline.errors import DatasetError

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first answer to a last state does not arrive in time; the questions about last states."""
    send = httpx.Client.send
    asked: list[str] = []

    def answer(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        response = send(self, request, **options)
        if request.url.path.endswith("/set_state") and b"RUNNING" not in request.content:
            asked.append(request.url.path)
            if len(asked) == 1:
                raise httpx.ReadTimeout("late", request=request)
        return response

    monkeypatch.setattr(httpx.Client, "send", answer)
    return asked


@flow
def doubles(number: int, fails: bool = False) -> list[int]:
    """Something to run."""
    if fails:
        raise DatasetError("expected a number")
    return [2 * number]


def test_what_was_returned(late: list[str]):
    assert outcome.of(doubles, 4) == [8]
    assert len(late) == 2


def test_what_was_raised(late: list[str]):
    ended = outcome.of(doubles.with_options(name="other"), 4, True)
    assert isinstance(ended, DatasetError)
    assert len(late) == 2


def test_flow_that_cannot_begin_says_why():
    ended = outcome.of(doubles, "four")
    assert "number: Input should be a valid integer" in str(ended)


def test_run_succeeds(workspace: Path, late: list[str], capfd: pytest.CaptureFixture[str]):
    assert cli.main(["run"]) == 0
    assert "4 Completed" in capfd.readouterr().out
    assert len(late) == 2
