import contextlib
import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows import guard, stages, watch
from flows import train as train_module
from flows.display import Lines
from flows.train import train

from .conftest import PIPELINE, runs, wait_for_child

pytestmark = pytest.mark.usefixtures("prefect_server")


def left() -> list[list[str]]:
    """Processes that work in this folder, as a stage and its children do, after a while."""
    found: list[list[str]] = []
    for _ in range(50):
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                here = process.pid != os.getpid() and process.cwd() == str(Path.cwd())
                if here and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.cmdline())
        if not found:
            break
        time.sleep(0.1)
    return found


def time_runs_out(monkeypatch: pytest.MonkeyPatch, once: Callable[[], Any]) -> None:
    """Let a run's time limit be over once something is so, however busy the machine is."""
    wait = train_module.wait

    def waits(futures: Any, timeout: float) -> Any:
        assert timeout == 12.0
        once()
        return wait(futures, timeout=0.1)

    monkeypatch.setattr(train_module, "wait", waits)


def _states(flow_state: Any) -> dict[str, str]:
    states = flow_state.result(raise_on_failure=False)
    return dict(
        zip(("first", "left", "right", "last"), (state.name for state in states), strict=True)
    )


def test_run_completes_and_the_next_one_is_cached(workspace: Path):
    state = train(return_state=True)
    assert state.is_completed()
    assert set(_states(state).values()) == {"Completed"}
    runs()

    state = train(return_state=True)
    assert state.is_completed()
    assert set(_states(state).values()) == {"Cached"}
    assert runs() == []


def test_no_result_of_a_flow_is_a_pickle():
    from prefect.results import get_default_result_serializer

    assert get_default_result_serializer().type == "json"
    assert train.persist_result is False


def test_failure_holds_back_what_waits_for_it_and_the_next_run_recovers(workspace: Path):
    Path("break-left").touch()
    state = train(return_state=True)
    assert state.is_failed()
    assert _states(state) == {
        "first": "Completed",
        "left": "Failed",
        "right": "Completed",
        "last": "NotReady",
    }
    assert "last" not in runs()
    left = state.result(raise_on_failure=False)[1]
    error = left.result(raise_on_failure=False)
    assert "RuntimeError: broken on purpose" in str(error)
    assert "RuntimeError: broken on purpose" in left.message

    Path("break-left").unlink()
    state = train(return_state=True)
    assert _states(state) == {
        "first": "Cached",
        "left": "Completed",
        "right": "Cached",
        "last": "Completed",
    }


def test_lost_output_is_restored_and_what_follows_is_cached(workspace: Path):
    train(return_state=True)
    runs()
    Path("right.txt").unlink()
    states = _states(train(return_state=True))
    assert states == {"first": "Cached", "left": "Cached", "right": "Restored", "last": "Cached"}
    assert runs() == []


def test_what_may_pass_is_tried_again_and_nothing_else_is(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(train_module, "PAUSES", (0.1, 0.2, 0.3))
    Path("busy-first").write_text("2")
    Path("refuse-left").touch()
    with watch.watching(Lines()):
        state = train(return_state=True)
    assert _states(state) == {
        "first": "Completed",
        "left": "Failed",
        "right": "Completed",
        "last": "NotReady",
    }
    done = runs()
    assert (done.count("first"), done.count("left"), done.count("right")) == (3, 1, 1)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("first: ")]
    assert said[1:4:2] == [
        f"first: expected an answer, found a busy server; again in {pause} s"
        for pause in (0.1, 0.2)
    ]
    assert not any("first: Failed" in line for line in said)


