"""All files that cannot be read, in one message."""

from pathlib import Path

from pipeline.datasets.tables.files import cut
from pipeline.errors import DatasetError

_NAMED = 20
_SHOWN = 300  # characters of the folder in a message


class Refusals:
    """What was refused, while the others are read.

    Args:
        root: the folder that names are relative to: with it a file can be found.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._first: dict[int, str] = {}
        self.count = 0

    def add(self, row: int, message: str) -> None:
        """Keep a message that begins with a name; `row` says where it stands among the others."""
        self.count += 1
        # A name that is absolute is what is wrong with it.
        whole = message.startswith("/") or self._root == Path()
        self._first[row] = message if whole else f"{cut(str(self._root), _SHOWN)}/{message}"
        if len(self._first) > _NAMED:
            del self._first[max(self._first)]

    def raise_if_any(self, total: int) -> None:
        """Raise one error for all: the first ones, and how many more there are.

        Raises:
            DatasetError: there is one.
        """
        if self.count == 1:
            raise DatasetError(*self._first.values())
        if self.count:
            more = self.count - len(self._first)
            lines = [f"{self.count:,} problems in {total:,} images:"]
            lines += [f"  {self._first[row]}" for row in sorted(self._first)]
            lines += [f"  … and {more:,} more"] if more else []
            raise DatasetError("\n".join(lines))
