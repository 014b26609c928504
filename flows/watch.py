"""Who watches a run: the terminal, or nobody (a scheduled run, whose log is enough)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pipeline.progress import Event


class Watcher(Protocol):
    """Hears of a run; called from several threads."""

    def planned(self, stages: list[str]) -> None:
        """These stages will be looked at, in this order."""
        ...

    def started(self, stage: str) -> None:
        """The stage is not up to date and starts to run."""
        ...

    def progressed(self, stage: str, event: Event) -> None:
        """The running stage says how far it is, or has a note."""
        ...

    def ended(self, stage: str, state: str) -> None:
        """The stage is Completed, Cached, Restored or Failed."""
        ...


class _Nobody:
    def planned(self, stages: list[str]) -> None: ...

    def started(self, stage: str) -> None: ...

    def progressed(self, stage: str, event: Event) -> None: ...

    def ended(self, stage: str, state: str) -> None: ...


_current: Watcher = _Nobody()


def current() -> Watcher:
    """Whoever watches now."""
    return _current


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let `watcher` hear of the runs in this process while the block runs."""
    global _current  # not a context variable: stages run in threads of Prefect's making
    previous, _current = _current, watcher
    try:
        yield
    finally:
        _current = previous
