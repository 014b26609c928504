"""Methods that are learnt on a cluster at once: what they share, what they cost, how they fail."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.artifacts import cost, prepared
from pipeline.hml.training import TrainingError
from pipeline.stages import elsewhere, learning, train
from pipeline.stages.elsewhere import Learner
from pipeline.stages.seconds import Seconds

from .problem import prepared_problem, small_config
from .test_problem_files import problem

LONG = 30.0  # seconds that nobody waits for


class Cluster:
    """Takes its time to take work."""

    def __init__(self) -> None:
        self.submitted: list[Any] = []
        self.stopped = threading.Event()

    def submit(self, function: Any, *arguments: Any) -> Any:
        time.sleep(0.2)
        self.submitted.append(function)
        return object()

    def stop(self) -> None:
        self.stopped.set()


def learner(cluster: Any) -> Learner:
    return Learner(cluster)


def test_threads_share_one_copy_of_features_and_labels():
    cluster, given = Cluster(), problem()
    learns = learner(cluster).timed(Seconds())
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(learns, given, []) for _ in range(3)]:
            assert done.result() == {}
    assert len(cluster.submitted) == 1


def test_a_method_that_fails_ends_the_others():
    cluster = Cluster()
    failure = TrainingError("expected finite losses, found nan")

    def fit(name: str) -> str:
        if name == "second":
            raise failure
        assert cluster.stopped.wait(LONG)
        raise RuntimeError("the run was stopped")

    started = time.monotonic()
    with pytest.raises(TrainingError) as found:
        list(elsewhere.each(["first", "second", "third"], fit, learner(cluster)))
    assert found.value is failure
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize("there", [None, Cluster()])
def test_results_come_in_the_order_of_their_names(there: Any):
    def fit(name: str) -> str:
        time.sleep(0.1 if name == "a" else 0)
        return name.upper()

    found = [*elsewhere.each(["a", "b"], fit, there and learner(there))]
    assert found == [("a", "A"), ("b", "B")]


def test_a_method_is_not_charged_for_waiting_for_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    prepared.write(prepared_problem())
    config = small_config()
    saved: dict[str, float] = {}

    def fit(*_: Any) -> Any:
        # A clock that counts the bundles that are written.
        seconds = SimpleNamespace(total=lambda: float(len(saved)), epoch=0.0)
        return SimpleNamespace(members={"network": None}, training=lambda: None), seconds

    def save(name: str, folder: Any, kinds: Any, seconds: float, *what: Any) -> None:
        saved[name] = seconds

    tuned = {"learning_rate": 0.1, "epochs": 1, "weighting": {"variant": "paper"}}
    methods = learning.methods(config.train)
    monkeypatch.setattr(learning, "tuned_values", lambda: dict.fromkeys(methods, tuned))
    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(train, "_save", save)
    monkeypatch.setattr(train, "step_ratio", lambda training: SimpleNamespace(ratio=1.0))
    monkeypatch.setattr(cost, "add_to_method", lambda *what, **figures: None)
    monkeypatch.setattr(elsewhere, "learner", lambda: nullcontext(learner(Cluster())))
    train.run(config)
    assert len(saved) == len(methods) > 1
    assert {*saved.values()} == {0.0}
