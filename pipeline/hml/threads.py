"""Compiled kernels in the threads that torch has already.

After an operation torch's OpenMP threads keep their cores busy for a while, waiting for the next
one. Threads of our own would fight with them: on two cores they bring nothing at all. Parts of a
kernel therefore go to the same team, through the entry point that compilers use for `#pragma omp
parallel`; each of its threads takes the next part until none is left.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

# A team takes some 20 us to begin and to end: fewer entries are done before that.
_FEWEST_ENTRIES = 65_536
_ROWS = 16  # of a part, or a multiple: the kernels carry so many side by side

_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def over_rows(kernel: Callable[[int, int], object], rows: int, entries: int) -> None:
    """Call `kernel(first, last)` for parts that cover `range(rows)`, several at a time.

    There are as many threads as torch uses (`torch.set_num_threads`); one where torch's OpenMP
    runtime is not its own copy (conda), or the work is little.

    Args:
        kernel: releases the GIL, and touches no row of another part.
        rows: how many there are.
        entries: how many all rows hold.

    Raises:
        BaseException: the first one that a part raised, after all others have ended.
    """
    threads = torch.get_num_threads()
    parallel = _team() if threads > 1 and rows > _ROWS and entries >= _FEWEST_ENTRIES else None
    if parallel is None:
        kernel(0, rows)
        return
    # Two parts a thread, so that one that comes late does not hold up the others for long.
    size = -(-rows // (2 * threads * _ROWS)) * _ROWS
    waiting = iter(range(0, rows, size))
    raised: list[BaseException] = []

    def work(_: Any) -> None:
        try:
            for first in waiting:  # the GIL lets one thread take a part at a time
                kernel(first, min(first + size, rows))
        except BaseException as error:  # must not leave through frames that are not Python
            raised.append(error)

    parallel(_Body(work), None, threads, 0)
    if raised:
        raise raised[0]


@functools.cache
def _team() -> Callable[..., None] | None:
    """GOMP_parallel(function, data, threads, flags) of the runtime that torch has loaded."""
    only_loaded = getattr(os, "RTLD_NOLOAD", None)  # a second runtime would be a second team
    if only_loaded is None:
        return None
    for library in sorted((Path(torch.__file__).parent / "lib").glob("lib*omp*")):
        try:
            parallel = ctypes.CDLL(str(library), mode=only_loaded | os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.restype = None
        parallel.argtypes = (_Body, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        return parallel
    return None
