"""Leading a study: trials are handed out, workers replaced, and lost trials given to others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from pipeline import progress
from pipeline.artifacts import paths
from pipeline.errors import WorkspaceError
from pipeline.study import slots, studies
from pipeline.study.slots import Opened

LOGS = paths.STATE / "logs"
_PAUSE = 0.3  # seconds between two looks
_AHEAD = 32  # trials that wait: whoever claims one reads them all
_GRACE = 3.0  # seconds between asking a worker to end and killing it
_LOSSES = 3  # of one trial, or of a worker without a trial: then it is no accident


class StudyFailed(Exception):
    """Workers end again and again, and nobody told them to."""


class Crew(Protocol):
    """The workers of a study, wherever they run; they call `worker.work`.

    Attributes:
        alone: it is one worker, which enqueues the trials itself (`worker.work`).
    """

    alone: bool

    def tend(self, finished: int) -> None:
        """Replace those that died; `finished` trials are done. Called now and then."""
        ...

    def end(self) -> None:
        """End them all."""
        ...


def lead(
    opened: Opened,
    crew: Crew,
    total: int,
    *,
    note: Callable[[list[FrozenTrial]], str] = lambda finished: "",
    look: Callable[[], None] = lambda: None,
) -> None:
    """See a study through to its end.

    Args:
        opened: the study; one process leads it (`Place.leading`).
        crew: its workers.
        total: how many trials it has in the end.
        note: what to say beside the progress, given the finished trials.
        look: from `Place.leading`; raises where this process leads no longer.

    Raises:
        StudyFailed: workers end again and again.
        RarenodeError: a worker refused to go on.
    """
    opened.study.set_user_attr(slots.TRIALS, total)
    losses: dict[int, int] = {}
    done = 0
    with progress.bar(f"study {opened.name}", total=total, unit="trial") as bar:
        try:
            while True:
                look()
                for slot in slots.fail_lost(opened):
                    losses[slot] = losses.get(slot, 0) + 1
                    if losses[slot] >= _LOSSES:
                        raise StudyFailed(f"trial {slot} was lost {_LOSSES} times in a row")
                if not crew.alone:
                    running = len(opened.trials(TrialState.RUNNING))
                    start = opened.study.user_attrs[studies.START]
                    slots.fill(opened, total, start, ahead=running + _AHEAD)
                found = [*slots.finished(opened.trials(), total).values()]
                if len(found) > done:
                    bar.advance(len(found) - done, note=note(found))
                    done = len(found)
                if done >= total:
                    return
                crew.tend(done)
                time.sleep(_PAUSE)
        finally:
            crew.end()


def join(opened: Opened, crew: Crew) -> None:
    """Add workers to a study that somebody else leads, until it is finished.

    Raises:
        StudyFailed: workers end again and again.
        WorkspaceError: nobody leads it, or no longer.
    """
    nobody = WorkspaceError(
        f"expected a command that leads the study {opened.name}, found none. "
        "The same command without --join leads it, and goes on where it stopped"
    )
    total = opened.study.user_attrs.get(slots.TRIALS)
    if total is None or not opened.place.led(opened.storage, opened.name):
        raise nobody
    opened.study.set_user_attr(slots.JOINED, True)
    done = 0
    with progress.bar(f"study {opened.name}", total=total, unit="trial") as bar:
        try:
            while True:
                led = opened.place.led(opened.storage, opened.name)
                found = slots.finished(opened.trials(), total)  # later: whoever leads goes then
                if len(found) > done:
                    bar.advance(len(found) - done)
                    done = len(found)
                if done >= total:
                    return
                if not led:
                    raise nobody
                crew.tend(done)
                time.sleep(_PAUSE)
        finally:
            crew.end()


class Processes:
    """A crew of processes on this machine."""

    def __init__(
        self, opened: Opened, workers: int, *, alone: bool = False, command: Sequence[str] = ()
    ) -> None:
        """Start them.

        Args:
            opened: the study.
            workers: how many; they share the cores.
            alone: see `Crew`.
            command: of a worker; default: one of the product's own trials.
        """
        self.alone = alone
        self._command = list(command) or [
            *(sys.executable, "-m", "pipeline.study", opened.place.url, opened.name),
            *(["--alone"] if alone else []),
        ]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (cores or 1) // workers))
        if alone:  # the last bits depend on them: as when the study began
            threads = opened.study.user_attrs.get(slots.THREADS, threads)
            opened.study.set_user_attr(slots.THREADS, threads)
        self._environment = (
            {"OMP_NUM_THREADS": threads} if alone or workers > 1 else dict[str, str]()
        )
        self._finished = self._deaths = 0
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * workers

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [p.pid for p in self._processes if p is not None and p.poll() is None]

    def tend(self, finished: int) -> None:
        """Start those that are not there, and those that died again.

        Raises:
            WorkspaceError: a worker says what the user has to mend.
            StudyFailed: too many died while no trial was finished.
        """
        if finished > self._finished:
            self._finished, self._deaths = finished, 0
        for place, process in enumerate(self._processes):
            code = None if process is None else process.poll()
            if process is not None and code in (None, 0):  # at work, or with nothing left to do
                continue
            if process is not None:
                said = _log(place).read_text(encoding="utf-8", errors="replace").strip()
                if code == 2:
                    raise WorkspaceError(said)
                self._deaths += 1
                _close(process)
                if self._deaths >= _LOSSES + len(self._processes):
                    raise StudyFailed(
                        f"{self._deaths} workers ended while no trial was finished, "
                        f"the last with code {code}:\n{said[-2000:]}"
                    )
            self._processes[place] = self._start(place)

    def end(self) -> None:
        """End them all, with whatever they started."""
        running = [p for p in self._processes if p is not None and p.poll() is None]
        for process in running:
            _signal(process, signal.SIGTERM)
        limit = time.monotonic() + _GRACE
        for process in running:
            try:
                process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        for place, process in enumerate(self._processes):
            if process is not None:
                _close(process)
                if not _log(place).stat().st_size:  # it said nothing
                    _log(place).unlink()

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        LOGS.mkdir(parents=True, exist_ok=True)
        with _log(place).open("wb") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,  # closes when this process ends, however it does
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PYTHONUNBUFFERED": "1"} | dict(os.environ) | self._environment,
                start_new_session=True,  # Ctrl-C is ours alone
            )


def _log(place: int) -> Path:
    # With our own process number: a command that joins may run in the same workspace.
    return LOGS / f"study-worker-{os.getpid()}-{place + 1}.log"


def _close(process: Any) -> None:
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass


def _signal(process: Any, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # the group has ended
