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


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgresql"])
def test_the_dashboard_answers_with_the_study_and_ends_with_its_command(
    kind: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "render", lambda *what: "")
    fresh(tmp_path)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    storage = database if kind == "postgresql" else kind
    study(trials=1, storage=storage, name="mine")
    with served(storage) as (port, process):
        status, _ = fetched(port, "/dashboard/")
        assert status == 200
        _, studies = fetched(port, "/api/studies")
        assert [found["study_name"] for found in json.loads(studies)["study_summaries"]] == ["mine"]
        children = psutil.Process(process.pid).children()
        lines = [" ".join(child.cmdline()) for child in children]
        assert any("optuna-dashboard" in line for line in lines)
        assert not any(PASSWORD in line for line in lines)
    assert psutil.wait_procs(children, timeout=10)[1] == []
