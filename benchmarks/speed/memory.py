"""Peak memory of an action, in a process of its own."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def peak_of(ready: Callable[..., Callable[[], object]], *arguments: Any) -> int:
    """Bytes of resident memory that `ready(*arguments)()` needs on top of what `ready` left.

    It runs once, in a fresh process: memory that an allocator has once taken hides later peaks.

    Args:
        ready: a function at the top of a module; makes things ready and returns the action.
        arguments: of `ready`.

    Raises:
        MemoryError: the process ended early, as one that the system kills does.
    """
    context = multiprocessing.get_context("forkserver")  # torch is imported once, and nothing else
    context.set_forkserver_preload(["benchmarks.speed.rows"])
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, ready, arguments), daemon=True)
    process.start()
    theirs.close()  # else the end of the child would go unnoticed
    try:
        result = ours.recv()
    except EOFError:
        raise MemoryError(f"the process that measured {arguments} ended early") from None
    finally:
        process.join()
    return result


def _measure(pipe: Any, ready: Callable[..., Callable[[], object]], arguments: Any) -> None:
    action = ready(*arguments)
    before = start()
    action()
    pipe.send(peak() - before)


def start() -> int:
    """Forget the peak so far where the system can, and return the bytes that are in use."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _kibibytes("VmRSS") if _STATUS.exists() else peak()


def peak() -> int:
    """Bytes of resident memory at the highest, since `start` or since the process began."""
    if _STATUS.exists():  # getrusage would count what the parent had when it forked
        return _kibibytes("VmHWM")
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 2**10


def _kibibytes(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 2**10
