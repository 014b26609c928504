"""Processes that decode side by side; one that dies or hangs is known by the file it was at."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path

from pipeline.datasets.tables.files import cut
from pipeline.errors import DatasetError
from pipeline.images.job import Job, Outcome

_CHUNK = 32  # files that a process is given at a time
PATIENCE = 120.0  # seconds for one file: the largest that is allowed takes a few

_MOST_DEATHS = 10

_Task = tuple[int, str]


class Worker:
    """A process and the files that it has still to do.

    Args:
        job: how they are decoded.
        stack: kills the process in the end.
    """

    def __init__(self, job: Job, stack: ExitStack) -> None:
        ours, theirs = multiprocessing.Pipe()
        self.connection = stack.enter_context(ours)
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        with theirs:
            self.process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "pipeline.images.job", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # which may be read as events
                    env={**os.environ, "PYTHONPATH": path},
                )
            )
        stack.callback(self.process.kill)
        self.todo: deque[_Task] = deque()
        self.heard = time.monotonic()
        self._send(job)

    def give(self, tasks: Sequence[_Task]) -> None:
        """Let it do these."""
        self.todo.extend(tasks)
        self.heard = time.monotonic()
        self._send(list(tasks))

    def take(self) -> Outcome | None:
        """What became of its first file; None if the process died over it."""
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.heard = time.monotonic()
        return outcome

    def _send(self, message: object) -> None:
        try:
            self.connection.send(message)
        except OSError:
            pass  # it is dead, which `take` finds


def outcomes(
    job: Job, tasks: Sequence[_Task], workers: int, patience: float = PATIENCE
) -> Iterator[tuple[int, Outcome]]:
    """Decode files; yield what became of each, in any order.

    A file over which its process died or hung has the outcome of a refused one; another process
    goes on with the rest.

    Args:
        job: how.
        tasks: row and name of each file.
        workers: how many processes; 0 for this one.
        patience: seconds for one file.

    Raises:
        DatasetError: ten processes died.
    """
    if workers == 0:
        array = job.array()
        for row, name in tasks:
            yield row, job.one(name, row, array)
        return
    left = deque(tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK))
    deaths = 0
    with ExitStack() as stack:
        running: list[Worker] = []
        while left or running:
            while left and len(running) < workers:
                running.append(Worker(job, stack))
                running[-1].give(left.popleft())
            ready = set(wait([one.connection for one in running], timeout=min(1.0, patience)))
            for worker in list(running):
                late = time.monotonic() - worker.heard > patience
                if worker.connection not in ready and not late:
                    continue
                outcome = worker.take() if worker.connection in ready else None
                row, name = worker.todo.popleft()
                if outcome is not None:
                    yield row, outcome
                    if not worker.todo and left:
                        worker.give(left.popleft())
                    elif not worker.todo:
                        running.remove(worker)
                    continue
                running.remove(worker)
                deaths += 1
                yield row, _lost(name, _ended(worker, late), deaths)
                if worker.todo:
                    left.appendleft(list(worker.todo))


def _ended(worker: Worker, late: bool) -> str:
    """How a process ended that did not answer."""
    if late:
        worker.process.kill()
        return "needs more time than any should"
    code = worker.process.wait()
    if code >= 0:  # its traceback is on stderr
        raise RuntimeError(f"a process that decodes images ended with exit code {code}")
    return f"ended the process that decoded it (signal {-code})"


def _lost(name: str, how: str, deaths: int) -> str:
    message = f"{cut(name, 300)}: expected an image, found one that {how}"
    if deaths == _MOST_DEATHS:  # one after another is no matter of the files, such as full memory
        raise DatasetError(f"{message}, after {deaths - 1} others of its kind")
    return message
