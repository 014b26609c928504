"""Starting a program that neither outlives the flow nor leaves anything behind itself."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows import guard
from pipeline import progress


def start(
    command: Sequence[str], variables: Mapping[str, str], folder: Path = Path()
) -> subprocess.Popen[str]:
    """Start a program in a group of its own, which waits until it is `watched`.

    Args:
        command: program and arguments.
        variables: further ones of its environment.
        folder: where.
    """
    environment = os.environ | {
        # `python` in dvc.yaml must be this interpreter, whatever the caller's shell calls python.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        progress.VARIABLE: "events",
        **variables,
    }
    return subprocess.Popen(
        # Starts when the guard knows of it: a flow killed in between would leave it behind.
        ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,  # the whole group can be ended, and Ctrl-C is ours alone
    )


@contextmanager
def watched(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let a started program run while the block does, and wait for it.

    Its group ends with the program, with this process, and where the block is left by an exception.
    """
    try:
        with process:
            guard.watch(-process.pid)
            threading.Thread(target=_end_with, args=(process,), daemon=True).start()
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # stopped before it began
                process.stdin.write("\n")
                process.stdin.close()
            try:
                yield
            except BaseException:  # Ctrl-C and termination as well
                guard.end([-process.pid])
                raise
    finally:
        guard.forget(-process.pid)


def _end_with(process: subprocess.Popen[str]) -> None:
    """End the rest of the group when its leader has ended: nobody would note the end of that."""
    process.wait()
    guard.end([-process.pid])
