"""The members of an ensemble, learnt on the workers of a cluster: a task for each kind of a method.

The members of a kind share batches and are compared with each other, so that a kind is the smallest
part. With the threads that this process has, a worker gives the very members of this machine.
"""

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_info

from pipeline import parent
from pipeline.cluster import connection, fingerprint, packing, processes
from pipeline.cluster.connection import Cluster
from pipeline.hml.fitting import Elsewhere
from pipeline.hml.learning import LEARN, Problem
from pipeline.hml.members import KINDS, Members
from pipeline.stages import problem_files
from pipeline.stages.seconds import Seconds

TAIL = 60  # lines of a failed process's output that are told

Name = TypeVar("Name")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """The members of a kind to learn.

    Attributes:
        kind: its name.
        problem: without features and labels, which all jobs share.
        threads: of its process, and of numpy's matrix products in it: sums are cut up by them.
        expected: the fingerprint that a worker must have.
    """

    kind: str
    problem: Problem
    threads: tuple[int, int]
    expected: Mapping[str, str]


class Learner:
    """Learns members on a cluster; called from several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._shared: dict[tuple[int, int], Any] = {}  # of features and labels -> on the cluster
        self._held: list[Any] = []  # so that no other array gets the same id
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Take back what is not learnt yet; whoever waits for it is told."""
        self._cluster.stop()

    def timed(self, seconds: Seconds) -> Elsewhere:
        """What learns members of a problem; `seconds` hears what the epochs of networks took."""
        return lambda problem, kinds: self._learn(problem, kinds, seconds)

    def _learn(
        self, problem: Problem, kinds: Sequence[str], seconds: Seconds
    ) -> dict[str, Members]:
        cluster, threads = self._cluster, (torch.get_num_threads(), _blas_threads())
        shared = self._share(problem)
        bare = replace(problem, features=np.empty((0, 0), np.float32), labels=problem.labels[:0])
        jobs = [Job(kind, bare, threads, fingerprint.own()) for kind in kinds]
        futures = {job.kind: cluster.submit(learn, job, shared) for job in jobs}
        found: dict[str, Members] = {}
        for kind, future in futures.items():
            arrays, told = cluster.result(future)
            found[kind] = KINDS[kind].from_arrays(arrays, told["options"], problem.hierarchy)
            if kind == "network":
                seconds.resume(told["seconds"])
        return found

    def _share(self, problem: Problem) -> Any:
        key = id(problem.features), id(problem.labels)
        with self._lock:
            if key not in self._shared:
                self._held += [problem.features, problem.labels]
                both = np.asarray(problem.features), problem.labels
                self._shared[key] = self._cluster.submit(packing.same, both)
            return self._shared[key]


@contextmanager
def learner() -> Iterator[Learner | None]:
    """Who learns members elsewhere while the block runs; None: they are learnt here.

    Raises:
        RarenodeError: see `pipeline.cluster.connection.reach`.
    """
    address = os.environ.get(connection.VARIABLE)
    if not address:
        yield None
        return
    with connection.reach(address) as cluster:
        yield Learner(cluster)


def each(
    names: Sequence[Name], fit: Callable[[Name], Result], learner: Learner | None
) -> Iterator[tuple[Name, Result]]:
    """What `fit` gives for each name, in their order; all at once where a `learner` does the work.

    The first that fails stops it: nobody waits for the others.
    """
    if learner is None:
        yield from ((name, fit(name)) for name in names)
        return
    with ThreadPoolExecutor(len(names)) as pool:
        try:
            futures = {name: pool.submit(fit, name) for name in names}
            wait(futures.values(), return_when=FIRST_EXCEPTION)
            for future in futures.values():
                if future.done():
                    future.result()
        except BaseException:
            learner.stop()  # or the pool waits for what it does
            raise
        for name in names:
            yield name, futures.pop(name).result()


def learn(job: Job, shared: tuple[np.ndarray, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Learn members on a worker; a task of Dask.

    Returns:
        arrays of the members, their `options` and what the epochs took, see `Seconds.kept`.

    Raises:
        WorkspaceError: the worker would give others.
        RuntimeError: a fault, with the last lines of its output.
    """
    from distributed import get_worker

    fingerprint.check(job.expected, fingerprint.own(), get_worker().address)
    features, labels = shared
    workspace = processes.folder()
    workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace) as name:  # for its owner's eyes alone
        folder = Path(name)
        whole = replace(job.problem, features=features, labels=labels)
        problem_files.write(whole, folder)
        threads, blas = job.threads
        variables = {"OPENBLAS_NUM_THREADS": str(blas), "OMP_WAIT_POLICY": "PASSIVE"}
        status, output = processes.run(
            "pipeline.stages.elsewhere", [name, job.kind], folder, threads, variables
        )
        if status == 0:
            with np.load(folder / "members.npz", allow_pickle=False) as content:
                arrays = dict(content)
            return arrays, json.loads((folder / "told.json").read_text(encoding="utf-8"))
    raise RuntimeError("\n".join([f"exit status {status}", *output.splitlines()[-TAIL:]]))


def main(arguments: list[str]) -> int:
    """Learn the members that a folder asks for; a process of a worker."""
    parent.end_with_parent()
    folder, kind = Path(arguments[0]), arguments[1]
    problem, seconds = problem_files.read(folder), Seconds()
    members: Members = LEARN[kind](problem, lambda epoch, networks: seconds.mark(), None)
    np.savez(folder / "members.npz", allow_pickle=False, **members.arrays())
    told = {"options": members.options(), "seconds": seconds.kept()}
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    return 0


def _blas_threads() -> int:
    """Torch counts cores, numpy's library counts what runs side by side on them."""
    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(pools, default=torch.get_num_threads())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
