"""Running what a retrain is made of: in other folders, heard line by line, ended with us."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flows import guard
from pipeline import progress
from pipeline.errors import RarenodeError, WorkspaceError

_TAIL = 60  # lines of output that go into an exception


class StepFailed(Exception):
    """A process that failed, with the last lines of its output."""


class StepRefused(RarenodeError):
    """What a stage said of something that the user can fix."""


def git(*arguments: str, folder: Path = Path()) -> str:
    """What git prints, without the line's end.

    Raises:
        WorkspaceError: git fails; with what it says.
    """
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise WorkspaceError(f"expected that `git {arguments[0]}` works, found: {said}")
    return done.stdout.rstrip("\n")


def python(
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Callable[[str], None],
    on_event: Callable[[progress.Event], None] = lambda event: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run this interpreter in a folder, whose code comes first, and wait for it.

    Args:
        arguments: such as `-m dvc push`.
        folder: where.
        log: gets every line of output as it comes.
        on_event: gets progress and notes.
        environment: further variables.

    Raises:
        StepRefused: the process said what the user can fix.
        StepFailed: it failed otherwise.
    """
    refusal, tail = None, deque[str](maxlen=_TAIL)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ
        | {
            # `python` in dvc.yaml must be this interpreter, whatever the shell calls python.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            progress.VARIABLE: "events",
            **(environment or {}),
        },
        start_new_session=True,  # the whole group can be ended, and Ctrl-C is ours alone
    )
    guard.watch(-process.pid)  # a flow that is killed leaves nothing behind
    try:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.rstrip("\n")
            if event := progress.parse(line):
                refusal = event.note if event.refused else refusal
                if not event.refused:  # the message also stands on stderr
                    on_event(event)
                continue
            tail.append(line)
            if line.strip():
                log(line)
        process.wait()
    except BaseException:  # Ctrl-C and termination as well: nothing may outlive the flow
        _end(process)
        raise
    finally:
        guard.forget(-process.pid)
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode == 0:
        return
    if refusal is not None:
        raise StepRefused(refusal)
    raise StepFailed(f"`python {' '.join(arguments)}` failed.\n" + "\n".join(tail))


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except ProcessLookupError:
            return  # the group has ended
        except subprocess.TimeoutExpired:
            continue
