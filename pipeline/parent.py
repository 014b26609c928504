"""A process that ends with the one that started it, however that ends."""

import os
import signal
import threading

VARIABLE = "RARENODE_ENDS_WITH_PARENT"  # asks for it


def end_with_parent(*, unasked: bool = False) -> None:
    """End this process as soon as nobody holds the other end of its standard input.

    The children of one that leads a group of processes end with it.

    Args:
        unasked: also where `VARIABLE` is not set.
    """
    asked = os.environ.pop(VARIABLE, None) is not None  # of us, not of our children
    if not (asked or unasked):
        return
    # Not sys.stdin, whose lock Python wants when it ends.
    threading.Thread(target=_watch, args=(os.dup(0),), daemon=True).start()


def _watch(pipe: int) -> None:
    while os.read(pipe, 1024):
        pass
    leads = os.getpgrp() == os.getpid()
    os.kill(0 if leads else os.getpid(), signal.SIGKILL)  # loses nothing that a fault would not
