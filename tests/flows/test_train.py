import json
from pathlib import Path
from typing import Any

import pytest

from flows.train import train

from .conftest import PIPELINE, runs

pytestmark = pytest.mark.usefixtures("prefect_server")


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


def test_headline_numbers_become_an_artifact(workspace: Path):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from .test_headline import METRICS

    Path("dvc.yaml").write_text(PIPELINE.split("  left:")[0])  # one stage is enough
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text(json.dumps(METRICS))
    train(return_state=True)
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["headline"]))
        )
    assert "| weighted/paper | 0.512 | 0.250 |" in found[-1].data
