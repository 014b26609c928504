import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import ready, stages
from pipeline import cli
from pipeline.config import edit

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
    assert "Note: params.yaml keeps the changes above, with which first, right ran; `git" in err
    assert "seed: 3" in Path("params.yaml").read_text()
    runs()

    Path("refuse-left").unlink()
    assert cli.main(["run"]) == 0
    out = capfd.readouterr().out
    assert "first: Cached\n" in out
    assert "2 Completed" in out
    assert sorted(runs()) == ["last", "left"]


@pytest.mark.parametrize("first_run", [True, False])
def test_a_run_that_is_refused_before_any_stage_ran_leaves_params_yaml_as_it_was(
    first_run: bool, workspace: Path, capfd: pytest.CaptureFixture[str]
):
    edit.plan([]).write()  # the profile gets the name that these parameters have
    before = Path("params.yaml").read_bytes()
    if not first_run:
        assert cli.main(["run"]) == 0
    Path("refuse-first").touch()
    assert cli.main(["run", "--set", "seed=3"]) == 2
    out, err = capfd.readouterr()
    assert "+seed: 3" in out
    assert err.splitlines() == [
        "expected good data, found bad data",
        "in two lines",
        "Note: params.yaml is as it was before: no stage has run with the changes.",
    ]
    assert Path("params.yaml").read_bytes() == before
    assert cli.main(["run"]) == (2 if first_run else 0)  # nothing was changed, nothing is undone
    assert "Note" not in capfd.readouterr().err


def test_a_server_that_lets_nobody_in_leaves_params_yaml_as_it_was(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    from flows import server
    from pipeline.errors import WorkspaceError

    def refuse() -> None:
        raise WorkspaceError("expected a server, found none")

    before = Path("params.yaml").read_bytes()
    monkeypatch.setattr(server, "starting", refuse)
    assert cli.main(["run", "--set", "seed=3"]) == 2
    assert "Note: params.yaml is as it was before" in capfd.readouterr().err
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("no luck"), 1)]
)
def test_what_ends_a_run_before_any_stage_leaves_params_yaml_as_it_was(
    error: BaseException,
    code: int,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    from flows import server

    def end() -> None:
        raise error

    path = Path("params.yaml")
    before = path.read_bytes()
    path.chmod(0o664)
    monkeypatch.setattr(server, "starting", end)
    assert cli.main(["run", "--json", "--set", "seed=3"]) == code
    out, err = capfd.readouterr()
    assert "Note: params.yaml is as it was before" in err
    assert json.loads(out)["params"] == "restored"
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    edit.plan([]).write()  # the profile gets the name that these parameters have
    assert cli.main(["run", "--json"]) == code
    out, err = capfd.readouterr()
    assert "Note" not in err
    assert json.loads(out)["params"] == "unchanged"


def test_an_installation_that_cannot_run_leaves_params_yaml_as_it_was(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    before = Path("params.yaml").read_bytes()
    monkeypatch.delattr("flows.terminal", raising=False)
    monkeypatch.setitem(sys.modules, "flows.terminal", None)
    assert cli.main(["run", "--set", "seed=3"]) == 1
    err = capfd.readouterr().err
    assert "ModuleNotFoundError" in err
    assert "Note: params.yaml is as it was before" in err
    assert Path("params.yaml").read_bytes() == before


def test_params_yaml_is_as_it_was_if_the_difference_cannot_be_shown(workspace: Path):
    before, notes = Path("params.yaml").read_bytes(), list[str]()

    def say(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        ready.make_ready([("seed", 3)], say=say, warn=notes.append)
    assert notes == ["Note: params.yaml is as it was before: no stage has run with the changes."]
    assert Path("params.yaml").read_bytes() == before


def test_fault_of_a_stage_shows_its_traceback_and_where_the_rest_is(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    Path("break-first").touch()
    assert cli.main(["run", "--set", "seed=3"]) == 1
    err = capfd.readouterr().err
    assert "RuntimeError: broken on purpose" in err
    assert "Note: params.yaml keeps the changes above; `git diff params.yaml` shows" in err
    assert f"Its whole output: {stages.log_of('first')}" in err


def _rarenode_run(server: str, *arguments: str) -> subprocess.Popen[str]:
    command = ["run", *arguments]
    code = f"import sys; from pipeline.cli import main; sys.exit(main({command}))"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_server_that_cannot_be_reached_is_named(workspace: Path):
    edit.plan([]).write()
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
    process = _rarenode_run(str(PREFECT_API_URL.value()), "--set", "seed=3")
    child = wait_for_child()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in err
    assert "Note: params.yaml keeps the changes above, with which first ran; `git" in err
    assert "seed: 3" in Path("params.yaml").read_text()
    assert gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_before_the_first_stage_leaves_params_yaml_as_it_was(
    workspace: Path, number: signal.Signals
):
    from prefect.settings import PREFECT_API_URL

    before = Path("params.yaml").read_bytes()
    Path("hang-first").touch()
    process = _rarenode_run(str(PREFECT_API_URL.value()), "--set", "seed=3")
    for _ in range(6000):
        if Path("params.yaml").read_bytes() != before:
            break
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Note: params.yaml is as it was before" in err
    assert "Traceback" not in err
    assert Path("params.yaml").read_bytes() == before
