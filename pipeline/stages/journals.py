"""Optuna's journals: a file with a line for each change of its studies, whose writers may die."""

from pathlib import Path

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from typing_extensions import override

DIVERGED = "diverged"  # attribute of a failed trial that would fail again: it counts as finished


class _Lock(JournalFileOpenLock):
    """A journal's lock that ends with its process.

    Optuna's own is a file, which a kill leaves; as a link to a relative path it blocks for ever.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._held = FileLock(f"{journal}.held")

    @override
    def acquire(self) -> bool:
        self._held.acquire()
        return True

    @override
    def release(self) -> None:
        self._held.release()


def opened(journal: Path) -> JournalStorage:
    """Open a journal, and make it and its folder if they are not there.

    Raises:
        OSError: it cannot be written.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    lock = _Lock(journal)
    lock.acquire()  # another process may be writing
    try:
        _mend(journal)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(journal), lock))


def _mend(journal: Path) -> None:
    """Take away half a line, which a killed writer may leave: the next one would be lost, too.

    At no moment is less in the file than the whole lines: another kill may come here.
    """
    written = journal.read_bytes() if journal.exists() else b""
    if written and not written.endswith(b"\n"):
        with journal.open("r+b") as stream:
            stream.truncate(written.rfind(b"\n") + 1)
