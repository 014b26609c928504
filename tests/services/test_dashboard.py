"""optuna-dashboard, one command away, for every kind of storage."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline.study import page
from tests.services.postgresql import PASSWORD, free_port
from tests.study.crews import ROOT
from tests.study.workspace import fresh, study


@contextmanager
def served(storage: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port of the dashboard that the command starts."""
    port = free_port()
    code = "import sys; from pipeline import cli; sys.exit(cli.main())"
    options = ["study", "--dashboard", "--storage", storage, "--name", "mine", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield port, process
        finally:
            process.terminate()


def fetched(port: int, path: str) -> tuple[int, bytes]:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nobody answers")


def made(storage: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace, the current folder, with the study "mine"."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(page, "render", lambda *what: "")
    fresh(folder)
    for name in (".git", ".dvc"):
        (folder / name).mkdir()
    (folder / "dvc.yaml").write_text("stages: {}\n")
    study(trials=1, storage=storage, name="mine")


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgresql"])
def test_the_dashboard_answers_with_the_study_and_ends_with_its_command(
    kind: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    storage = database if kind == "postgresql" else kind
    made(storage, tmp_path, monkeypatch)
    with served(storage) as (port, process):
        status, _ = fetched(port, "/dashboard/")
        assert status == 200
        _, studies = fetched(port, "/api/studies")
        # A database has those of other tests, too.
        assert "mine" in {found["study_name"] for found in json.loads(studies)["study_summaries"]}
        children = psutil.Process(process.pid).children()
        lines = [" ".join(child.cmdline()) for child in children]
        assert any("optuna-dashboard" in line for line in lines)
        assert not any(PASSWORD in line for line in lines)
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_the_dashboard_ends_with_a_command_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made("sqlite", tmp_path, monkeypatch)
    with served("sqlite") as (port, process):
        assert fetched(port, "/dashboard/")[0] == 200
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        left = psutil.wait_procs(children, timeout=10)[1]
        for child in left:
            child.kill()
    assert left == []
