"""A study's workers on a Dask cluster: processes as they are here, with data that travel there.

They all reach the study's storage, so it has to be PostgreSQL; each needs its password, from
PGPASSWORD or ~/.pgpass there.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import paths
from pipeline.cluster import fingerprint, packing, processes
from pipeline.cluster.connection import Cluster, WorkersLost
from pipeline.cluster.packing import Packed
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.study.lead import StudyFailed
from pipeline.study.slots import Opened

_LOSSES = 10  # workers that end while no trial is finished: then it is no accident
_LOST = -1  # the code of one that Dask gave up
_PAUSE = 5.0  # seconds between two looks how many workers the cluster has


@dataclass(frozen=True)
class Job:
    """A worker of a study.

    Attributes:
        url: of its storage, without a password.
        name: of the study.
        workspace: a digest of what travels there.
        expected: the fingerprint that a worker of Dask must have.
    """

    url: str
    name: str
    workspace: str
    expected: Mapping[str, str]


class OnCluster:
    """A crew with a worker for each thread of a cluster.

    Raises:
        ConfigError: the study is in a file.
    """

    alone = False

    def __init__(self, opened: Opened, cluster: Cluster) -> None:
        if opened.place.file is not None:
            raise ConfigError(
                f"--cluster: expected --storage postgresql, found {opened.place.url}: workers of "
                "other machines cannot write into a file of this one"
            )
        packed = pack()
        self._job = Job(opened.place.url, opened.name, packing.digest(packed), fingerprint.own())
        self._cluster = cluster
        self._packed = cluster.submit(packing.same, packed)
        self._futures: list[Any] = []
        self._finished = self._deaths = self._wanted = 0
        self._looked = -_PAUSE
        self._over = False  # a worker found nothing left to do

    def tend(self, finished: int) -> None:
        """Start those that the cluster has room for, and those that ended too soon.

        Raises:
            WorkspaceError: the cluster is lost, or a worker says what the user has to mend.
            StudyFailed: too many ended while no trial was finished.
        """
        if self._cluster.lost is not None:
            raise WorkspaceError(self._cluster.lost)
        if finished > self._finished:
            self._finished, self._deaths = finished, 0
        for future in [future for future in self._futures if future.done()]:
            self._futures.remove(future)
            try:
                status, said = self._cluster.result(future)
            except WorkersLost as error:  # a worker of a study works for hours: many may have gone
                status, said = _LOST, str(error)
            if status == 2:
                raise WorkspaceError(said.strip())
            self._over = self._over or status == 0
            self._deaths += status != 0
            if self._deaths >= _LOSSES:
                raise StudyFailed(
                    f"{self._deaths} workers ended while no trial was finished, the last with "
                    f"code {status}:\n{said[-2000:]}"
                )
        if time.monotonic() - self._looked > _PAUSE:
            self._wanted, self._looked = self._cluster.threads, time.monotonic()
        while not self._over and len(self._futures) < self._wanted:
            self._futures.append(self._cluster.submit(work, self._job, self._packed))

    def end(self) -> None:
        """End them all."""
        self._cluster.stop()


def pack() -> Packed:
    """What a trial reads of a workspace."""
    found = [paths.PARAMS, *(path for path in sorted(paths.PREPARED.rglob("*")) if path.is_file())]
    return packing.pack({path.as_posix(): path for path in found}, level=1)


def work(job: Job, packed: Packed) -> tuple[int, str]:
    """Work for a study until it is finished; a task of Dask.

    Returns:
        exit status, and everything it said.

    Raises:
        WorkspaceError: the worker has other code or versions.
    """
    from distributed import get_worker

    fingerprint.check(job.expected, fingerprint.own(), get_worker().address)
    folder = processes.folder() / f"study-{job.workspace}"
    _unpack(packed, folder)
    return processes.run("pipeline.study", [job.url, job.name], folder, 1, {})


def _unpack(packed: Packed, folder: Path) -> None:
    with packing.unpacking:
        if folder.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        packing.write(packed, fresh)
        os.rename(fresh, folder)
