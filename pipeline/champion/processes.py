"""Running what a retrain is made of: in other folders, heard line by line, ended with us."""

import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flows import processes
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
    process = processes.start([sys.executable, *arguments], environment or {}, folder)
    with processes.watched(process):
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
    if process.returncode == 0:
        return
    if refusal is not None:
        raise StepRefused(refusal)
    raise StepFailed(f"`python {' '.join(arguments)}` failed.\n" + "\n".join(tail))
