"""A study's workers on a cluster: who is replaced, and when that is given up."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cluster import fingerprint
from pipeline.cluster.connection import WorkersLost
from pipeline.errors import WorkspaceError
from pipeline.study import on_cluster
from pipeline.study.lead import StudyFailed
from pipeline.study.on_cluster import OnCluster

THREADS = 2
LOSSES = 10  # without a finished trial
ENOUGH = 8 * 2**20


class Cluster:
    """Has room for two workers, each of which ends as `end` says."""

    lost = None
    threads = THREADS

    def __init__(self) -> None:
        self.end: Any = None
        self.started = 0

    def submit(self, function: Any, *arguments: Any) -> Any:
        self.started += function is on_cluster.work
        return SimpleNamespace(done=lambda: self.end is not None)

    def result(self, future: Any) -> Any:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def crew(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> OnCluster:
    monkeypatch.setattr(on_cluster, "pack", lambda: {"params.yaml": b""})
    return made(cluster)


def made(cluster: Any) -> OnCluster:
    opened: Any = SimpleNamespace(place=SimpleNamespace(url="there", file=None), name="mine")
    return OnCluster(opened, cluster)


def test_lost_workers_are_replaced_as_long_as_trials_are_finished(
    cluster: Cluster, crew: OnCluster
):
    cluster.end = WorkersLost("expected workers that stay, found 4 lost ones")
    for finished in range(1, 3 * LOSSES):
        crew.tend(finished)
        assert cluster.started == finished * THREADS
    for _ in range(LOSSES // THREADS - 1):
        crew.tend(3 * LOSSES)
    with pytest.raises(StudyFailed, match=r"10 workers ended while no trial was .*\n.* found 4"):
        crew.tend(3 * LOSSES)


def test_a_worker_that_says_what_to_mend_ends_the_study(cluster: Cluster, crew: OnCluster):
    crew.tend(0)
    cluster.end = WorkspaceError("worker there: expected torch 2, found 1")
    with pytest.raises(WorkspaceError, match="worker there: expected torch 2, found 1"):
        crew.tend(0)


def test_data_are_told_apart_without_a_copy_of_them(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    fingerprint.own()
    monkeypatch.setattr(on_cluster, "pack", lambda: {"data": bytes(ENOUGH)})
    tracemalloc.start()
    try:
        made(cluster)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ENOUGH <= peak < 1.5 * ENOUGH
