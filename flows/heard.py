"""What became of each stage of a run, for who asks afterwards."""

import time
from typing import Any

from typing_extensions import override

from flows.watch import Watcher
from pipeline.progress import Event


class Heard(Watcher):
    """Keeps what it hears, and passes it on.

    Args:
        to: who watches.
    """

    def __init__(self, to: Watcher) -> None:
        self._to = to
        self._began: dict[str, float] = {}
        self._stages: dict[str, dict[str, Any]] = {}

    def stages(self) -> list[dict[str, Any]]:
        """In their order: `stage`, `state` and `seconds`.

        A stage that nobody came to is `not run`, one that has begun and not ended `interrupted`.
        Seconds are those at work, None where it was up to date.
        """
        return [
            entry | {"state": "interrupted"}
            if entry["state"] == "not run" and entry["stage"] in self._began
            else entry
            for entry in self._stages.values()
        ]

    @override
    def planned(self, stages: list[str]) -> None:
        for stage in stages:
            entry = {"stage": stage, "state": "not run", "seconds": None}
            self._stages.setdefault(stage, entry)
        self._to.planned(stages)

    @override
    def started(self, stage: str) -> None:
        self._began[stage] = time.monotonic()
        self._to.started(stage)

    @override
    def progressed(self, stage: str, event: Event) -> None:
        self._to.progressed(stage, event)

    @override
    def ended(self, stage: str, state: str) -> None:
        began = self._began.get(stage)
        seconds = None if began is None else round(time.monotonic() - began, 1)
        self._stages[stage] = {"stage": stage, "state": state, "seconds": seconds}
        self._to.ended(stage, state)
