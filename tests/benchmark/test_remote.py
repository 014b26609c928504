"""A seed travels with all that it needs, and comes back as the cell's file has it."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest

from flows import stages
from flows.cells import OnCluster
from pipeline import progress
from pipeline.artifacts import files, paths
from pipeline.benchmark import remote, results, study
from pipeline.benchmark.study import Study
from pipeline.cluster import processes
from pipeline.datasets import registry
from pipeline.errors import DatasetError, WorkspaceError
from tests.datasets.toy import Toy

from . import sample

FIGURES = {"micro_ap": 0.25}


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The coordinator's workspace, the current folder; `worker` is the worker's folder."""
    monkeypatch.setattr(registry, "get", lambda name: Toy())
    worker = SimpleNamespace(local_directory=str(tmp_path / "worker"), address="tcp://there:1")
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Toy().fetch(paths.raw("enron"))
    return study.load(sample.write(Path()))


def on_worker(monkeypatch: pytest.MonkeyPatch, status: int = 0, output: str = "") -> list[Any]:
    """Let a worker's process give a made-up result of whatever study it finds."""
    calls: list[Any] = []

    def run(
        module: str, arguments: list[str], folder: Path, threads: int, variables: Mapping[str, str]
    ) -> tuple[int, str]:
        path, dataset, method = arguments
        loaded = study.load(Path(path))
        one = sample.cell(loaded, dataset, method)
        raw = (folder / paths.raw(dataset) / "labels.txt").read_bytes()
        calls.append((module, one.seeds, threads, raw))
        files.write_json(loaded.file(one), sample.result(loaded, one, {method: FIGURES}))
        return status, output

    monkeypatch.setattr(processes, "run", run)
    return calls


class Future:
    """What was handed out."""

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments
        self.made = function(*arguments) if function is remote.same else None


class Futures:
    """A cluster whose work is done when it is handed out."""

    def __init__(self) -> None:
        self.lost: str | None = None
        self.fail: dict[int, Exception] = {}

    def submit(self, function: Any, *arguments: Any) -> Any:
        return Future(function, arguments)

    def completed(self, futures: Any) -> Any:
        return reversed([*futures])

    def result(self, future: Any) -> Any:
        job, raw = future.arguments
        [seed] = job.cell.seeds
        if seed in self.fail:
            raise self.fail[seed]
        return future.function(job, raw.made)


def ran(grid: Study, cluster: Any, *, again: bool = False) -> Path:
    one = sample.cell(grid, "enron", "mcloss_1")
    stage = next(s for s, c in grid.cells.items() if c is one)
    place = OnCluster(grid, cluster, threads=3, again=again)
    place.run(stage, lambda line: None, lambda event: None)
    return grid.file(one)


def test_seeds_come_back_as_the_cell_would_have_them(grid: Study, monkeypatch: pytest.MonkeyPatch):
    committed: list[str] = []
    monkeypatch.setattr(stages, "commit", committed.append)
    calls = on_worker(monkeypatch)
    file = ran(grid, Futures())
    one = sample.cell(grid, "enron", "mcloss_1")
    expected = sample.result(grid, one, {"mcloss_1": FIGURES})
    assert file.read_text() == json.dumps(expected, indent=2, ensure_ascii=False) + "\n"
    assert committed == ["dvc.yaml:one@enron-mcloss_1"]
    raw = (paths.raw("enron") / "labels.txt").read_bytes()
    assert calls == [("pipeline.benchmark", [seed], 3, raw) for seed in (1, 0)]


def test_a_seed_that_fails_leaves_the_others_their_results(
    grid: Study, monkeypatch: pytest.MonkeyPatch
):
    committed: list[str] = []
    monkeypatch.setattr(stages, "commit", committed.append)
    calls = on_worker(monkeypatch)
    cluster = Futures()
    cluster.fail[1] = WorkspaceError("worker a: expected b")
    with pytest.raises(WorkspaceError, match="worker a: expected b"):
        ran(grid, cluster)
    one = sample.cell(grid, "enron", "mcloss_1")
    assert [*results.runs_of(grid, one)] == [0]
    assert committed == []
    cluster.fail.clear()
    ran(grid, cluster)
    assert [call[1] for call in calls] == [[0], [1]]  # what has a result is not run again
    ran(grid, cluster, again=True)
    assert len(calls) == 4


def test_a_lost_cluster_is_no_failure_of_the_cell(grid: Study):
    cluster = Futures()
    cluster.lost = "expected a worker, found none"
    cluster.fail = {seed: WorkspaceError(cluster.lost) for seed in (0, 1)}
    with pytest.raises(stages.StageStopped):
        ran(grid, cluster)


@pytest.mark.parametrize(
    ("status", "said", "error", "message"),
    [
        (
            2,
            progress.Event(0, note="expected a, found b", refused=True),
            DatasetError,
            "expected a",
        ),
        (-9, None, RuntimeError, "exit status -9\nabout to break$"),
    ],
)
def test_what_a_process_says_at_its_end_is_told(
    status: int,
    said: progress.Event | None,
    error: type[Exception],
    message: str,
    grid: Study,
    monkeypatch: pytest.MonkeyPatch,
):
    event = f"{progress.PREFIX}{json.dumps(vars(said))}\n" if said else ""
    on_worker(monkeypatch, status, f"{event}about to break\n")
    one = sample.cell(grid, "enron", "mcloss_1")
    with pytest.raises(error, match=message):
        remote.run(remote.job(grid, one, 0, 1), remote.pack("enron"))


def test_raw_files_that_were_changed_on_the_way_are_refused(grid: Study):
    one = sample.cell(grid, "enron", "mcloss_1")
    with pytest.raises(DatasetError, match="expected sha256"):
        remote.run(remote.job(grid, one, 0, 1), {"labels.txt": zlib.compress(b"other")})


def test_a_worker_of_another_kind_is_refused(grid: Study, monkeypatch: pytest.MonkeyPatch):
    one = sample.cell(grid, "enron", "mcloss_1")
    job = remote.job(grid, one, 0, 1)
    monkeypatch.setattr(remote.fingerprint, "own", lambda: {})
    with pytest.raises(WorkspaceError, match=r"worker tcp://there:1: expected python"):
        remote.run(job, remote.pack("enron"))


def test_a_narrowed_study_asks_for_the_same(tmp_path: Path):
    grid = sample.load(tmp_path, sample.COMPARED)
    for one in grid.cells.values():
        narrow = grid.only(one, 1)
        [same] = narrow.cells.values()
        assert (same.dataset, same.method, same.seeds) == (one.dataset, one.method, [1])
        assert results.settings_of(narrow, same) == results.settings_of(grid, one)
        assert narrow.config(same, 1) == grid.config(one, 1)
