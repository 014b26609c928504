"""What a file was found to hold, remembered as long as it is the same."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

_KEPT = 1 << 28  # bytes of a file's content that stay in memory for the next question
_SETTLED = 2_000_000_000  # nanoseconds: no file system's clock is coarser

_Question = ParamSpec("_Question")
_Content = TypeVar("_Content")


class Last(Generic[_Question, _Content]):
    """Reads files as a whole, and keeps what the last ones held as long as they are the same.

    Many questions are asked of one file in a row. A file that was changed just now may change again
    within a tick of the clock, so that nobody could tell: it is not kept.
    """

    def __init__(
        self,
        read: Callable[Concatenate[Path, _Question], _Content],
        size: Callable[[_Content], int],
        most: int = 1,
    ) -> None:
        """Of a reader, of how many bytes its results have, more or less, and how many are kept."""
        self._read = read
        self._size = size
        self._most = most
        self._kept: list[tuple[object, object, _Content]] = []

    def __call__(self, path: Path, *asked: _Question.args, **named: _Question.kwargs) -> _Content:
        """What the file holds, in answer to a question; nobody may change it."""
        stamp, question = self._stamp(path), (asked, named)
        for place, (*kept, _) in enumerate(self._kept):
            if kept == [stamp, question]:
                return self._kept[place][2]
        # Before there is one more in memory.
        self._kept = self._kept[max(0, len(self._kept) - self._most + 1) :]
        content = self._read(path, *asked, **named)
        if stamp is not None and stamp == self._stamp(path) and self._size(content) <= _KEPT:
            self._kept.append((stamp, question, content))
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
