"""The only place that runs DVC: which stages there are, which are up to date, and running one."""

import contextlib
import logging
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.repo.index import Index

from flows import guard, processes
from pipeline import progress
from pipeline.artifacts import paths
from pipeline.errors import RarenodeError, WorkspaceError

LOGS = paths.STATE / "logs"  # the whole output of each stage's latest run
TAIL = 60  # lines of a failed stage's output that go into its exception

_SKIPPED = "didn't change, skipping"
_BUSY = "is busy, it is being blocked by"
_RESTORED = "is cached - skipping run, checking out outputs"

# Asked in this process, DVC would draw bars of its own across ours.
logging.getLogger("dvc").setLevel(logging.CRITICAL)

_asking = threading.Lock()
_running: set[subprocess.Popen[str]] = set()
_running_lock = threading.Lock()
_stopping = threading.Event()


class StageFailed(Exception):
    """A stage that did not succeed.

    Attributes:
        stage: its name.
        refusal: the one message for the user if the user can fix it, else None.
        killed: the name of the signal from elsewhere that ended the stage or its DVC, else None.
        transient: whether trying again may help.
    """

    def __init__(
        self,
        stage: str,
        output: str,
        refusal: str | None = None,
        killed: str | None = None,
        transient: bool = False,
    ):
        what = "failed." if killed is None else f"was ended by {killed}, which is not of this run."
        super().__init__(f"stage {stage!r} {what}\n{output}")
        self.stage = stage
        self.refusal = refusal
        self.killed = killed
        self.transient = transient


class OutOfTime(RarenodeError):
    """A run that was ended because it took longer than it may."""


class StageStopped(Exception):
    """A stage that was ended, or did not start, because the run is being stopped."""


def plan() -> dict[str, list[str]]:
    """Every stage of the workspace's own dvc.yaml with the stages it waits for, the latter first.

    Raises:
        WorkspaceError: DVC cannot read the workspace.
    """
    with _repo() as repo:
        index = Index.from_file(repo, str(paths.DVC_YAML))  # not the hundreds of cells of studies
        order = {stage.addressing: place for place, stage in enumerate(index.stages)}
        upstream = {
            stage.addressing: [dependency.addressing for dependency in index.graph[stage]]
            for stage in index.graph
        }
    graph = nx.DiGraph((before, after) for after in upstream for before in upstream[after])
    graph.add_nodes_from(upstream)
    sequence = nx.lexicographical_topological_sort(graph, key=order.__getitem__)
    return {stage: sorted(upstream[stage], key=order.__getitem__) for stage in sequence}


def is_up_to_date(stage: str) -> bool:
    """Ask DVC, in this process, whether it would skip the stage; true for this very moment only.

    Raises:
        WorkspaceError: DVC cannot read the workspace.
    """
    with _asking, _repo() as repo, lock_repo(repo):
        return not repo.stage.load_one(name=stage).changed()


def reproduce(
    stage: str,
    *,
    log: Callable[[str], None],
    on_event: Callable[[progress.Event], None],
    force: bool = False,
    environment: Mapping[str, str] | None = None,
    time_limit: float | None = None,
) -> str:
    """Let DVC run one stage, or restore its outputs; its upstream must be up to date.

    Args:
        stage: its name, with the path of its dvc.yaml and a colon before it unless that is the
            workspace's own.
        log: gets every line of output as it comes.
        on_event: gets progress and notes.
        force: run it even if it is up to date.
        environment: variables for the stage.
        time_limit: seconds after which it is ended, with all its children; None is no limit.

    Returns:
        "Completed", "Restored" (outputs taken from the cache) or "Cached" (nothing to do).

    Raises:
        StageFailed: with the last lines of the output.
        StageStopped: `stop_all` was called.
    """
    state, refusal, transient = "Completed", None, False
    tail: deque[str] = deque(maxlen=TAIL)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (
        open(log_of(stage), "w", encoding="utf-8", buffering=1) as whole,
        _process(stage, force, environment or {}) as process,
        _limited(process, time_limit) as expired,
    ):
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.rstrip("\n")
            if event := progress.parse(line):
                if event.refused:  # the message also stands on stderr
                    refusal, transient = event.note, event.transient
                else:
                    on_event(event)
                continue
            whole.write(raw)
            tail.append(line)
            if line.strip():
                log(line)
            if line.endswith(_SKIPPED):
                state = "Cached"
            elif line.endswith(_RESTORED):
                state = "Restored"
    if process.returncode != 0 and _stopping.is_set():
        raise StageStopped(stage)
    if process.returncode != 0 and expired.is_set():
        refusal = (
            f"expected the stage {stage!r} to end within {time_limit:g} seconds, found it at work: "
            "it was ended. Allow more; the next run goes on where it stopped."
        )
        raise StageFailed(stage, "\n".join(tail), refusal)
    if process.returncode != 0:
        output = "\n".join(tail)
        if _BUSY in output:
            others = ", ".join(re.findall(r"\(PID (\d+)\)", output))
            refusal = (
                f"expected no other DVC at work in {Path.cwd()}, found process {others}: "
                "`dvc repro`, or a stage that outlived a killed run. Wait for it, or end it."
            )
            transient = True
        killed = _signal_of(process.returncode, output)
        raise StageFailed(stage, output, refusal, killed, transient)
    return state


def commit(stage: str) -> None:
    """Take what lies in the place of a stage's outputs for what it makes, as if it had run here.

    Raises:
        WorkspaceError: DVC cannot read the workspace, or an output is missing.
    """
    with _asking, _repo() as repo:
        repo.commit(target=stage, force=True)


def log_of(stage: str) -> Path:
    """Where the whole output of a stage's latest run lies."""
    return LOGS / f"{stage.replace('/', '-').replace(':', '-')}.log"


def stop_all() -> None:
    """End every running stage with all its children, and let none start any more."""
    _stopping.set()
    with _running_lock:
        groups = [-process.pid for process in _running]
    guard.end(groups)


def pause(seconds: float) -> bool:
    """Wait; False if the run is being stopped."""
    return not _stopping.wait(seconds)


def allow() -> None:
    """Let stages start, after an earlier run of this process was stopped."""
    _stopping.clear()


@contextmanager
def _process(
    stage: str, force: bool, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
    command += ["--force"] if force else []
    with _running_lock:  # else a stage could start right after stop_all
        if _stopping.is_set():
            raise StageStopped(stage)
        process = processes.start([*command, stage], variables)
        _running.add(process)
    try:
        with processes.watched(process):
            yield process
    finally:
        with _running_lock:
            _running.discard(process)


@contextmanager
def _limited(process: subprocess.Popen[str], seconds: float | None) -> Iterator[threading.Event]:
    """End a process's group after a time; the event says that it was so."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        guard.end([-process.pid])

    timer = threading.Timer(seconds or 0, expire)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def _signal_of(code: int, output: str) -> str | None:
    """The signal that ended DVC, or the stage as DVC says; None if none did."""
    said = re.findall(r"exited with (-?\d+)$", output, re.MULTILINE)
    for number in (-code, *(-int(text) for text in said), *(int(text) - 128 for text in said)):
        with contextlib.suppress(ValueError):
            return signal.Signals(number).name
    return None


@contextmanager
def _repo() -> Iterator[Repo]:
    try:
        # Wait, as the subprocess does: a stage that runs beside takes the lock now and then.
        with Repo(".", _wait_for_lock=True) as repo:
            yield repo
    except DvcException as error:
        raise WorkspaceError(
            f"expected that DVC can work in {Path.cwd()}, found: {error}"
        ) from error
