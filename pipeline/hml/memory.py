"""How the C library hands out memory while networks are trained."""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_GLIBC = platform.libc_ver()[0] == "glibc"


@functools.cache
def keep_freed() -> bool:
    """Make glibc keep freed memory for the next tensor from now on; True if it will.

    A step makes and frees the same large tensors again and again. By default glibc gives those
    above 32 MB back to the kernel each time, which then has to clear every page anew: for the
    gradients of a large output layer that takes longer than computing them (docs/performance.md).
    This is for the main thread: other threads have heaps of 64 MB, and what is larger is mapped as
    before. Elsewhere than on glibc this does nothing.
    """
    if not _GLIBC:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def give_back() -> None:
    """Return to the system what has been kept and is not in use."""
    if _GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
