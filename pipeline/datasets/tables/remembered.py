"""What a file was found to hold, remembered as long as it is the same."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_KEPT = 1 << 28  # bytes of a file's content that stay in memory for the next question
_SETTLED = 2_000_000_000  # nanoseconds: no file system's clock is coarser

_Content = TypeVar("_Content")


class Last(Generic[_Content]):
    """Reads files as a whole, and keeps what the last one held as long as the file is the same.

    Many questions are asked of one file in a row. A file that was changed just now may change again
    within a tick of the clock, so that nobody could tell: it is not kept.
    """

    def __init__(self, read: Callable[[Path], _Content], size: Callable[[_Content], int]) -> None:
        """Of a reader, and of how many bytes its results have, more or less."""
        self._read = read
        self._size = size
        self._kept: tuple[tuple[object, ...], _Content] | None = None

    def __call__(self, path: Path) -> _Content:
        """What the file holds; nobody may change it."""
        stamp = self._stamp(path)
        if (kept := self._kept) is not None and kept[0] == stamp:
            return kept[1]
        self._kept = kept = None  # before there are two in memory
        content = self._read(path)
        if stamp is not None and stamp == self._stamp(path) and self._size(content) <= _KEPT:
            self._kept = stamp, content
        return content

    @staticmethod
    def _stamp(path: Path) -> tuple[object, ...] | None:
        """What changes with a file; None for one that was changed just now."""
        try:
            found = path.stat()
        except OSError:
            return None  # the reader says so
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED:
            return None
        times = found.st_mtime_ns, found.st_ctime_ns
        return path, found.st_dev, found.st_ino, found.st_size, *times
