import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from flows import guard, stages
from pipeline.errors import WorkspaceError

from .conftest import build, gone, reproduce, runs, second_clone, wait_for_child

STAGES = ("first", "left", "right", "last")


def test_plan_follows_the_graph_of_dvc_and_puts_upstream_first(workspace: Path):
    assert stages.plan() == {
        "first": [],
        "left": ["first"],
        "right": ["first"],
        "last": ["left", "right"],
    }
    assert list(stages.plan()) == list(STAGES)


def test_plan_leaves_out_the_stages_of_other_files(workspace: Path):
    folder = workspace / "study"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(
        "stages:\n"
        "  cell:\n    wdir: ..\n    cmd: python stage.py cell last.txt\n"
        "    deps: [last.txt]\n    outs: [cell.txt]\n"
        "  alone:\n    cmd: echo\n"
    )
    assert set(stages.plan()) == set(STAGES)
    assert [*build()] == [*STAGES]
    assert runs() == [*STAGES]
    assert reproduce("study/dvc.yaml:cell") == "Completed"  # but they can be run
    assert runs() == ["cell"]


def test_a_stage_that_is_up_to_date_runs_where_it_is_forced(workspace: Path):
    assert reproduce("first") == "Completed"
    assert reproduce("first") == "Cached"
    options: dict[str, Any] = {"log": lambda line: None, "on_event": lambda event: None}
    assert stages.reproduce("first", force=True, **options) == "Completed"
    assert runs() == ["first", "first"]


def test_variables_reach_the_stage_and_nothing_else(workspace: Path):
    cmd = 'sh -c "echo colour=$COLOUR"'
    Path("dvc.yaml").write_text(f"stages:\n  tell:\n    cmd: {cmd}\n    always_changed: true\n")
    lines: list[str] = []
    stages.reproduce(
        "tell", log=lines.append, on_event=lambda event: None, environment={"COLOUR": "blue"}
    )
    assert "colour=blue" in lines
    assert "COLOUR" not in os.environ


def test_stages_of_different_files_have_logs_of_their_own():
    addresses = ("first", "a/dvc.yaml:first", "b/dvc.yaml:grid@x-y", "b/dvc.yaml:grid@x-z")
    logs = [stages.log_of(address) for address in addresses]
    assert len({*logs}) == 4
    assert {log.parent for log in logs} == {stages.LOGS}


def test_folder_without_dvc_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceError, match=r"expected that DVC can work in"):
        stages.plan()


def test_states_tell_what_ran_what_was_skipped_and_what_came_from_the_cache(workspace: Path):
    assert set(build().values()) == {"Completed"}
    assert runs() == list(STAGES)
    assert set(build().values()) == {"Cached"}

    Path("left.txt").unlink()
    assert build() == {"first": "Cached", "left": "Restored", "right": "Cached", "last": "Cached"}
    assert runs() == []

    params = Path("params.yaml")
    params.write_text(params.read_text().replace("seed: 0", "seed: 1"))
    # The same output of `first` leaves the stages behind it as they are.
    assert build() == {"first": "Completed", "left": "Cached", "right": "Cached", "last": "Cached"}
    assert runs() == ["first"]


def test_output_is_streamed_and_progress_is_kept_out_of_it(workspace: Path):
    lines, events = [], []
    stages.reproduce("first", log=lines.append, on_event=events.append)
    assert any("python stage.py first" in line for line in lines)
    assert not any("rarenode-progress" in line for line in lines)
    assert events[-2].done == 3
    assert events[-2].ended
    assert events[-1].note == "first has a note"


def test_failure_carries_the_traceback_and_the_whole_output_is_in_a_file(workspace: Path):
    Path("break-first").touch()
    with pytest.raises(stages.StageFailed, match=r"RuntimeError: broken on purpose") as failure:
        reproduce("first")
    assert failure.value.refusal is None
    assert "about to break" in stages.log_of("first").read_text()
    Path("break-first").unlink()
    assert reproduce("first") == "Completed"


def test_stage_that_outlived_a_killed_run_is_named(workspace: Path):
    Path("hang-first").touch()
    left = subprocess.Popen([sys.executable, "-m", "dvc", "repro", "first"], start_new_session=True)
    try:
        wait_for_child()
        with pytest.raises(stages.StageFailed) as failure:
            reproduce("first")
        assert f"found process {left.pid}: `dvc repro`" in (failure.value.refusal or "")
    finally:
        os.killpg(left.pid, signal.SIGKILL)
        left.wait()


def test_refusal_carries_the_one_message_whole(workspace: Path):
    Path("refuse-first").touch()
    with pytest.raises(stages.StageFailed) as failure:
        reproduce("first")
    assert failure.value.refusal == "expected good data, found bad data\nin two lines"


def test_stopping_ends_the_stage_with_a_child_that_ignores_the_signal(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "GRACE", 0.5)
    Path("hang-first").touch()
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            reproduce("first")
        except stages.StageStopped as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    child = wait_for_child()
    stages.stop_all()
    thread.join(20)
    assert outcome
    assert gone(child)
    with pytest.raises(stages.StageStopped):
        reproduce("first")

    stages.allow()
    Path("hang-first").unlink()
    assert reproduce("first") == "Completed"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("target", ["dvc", "stage"])
def test_killed_dvc_or_stage_leaves_nothing_and_the_signal_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, target: str, number: signal.Signals
):
    monkeypatch.setattr(guard, "GRACE", 0.5)
    Path("hang-first").touch()
    outcome: list[stages.StageFailed] = []

    def work() -> None:
        try:
            reproduce("first")
        except stages.StageFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    child = wait_for_child()  # it would hold on to the output for a minute
    stage = child.parent()
    assert stage is not None
    dvc = stage.parent()
    assert dvc is not None
    (dvc if target == "dvc" else stage).send_signal(number)
    thread.join(20)
    assert [error.killed for error in outcome] == [number.name]
    assert outcome[0].refusal is None
    assert str(outcome[0]).startswith(f"stage 'first' was ended by {number.name}, ")
    assert gone(stage)
    assert gone(child)
    Path("hang-first").unlink()
    assert reproduce("first") == "Completed"


@pytest.mark.usefixtures("workspace")
def test_stage_starts_only_when_the_guard_knows_of_it(monkeypatch: pytest.MonkeyPatch):
    def watch(target: int) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(guard, "watch", watch)
        with pytest.raises(OSError, match="killed here"):
            reproduce("first")
    assert runs() == []


def test_second_clone_recomputes_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    build()
    runs()
    clone = second_clone(workspace)
    monkeypatch.chdir(clone)
    assert set(build().values()) == {"Cached"}

    # Nor where the lock file is of another branch: the cache of runs knows them all.
    for path in (clone / "dvc.lock", *clone.glob("*.txt")):
        path.unlink()
    assert set(build().values()) == {"Restored"}
    assert runs() == []
    assert (clone / "last.txt").read_text() == (workspace / "last.txt").read_text()
