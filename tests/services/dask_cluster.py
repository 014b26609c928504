"""A Dask scheduler and workers as processes of their own, on free ports of loopback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parents[2]
# Every process of these tests reads data sets as the toy, whatever their name.
SITE = """\
from pipeline.datasets import registry
from tests.datasets.toy import Toy

registry.get = lambda name: Toy()
"""


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Variables for a process that reads the toy; one without any Dask of the surroundings."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DASK_", "RARENODE_"))}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), **changes}


class Cluster:
    """A scheduler and its workers.

    Args:
        folder: for logs and what workers keep.
        variables: environment of all of them.
        options: of scheduler and workers, such as TLS.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], *options: str) -> None:
        self._folder, self._variables, self._options = folder, dict(variables), options
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        protocol = ["--protocol", "tls"] if options else []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file, *protocol
        )
        for _ in range(300):
            if file.exists() and (text := file.read_text()):
                self.address: str = json.loads(text)["address"]
                return
            time.sleep(0.1)
        raise AssertionError("the scheduler did not start")

    def worker(self, **changes: str) -> "subprocess.Popen[bytes]":
        """One more worker, of one thread and without a nanny that would start it again."""
        local = self._folder / "local"
        arguments = [self.address, "--no-nanny", "--nthreads", "1", "--local-directory", local]
        process = self._start("worker", *arguments, **changes)
        self.workers.append(process)
        return process

    def wait(self, workers: int) -> None:
        """Until so many have come."""
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=300)

    def _start(self, what: str, *arguments: object, **changes: str) -> "subprocess.Popen[bytes]":
        options = [*map(str, arguments), "--no-dashboard", *self._options]
        with open(self._folder / f"{what}-{time.monotonic_ns()}.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *options],
                cwd=self._folder,
                env=self._variables | changes,
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster(
    folder: Path, variables: Mapping[str, str], *options: str, workers: int = 2
) -> Iterator[Cluster]:
    """A cluster while the block runs."""
    folder.mkdir()
    started = Cluster(folder, variables, *options)
    try:
        for _ in range(workers):
            started.worker()
        yield started
    finally:
        started.end()
