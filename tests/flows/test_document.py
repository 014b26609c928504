"""`--json`: one document on stdout, whatever becomes of the command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows import document
from pipeline import cli
from pipeline.artifacts import files, paths
from pipeline.errors import ConfigError

from .conftest import ROOT
from .retraining import make
from .test_tables import metrics


def told(capfd: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """The document, and what stands on stderr."""
    out, err = capfd.readouterr()
    return json.loads(out), err


@pytest.mark.usefixtures("prefect_server")
def test_a_run_tells_its_stages_figures_and_files(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    found = metrics() | {"seed": 3}
    files.write_json(paths.METRICS, found)
    few = {"micro_ap": 0.1, "macro_f1": {"tuned": 0.25}}
    files.write_json(paths.EVALUATION / "headline.json", few)
    paths.REPORT.touch()
    assert cli.main(["run", "--json", "--set", "seed=3"]) == 0
    one, err = told(capfd)
    assert list(one)[:3] == ["schema", "outcome", "error"]
    assert (one["schema"], one["outcome"], one["error"]) == (1, "completed", None)
    assert [stage["stage"] for stage in one["stages"]] == ["first", "left", "right", "last"]
    assert {stage["state"] for stage in one["stages"]} == {"Completed"}
    assert all(0 < stage["seconds"] <= one["seconds"] for stage in one["stages"])
    assert (one["dataset"], one["method"], one["seed"]) == ("hpo_eye", "ours", 3)
    assert one["params"] == "changed"
    assert one["figures"] == few
    assert one["metrics"] == "reports/metrics.json"
    assert one["report"] == "reports/report.html"
    assert one["model"] is None  # this workspace makes none
    assert "+seed: 3" in err
    assert "first: running" in err
    assert "hpo_eye, test split" in err

    assert cli.main(["run", "--json"]) == 0
    again, _ = told(capfd)
    assert {(stage["state"], stage["seconds"]) for stage in again["stages"]} == {("Cached", None)}


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_is_refused_or_fails_tells_why_and_no_figures(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    files.write_json(paths.EVALUATION / "headline.json", {"micro_ap": 0.1})  # of an earlier run
    Path("refuse-left").touch()
    assert cli.main(["run", "--json"]) == 2
    one, err = told(capfd)
    assert one["outcome"] == "refused"
    assert one["error"] == "expected good data, found bad data\nin two lines"
    assert one["error"] in err
    states = {stage["stage"]: stage["state"] for stage in one["stages"]}
    assert states["first"] == "Completed"
    assert (states["left"], states["last"]) == ("Failed", "not run")
    assert "figures" not in one
    assert one["params"] == "changed"  # the profile got its name, and a stage has run with it

    Path("refuse-left").unlink()
    Path("break-left").touch()
    assert cli.main(["run", "--json"]) == 1
    one, _ = told(capfd)
    assert one["outcome"] == "failed"
    assert "RuntimeError: broken on purpose" in one["error"]


def test_what_is_refused_before_anything_runs_is_a_document_too(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    assert cli.main(["run", "--json", "--set", "train.members=0"]) == 2
    one, err = told(capfd)
    assert one["outcome"] == "refused"
    assert "train.members: Input should be greater than or equal to 1" in one["error"]
    assert err == f"{one['error']}\n"
    assert one["params"] == "unchanged"
    assert cli.main(["study", "--json", "--storage", "nonsense"]) == 2
    assert "--storage: expected sqlite" in told(capfd)[0]["error"]


def test_a_command_that_has_no_such_document_says_so(
    workspace: Path, capfd: pytest.CaptureFixture[str]
):
    assert cli.main(["study", "--json", "--join"]) == 2
    one, err = told(capfd)
    assert one["outcome"] == "refused"
    assert one["error"].startswith("expected --json with the command that leads a study")
    assert err == f"{one['error']}\n"
    assert cli.main(["deploy", "--json", "--cron", "0 3 * * 1"]) == 2
    assert told(capfd)[0]["error"] == "expected --json with --list, found it without"


def test_what_json_or_the_terminal_does_not_have_stops_no_document():
    code = (
        "import os\n"
        "from flows import document\n"
        "def work(told):\n"
        "    told['output'] = os.fsdecode('新'.encode() + bytes([0xff]))\n"
        "    told['made'] = {'rates': (float('nan'), [float('-inf'), 0.5]), 'whole': 10**400}\n"
        "    return 0\n"
        "document.tell(work)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], env=environment, capture_output=True, check=True
    )
    one = json.loads(ended.stdout)
    assert one["outcome"] == "completed"
    assert os.fsencode(one["output"]) == "新".encode() + b"\xff"
    assert one["made"] == {"rates": [None, [None, 0.5]], "whole": 10**400}


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault(closed: str, tmp_path: Path):
    code = (
        "import os, sys; from pipeline import cli; code = cli.main(sys.argv[1:]); "
        "open('ended', 'w').write(str(code)); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "predict", "--json", "--input", "x.csv"]
    command += ["--output", "y.csv", "--model", "none"]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    if ">&-" not in closed.split():
        assert json.loads(ended.stdout)["outcome"] == "refused"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ended"]
    assert (tmp_path / "ended").read_text() == "2"  # no output went into another file


@pytest.mark.usefixtures("prefect_server")
def test_a_retrain_tells_its_verdict_and_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    make(tmp_path / "workspace", monkeypatch)
    assert cli.main(["retrain", "--json"]) == 0
    one, err = told(capfd)
    assert (one["outcome"], one["verdict"]) == ("completed", "Promoted")
    assert one["champion"]["version"] == "v0.1.0"
    assert one["champion"]["micro_ap"] == 0.5
    assert Path(one["figures"]).is_file()
    assert {step["stage"]: step["state"] for step in one["steps"]} == {
        "look": "Completed",
        "validate": "Completed",
        "train": "Completed",
        "compare": "not run",
        "promote": "Completed",
    }
    assert f"Promoted: {one['message']}" in err
    assert cli.main(["retrain", "--json"]) == 0
    one, _ = told(capfd)
    assert (one["verdict"], one["figures"]) == ("Unchanged", None)
    Path("refuse-validate").touch()
    assert cli.main(["retrain", "--json", "--force"]) == 2
    one, _ = told(capfd)
    assert (one["outcome"], one["error"]) == (
        "refused",
        "expected good data, found bad data in .rarenode/challenger-reports/validation",
    )


def test_a_study_tells_its_winner(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    from pipeline.commands import study

    trials = [{"number": 0, "values": None}, {"number": 1, "values": {"macro_ap": 0.5}}]

    def search(given: Any) -> int:
        content = {"schema": 1, "objectives": ["macro_ap"], "winner": 1, "trials": trials}
        files.write_json(Path("reports/study/trials.json"), content)
        print("what people read")
        return 0

    monkeypatch.setattr(study, "_search", search)
    assert cli.main(["study", "--json"]) == 0
    one, err = told(capfd)
    assert (one["objectives"], one["winner"]) == (["macro_ap"], trials[1])
    assert one["patch"] == "reports/study/params.patch"
    assert err == "what people read\n"


def test_stdout_is_the_documents_alone_whoever_prints(capfd: pytest.CaptureFixture[str]):
    def work(content: dict[str, Any]) -> int:
        print("of ours")
        os.write(1, b"of a library\n")
        subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
        content["x"] = "é"
        return 0

    assert document.tell(work) == 0
    one, err = told(capfd)
    assert one == {"schema": 1, "outcome": "completed", "error": None, "x": "é"}
    assert {*err.splitlines()} == {"of ours", "of a library", "of a child"}
    print("as before")
    assert capfd.readouterr().out == "as before\n"


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (ConfigError("expected a, found b"), "refused", "expected a, found b"),
        (KeyError("x"), "failed", "KeyError: 'x'"),
        (KeyboardInterrupt(), "interrupted", None),
    ],
)
def test_what_is_raised_is_told_and_goes_on(
    error: BaseException, outcome: str, message: str | None, capfd: pytest.CaptureFixture[str]
):
    def work(content: dict[str, Any]) -> int:
        raise error

    with pytest.raises(type(error)):
        document.tell(work)
    one, _ = told(capfd)
    assert (one["outcome"], one["error"]) == (outcome, message)
