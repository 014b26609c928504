import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows import stages
from pipeline import cli

from .conftest import ROOT, gone, runs, wait_for_child

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_refusal_of_a_stage_is_its_one_message_and_the_next_run_recovers(
    workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    Path("refuse-left").touch()
    assert cli.main(["run", "--set", "seed=3"]) == 2
    out, err = capfd.readouterr()
    assert "expected good data, found bad data\nin two lines\n" in err
    assert "+seed: 3" in out
    assert "left: Failed" in out
    assert "last: " not in out
    assert "\x1b" not in out  # no terminal, no colours
    runs()

    Path("refuse-left").unlink()
    assert cli.main(["run"]) == 0
    out = capfd.readouterr().out
    assert "first: Cached\n" in out
    assert "2 Completed" in out
    assert sorted(runs()) == ["last", "left"]


def test_fault_of_a_stage_shows_its_traceback_and_where_the_rest_is(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    Path("break-first").touch()
    assert cli.main(["run"]) == 1
    err = capfd.readouterr().err
    assert "RuntimeError: broken on purpose" in err
    assert f"Its whole output: {stages.log_of('first')}" in err


def _rarenode_run(server: str) -> subprocess.Popen[str]:
    code = "import sys; from pipeline.cli import main; sys.exit(main(['run']))"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_server_that_cannot_be_reached_is_named(workspace: Path):
    url = "http://127.0.0.1:9/api"
    process = _rarenode_run(url)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith(f"expected a Prefect server at {url} (PREFECT_API_URL), found: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_run_and_every_child(workspace: Path, number: signal.Signals):
    from prefect.settings import PREFECT_API_URL

    Path("hang-first").touch()
    process = _rarenode_run(str(PREFECT_API_URL.value()))
    child = wait_for_child()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in err
    assert gone(child)