def test_it_is_given_up_in_the_end_with_the_message(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(train_module, "PAUSES", (0.1, 0.1, 0.1))
    Path("busy-first").write_text("9")
    state = train(return_state=True)
    assert runs() == ["first"] * 4
    first = state.result(raise_on_failure=False)[0].result(raise_on_failure=False)
    assert first.refusal == "expected an answer, found a busy server"


def test_pause_before_another_attempt_ends_with_the_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(train_module, "PAUSES", (100.0, 100.0, 100.0))
    Path("busy-first").write_text("9")
    pausing, pause = threading.Event(), stages.pause
    monkeypatch.setattr(stages, "pause", lambda seconds: (pausing.set(), pause(seconds))[1])
    time_runs_out(monkeypatch, lambda: pausing.wait(60))
    started = time.monotonic()
    state = train(time_limit=12.0, return_state=True)
    assert time.monotonic() - started < 60
    assert state.is_failed()
    assert pausing.is_set()
    assert runs() == ["first"]


def test_run_that_takes_too_long_is_ended_with_its_stage(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "GRACE", 0.5)
    Path("hang-first").touch()
    time_runs_out(monkeypatch, wait_for_child)
    state = train(time_limit=12.0, return_state=True)
    error = state.result(raise_on_failure=False)
    assert isinstance(error, stages.OutOfTime)
    assert str(error).startswith(
        "expected the run to end within 12 seconds, found first, left, right, last not done: "
    )
    assert left() == []


def test_limit_of_prefect_s_own_leaves_no_stage_either(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "GRACE", 0.5)
    Path("hang-first").touch()
    limited: Any = train.with_options(timeout_seconds=12)
    assert limited(return_state=True).name == "TimedOut"
    assert left() == []


def test_stage_that_takes_too_long_is_ended_and_the_others_are_not(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "GRACE", 0.5)
    train(return_state=True)
    Path("hang-left").touch()
    Path("left.txt").unlink()
    shutil.rmtree(".dvc/cache")
    state = train(stage_time_limit=15.0, return_state=True)
    failure = state.result(raise_on_failure=False)[1].result(raise_on_failure=False)
    assert failure.refusal.startswith("expected the stage 'left' to end within 15 seconds, found ")
    assert failure.killed is None
    assert left() == []


def artifacts(*keys: str) -> list[Any]:
    """What the latest run has published under these keys."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    with get_client(sync_client=True) as client:
        found = [
            client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
                sort=ArtifactSort.CREATED_DESC,
                limit=1,
            )
            for key in keys
        ]
    return [one[0].data for one in found]


def test_headline_numbers_become_artifacts_that_say_what_metrics_json_says(workspace: Path):
    from .test_tables import metrics

    Path("dvc.yaml").write_text(PIPELINE.split("  left:")[0])  # one stage is enough
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text(json.dumps(metrics()))
    Path("reports/report.html").touch()
    train(return_state=True)
    text, table = artifacts("headline", "headline-figures")
    text, table = text.replace("\\", ""), json.loads(table)

    found = json.loads(Path("reports/metrics.json").read_text())
    methods = {"ours": found, **found["baselines"]}
    assert [row["method"] for row in table[::5]] == [*methods]
    for row in table:
        entry, figure = methods[row["method"]], row["figure"]
        kind, _, rule = figure.partition("/")
        value = entry["test"]["rules"][rule][kind] if rule else entry["test"][kind]
        assert row["value"] == value
        assert f"{value:.3f}" in text
        gained = entry.get("difference", {}).get(figure)
        if row["method"] == "ours":
            assert (row["gained"], row["from"], row["to"]) == (None, None, None)
        else:
            assert (row["gained"], [row["from"], row["to"]]) == (gained["mean"], gained["ci95"])
            low, high = gained["ci95"]
            assert f"{gained['mean']:+.3f} [{low:+.3f}, {high:+.3f}]" in text
    assert len(table) == 5 * len(methods)
    # A server's page may be looked at elsewhere.
    assert f"Report: {Path('reports/report.html').resolve()} on {platform.node()}" in text


def test_a_server_that_takes_no_artifact_fails_no_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    from .test_tables import metrics

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("gone")

    Path("dvc.yaml").write_text(PIPELINE.split("  left:")[0])
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text(json.dumps(metrics()))
    monkeypatch.setattr(train_module, "create_markdown_artifact", refuse)
    assert train(return_state=True).is_completed()
