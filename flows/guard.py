"""Ends what a flow leaves behind when it is killed.

SIGKILL leaves a process no time to end its children. So a helper outlives the flow: this file, run
as a script. It is told what to watch through a pipe that the flow alone holds open, and ends what
is left when the pipe closes, for whatever reason. It waits for nothing else and costs nothing.

A target is as `kill` takes it: the id of a process, or minus the id of a group.
"""

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

GRACE = 5.0  # seconds between asking processes to end and killing them
LOCK = Path(".rarenode/ending.lock")  # held while a guard ends what a flow has left

_POLL = 0.02  # seconds


def start() -> None:
    """Start the helper now: what ends itself at exit should be started, and thus end, after it."""
    with _lock:
        _started()


def watch(target: int) -> None:
    """End `target` if this process ends before it was told to `forget` it."""
    with _lock:
        _watched.add(target)
        _tell(f"watch {target}")


def forget(target: int) -> None:
    """The target has ended."""
    with _lock:
        _watched.discard(target)
        _tell(f"forget {target}")


def end(targets: Collection[int], grace: float | None = None) -> None:
    """Ask targets to end, and kill what has not after `grace` seconds; None is `GRACE`."""
    left = [target for target in targets if _send(target, signal.SIGTERM)]
    until = time.monotonic() + (GRACE if grace is None else grace)
    while left and time.monotonic() < until:
        time.sleep(_POLL)
        left = [target for target in left if _send(target, 0)]
    for target in left:
        _send(target, signal.SIGKILL)


def wait_for_others(seconds: float = 2 * GRACE) -> None:
    """Wait until the guards of killed flows have ended what they left in this workspace."""
    until = time.monotonic() + seconds
    with contextlib.suppress(FileNotFoundError), LOCK.open("rb") as lock:
        while time.monotonic() < until:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_POLL)


def _send(target: int, number: int) -> bool:
    """Whether there is somebody to send a signal to."""
    try:
        os.kill(target, number)
    except (ProcessLookupError, PermissionError):  # ended, the latter with its number reused
        return False
    return True


_lock = threading.RLock()
_watched: set[int] = set()
_guard: subprocess.Popen[str] | None = None


def _tell(line: str) -> None:
    try:
        _write(_started(), line)
    except OSError:  # somebody has ended the guard: another one is told everything
        _close()
        guard = _started()
        for target in _watched:
            _write(guard, f"watch {target}")


def _started() -> subprocess.Popen[str]:
    global _guard
    if _guard is None:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        _guard = subprocess.Popen(
            # Without site-packages: it is up in 20 ms.
            [sys.executable, "-I", "-S", __file__, str(LOCK.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # whoever waits for the flow's output must not wait for it
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C and a closed terminal are not for it
        )
        atexit.unregister(_close)
        atexit.register(_close)
    return _guard


def _write(guard: subprocess.Popen[str], line: str) -> None:
    assert guard.stdin is not None
    guard.stdin.write(f"{line}\n")
    guard.stdin.flush()


def _close() -> None:
    """Let the guard end what is left, and itself."""
    global _guard
    if _guard is None:
        return
    assert _guard.stdin is not None
    with contextlib.suppress(OSError):
        _guard.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        _guard.wait(2 * GRACE)
    _guard = None


def _main(lock: str) -> None:
    targets: set[int] = set()
    for line in sys.stdin:
        word, target = line.split()
        (targets.add if word == "watch" else targets.discard)(int(target))
    if targets:
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # the folder has gone, or its disk is full
                opened = held.enter_context(open(lock, "ab"))
                fcntl.flock(opened, fcntl.LOCK_SH)  # a guard beside ends others
            end(targets)


if __name__ == "__main__":
    # What ends a flow from outside may be sent to every process of its user.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _main(sys.argv[1])
