"""Where the cells of a study run: on this machine, or on a cluster."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from flows import stages
from pipeline.benchmark import remote, results
from pipeline.benchmark.study import Cell, Study
from pipeline.cluster.connection import Cluster
from pipeline.errors import RarenodeError
from pipeline.progress import Event


class Here:
    """A process of DVC's for each cell.

    Args:
        environment: variables for each.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def allow(self) -> None:
        """Let cells start."""
        stages.allow()

    def run(self, stage: str, log: Callable[[str], None], on_event: Callable[[Event], None]) -> str:
        """Let DVC run a cell."""
        environment = self._environment
        return stages.reproduce(
            stage, log=log, on_event=on_event, force=True, environment=environment
        )

    def stop(self) -> None:
        """End every cell."""
        stages.stop_all()


class OnCluster:
    """A task of Dask for each seed; this process alone writes results and dvc.lock.

    The task of Prefect stays here and waits: workers need no Prefect server, which by default is a
    temporary one on this machine's loopback, and nothing of DVC or git.

    Args:
        study: that the cells are of.
        cluster: which.
        threads: of each seed's process.
        again: seeds that have a result, too.
    """

    def __init__(self, study: Study, cluster: Cluster, *, threads: int, again: bool) -> None:
        self._study, self._cluster = study, cluster
        self._threads, self._again = threads, again
        self._packed: dict[str, Future[Any]] = {}  # data set -> its raw files, on the cluster
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def allow(self) -> None:
        """Let cells start."""
        self._stopping.clear()

    def run(self, stage: str, log: Callable[[str], None], on_event: Callable[[Event], None]) -> str:
        """Run the seeds of a cell that have no result, and write each as it comes."""
        study, cluster = self._study, self._cluster
        cell = study.cells[stage]
        kept = {} if self._again else results.runs_of(study, cell)
        wanted = [seed for seed in cell.seeds if seed not in kept]
        raw = self._raw(cell)
        futures = {self._submit(cell, seed, raw): seed for seed in wanted}
        failure: Exception | None = None
        for future in cluster.completed(futures):
            try:
                found = cluster.result(future)
            except Exception as error:  # the other seeds are kept all the same
                failure = failure or error
                continue
            [run] = found["runs"]
            results.add(study, cell, found, run)
            log(f"{cell.name}, seed {futures[future]}: done")
        if failure is not None:
            if self._stopping.is_set() or cluster.lost is not None:
                raise stages.StageStopped(stage)
            if isinstance(failure, RarenodeError):
                raise failure
            raise stages.StageFailed(stage, f"{type(failure).__name__}: {failure}")
        stages.commit(stage)
        return "Completed"

    def stop(self) -> None:
        """End every cell."""
        self._stopping.set()
        self._cluster.stop()

    def _raw(self, cell: Cell) -> Any:
        """The raw files of a cell's data set, handed out once."""
        with self._lock:
            if cell.dataset not in self._packed:
                packed = remote.pack(cell.dataset)
                # A task, since Dask can run it again: what is scattered dies with its worker.
                self._packed[cell.dataset] = self._cluster.submit(remote.same, packed)
            return self._packed[cell.dataset]

    def _submit(self, cell: Cell, seed: int, raw: Any) -> Any:
        if self._stopping.is_set():
            raise stages.StageStopped(cell.name)
        job = remote.job(self._study, cell, seed, self._threads)
        return self._cluster.submit(remote.run, job, raw)
