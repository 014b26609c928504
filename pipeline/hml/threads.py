"""Compiled kernels in the threads that torch has already.

After an operation torch's OpenMP threads keep their cores busy for a while, waiting for the next
one. Threads of our own would fight with them: on two cores they bring nothing at all. Parts of a
kernel therefore go to the same team, through the entry point that compilers use for `#pragma omp
parallel` (docs/adr/0001-compiled-pass-over-the-edges.md).
"""

import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from pipeline.hml.kernels import DONE

# Fewer entries are done before a team has begun and ended.
_FEWEST_ENTRIES = 65_536
_ROWS = 16  # of a part, or a multiple: the kernels carry so many side by side


def over_rows(
    kernel: Callable[..., None],
    body: Callable[[Any], Any],
    arrays: tuple[np.ndarray, ...],
    *lengths: int,
) -> None:
    """Run a kernel over all rows, in parts and several of these at a time.

    There are as many threads as torch uses (`torch.set_num_threads`). There is one where the work
    is little, or where torch did not bring its OpenMP runtime along, as in conda and on Windows.
    As after any parallel operation of torch, a process that forks must not use several threads in
    its children: start them by "spawn", or call `torch.set_num_threads(1)` there.

    Args:
        kernel: called with the arrays and the range of rows to do.
        body: the same kernel for a team, by type of number; see the end of `kernels`.
        arrays: contiguous; the first one has all entries.
        lengths: of the arrays as the body wants them, the number of rows first.

    Raises:
        MemoryError: a thread had too little for its part.
    """
    rows, threads = lengths[0], torch.get_num_threads()
    many = threads > 1 and rows > _ROWS and arrays[0].size >= _FEWEST_ENTRIES
    parallel = _team() if many else None
    if parallel is None:
        kernel(*arrays, 0, rows)
        return
    # Two parts a thread, so that one that comes late does not hold up the others for long.
    size = -(-rows // (2 * threads * _ROWS)) * _ROWS
    task = np.array([0, 0, size, *lengths, *(array.ctypes.data for array in arrays)], np.int64)
    parallel(body(numba.from_dtype(arrays[0].dtype)).address, task.ctypes.data, threads, 0)
    if task[DONE] * size < rows:  # no exception leaves a body, and memory is all that it asks for
        raise MemoryError(f"{rows} rows in parts of {size}: only {task[DONE]} parts were done")


@functools.cache
def _team() -> Callable[..., None] | None:
    """GOMP_parallel(function, data, threads, flags) of the runtime that torch has loaded."""
    only_loaded = getattr(os, "RTLD_NOLOAD", None)  # a second runtime would be a second team
    if only_loaded is None:
        return None
    folder = Path(torch.__file__).parent
    for library in sorted([*folder.glob("lib/lib[gi]omp*"), *folder.glob("lib/libomp*")]):
        try:
            parallel = ctypes.CDLL(str(library), mode=only_loaded | os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.restype = None
        parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        return parallel
    return None
