"""What is refused before anything is sent to a cluster, and the processes of a worker."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest

from pipeline import cli
from pipeline.cluster import connection, fingerprint, processes
from pipeline.errors import ConfigError, WorkspaceError


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker of Dask with one task under way."""
    task = SimpleNamespace(state="executing")
    made = SimpleNamespace(
        local_directory=str(tmp_path),
        address="tcp://there:1",
        get_current_task=lambda: "key",
        state=SimpleNamespace(tasks={"key": task}),
        task=task,
    )
    monkeypatch.setattr(distributed, "get_worker", lambda: made)
    return made


def test_a_fingerprint_says_what_results_depend_on():
    found = fingerprint.own()
    assert {"python", "code", "numpy", "torch", "numba", "scikit-learn"} <= {*found}
    assert "none" not in found.values()
    fingerprint.check(found, dict(found), "tcp://a:1")


def test_a_file_that_differs_makes_another_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)

    def code() -> str:
        fingerprint.own.cache_clear()
        return fingerprint.own()["code"]

    (tmp_path / "a.py").write_text("one")
    first = code()
    compiled = tmp_path / "hml/__pycache__"
    compiled.mkdir(parents=True)
    for name in ("a.cpython-312.pyc", "kernels.up-30.py312.nbi", "kernels.up-30.py312.1.nbc"):
        (compiled / name).write_text("compiled, by Python or numba")
        assert code() == first
    (tmp_path / "a.py").write_text("two")
    assert code() != first
    fingerprint.own.cache_clear()


def test_every_difference_of_a_worker_is_named():
    found = fingerprint.own() | {"torch": "2.0"}
    del found["numba"]
    expected = fingerprint.own()
    message = f"worker tcp://a:1: expected torch {expected['torch']}, found 2.0; numba "
    with pytest.raises(WorkspaceError) as refused:
        fingerprint.check(expected, found, "tcp://a:1")
    assert str(refused.value).startswith(message)
    assert f"numba {expected['numba']}, found none. Its results would not be" in str(refused.value)


@pytest.mark.parametrize("address", ["tcp://host", "host:8786", "locale", "", "tcp://:8786 x"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ConfigError, match="expected a scheduler's address such as tcp://host:8786"):
        connection.check_address(address)


def test_a_cluster_without_dask_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"prefect-dask, which --cluster needs, .*\[teams\]"):
        connection.check_address("tcp://host:8786")


def test_workers_of_both_kinds_are_refused(capsys: pytest.CaptureFixture[str]):
    options = ["benchmark", "--workers", "2", "--cluster", "tcp://host:8786"]
    assert cli.main(options) == 2
    assert capsys.readouterr().err.startswith("expected --workers or --cluster, found both")


def test_a_process_has_the_threads_of_its_task(worker: Any, tmp_path: Path):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MORE")
    (tmp_path / "say.py").write_text(
        f"import os, sys\nprint([os.environ[n] for n in {names!r}], *sys.argv[1:])\nsys.exit(3)\n"
    )
    status, said = processes.run("say", ["a"], tmp_path, 7, {"MORE": "x"})
    assert (status, said) == (3, "['7', '7', '7', 'x'] a\n")


def test_a_process_whose_task_is_taken_back_is_ended(worker: Any, tmp_path: Path):
    (tmp_path / "long.py").write_text("import time\ntime.sleep(60)\n")
    worker.task.state = "cancelled"
    started = time.monotonic()
    with pytest.raises(processes.NotWanted):
        processes.run("long", [], tmp_path, 1, {})
    assert time.monotonic() - started < 30


class Ended:
    """A future whose call raises."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error

    def result(self) -> str:
        if self._error is not None:
            raise self._error
        return "made"


@pytest.fixture
def cluster() -> connection.Cluster:
    calls = Counter[str]()

    def submit(function: Callable[..., Any], *arguments: Any, **options: Any) -> Ended:
        calls["submit"] += 1
        return Ended(*arguments)

    client = SimpleNamespace(
        submit=submit, status="running", cancel=lambda futures, **_: calls.update(cancelled=1)
    )
    made = connection.Cluster(client, "tcp://there:1")
    made.calls = calls  # type: ignore[attr-defined]
    return made


def test_work_that_is_cancelled_by_nobody_here_means_a_lost_scheduler(cluster: Any):
    assert cluster.result(cluster.submit(len)) == "made"
    future = cluster.submit(len, distributed.CancelledError("key"))
    with pytest.raises(WorkspaceError, match="expected the Dask scheduler at tcp://there:1 to st"):
        cluster.result(future)
    assert cluster.lost is not None


def test_work_that_was_taken_back_loses_nothing(cluster: Any):
    future = cluster.submit(len, distributed.CancelledError("key"))
    cluster.stop()
    assert cluster.calls["cancelled"] == 1
    with pytest.raises(WorkspaceError, match="the run was stopped"):
        cluster.result(future)
    assert cluster.lost is None


def test_nothing_is_handed_out_after_the_end(cluster: Any):
    cluster.stop()
    with pytest.raises(WorkspaceError, match="the run was stopped"):
        cluster.submit(len)
    assert cluster.calls["submit"] == 0
