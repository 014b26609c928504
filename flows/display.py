"""A run on the screen: a live list of stages with bars on a terminal, plain lines elsewhere."""

import threading
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.text import Text
from typing_extensions import override

from flows.watch import Watcher
from pipeline import progress
from pipeline.progress import Event

_LOOKS = {  # state -> sign, sign where the terminal has no Unicode, style
    "waiting": ("○", "-", "dim"),
    "running": ("●", ">", "bold cyan"),
    "Cached": ("✓", "=", "blue"),
    "Restored": ("✓", "=", "blue"),
    "Completed": ("✓", "+", "green"),
    "Failed": ("✗", "x", "bold red"),
    "interrupted": ("✗", "x", "yellow"),
    "not run": ("○", "-", "dim"),
}
_WIDTH = max(map(len, _LOOKS))


def duration(seconds: float) -> str:
    """Seconds for people: `3.2 s`, `4:05`, `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Stage:
    """What is known of one stage."""

    def __init__(self) -> None:
        self.state = "waiting"
        self.began: float | None = None
        self.took: float | None = None
        self.bars: Any = None  # drawn by the live list, never started
        self.tasks: dict[int, Any] = {}

    def seconds(self) -> float | None:
        if self.state == "running" and self.began is not None:
            return time.monotonic() - self.began
        return self.took


class LiveList(Watcher):
    """The stages as a list that stays up to date; a context manager."""

    def __init__(self, console: Console):
        self._console = console
        self._unicode = console.encoding.lower().startswith("utf")
        self._stages: dict[str, _Stage] = {}
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=8, auto_refresh=True
        )

    def __enter__(self) -> "LiveList":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for stage in self._stages.values():
                if stage.state == "running":
                    stage.took, stage.state = stage.seconds(), "interrupted"
                    stage.bars = None
                if stage.state == "waiting":
                    stage.state = "not run"
        self._live.stop()

    @override
    def planned(self, stages: list[str]) -> None:
        with self._lock:
            self._stages = {stage: self._stages.get(stage, _Stage()) for stage in stages}

    @override
    def started(self, stage: str) -> None:
        with self._lock:
            self._stages[stage].state = "running"
            self._stages[stage].began = time.monotonic()

    @override
    def ended(self, stage: str, state: str) -> None:
        with self._lock:
            entry = self._stages[stage]
            entry.took, entry.state = entry.seconds(), state
            entry.bars = None

    @override
    def progressed(self, stage: str, event: Event) -> None:
        if event.bar == 0:
            self._console.print(Text(f"  {stage}: {event.note}", style="dim"))
            return
        with self._lock:
            entry = self._stages[stage]
            if entry.bars is None:
                entry.bars = progress.bars(console=self._console, auto_refresh=False)
            fields = progress.fields(event)
            if event.bar not in entry.tasks:
                entry.tasks[event.bar] = entry.bars.add_task(event.label, **fields)
            entry.bars.update(entry.tasks[event.bar], **fields)
            if event.ended and event.nested:  # or every trial would leave its bar
                entry.bars.remove_task(entry.tasks[event.bar])

    def _draw(self) -> Group:
        with self._lock:
            width = max(map(len, self._stages), default=0)
            parts: list[Any] = []
            for name, entry in self._stages.items():
                sign, plain, style = _LOOKS[entry.state]
                seconds = entry.seconds()
                line = Text.assemble(
                    ("  ", ""),
                    (sign if self._unicode else plain, style),
                    (f" {name:<{width}}  ", "dim" if entry.state in ("waiting", "not run") else ""),
                    (f"{entry.state:<{_WIDTH}}", style),
                    ("" if seconds is None else f"  {duration(seconds):>8}", "dim"),
                )
                parts.append(line)
                if entry.bars is not None and entry.bars.tasks:
                    parts.append(Padding(entry.bars.get_renderable(), (0, 0, 0, 4)))
            if all(entry.state == "waiting" for entry in self._stages.values()):
                waited = duration(time.monotonic() - self._began)
                parts.append(Text(f"  starting, {waited}", style="dim"))
            return Group(*parts)


class Lines(Watcher):
    """The stages as plain lines: one when a stage begins to run and one when it ends."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._bars: dict[tuple[str, int], tuple[float, float]] = {}  # start, last line
        self._lock = threading.Lock()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None: ...

    @override
    def planned(self, stages: list[str]) -> None:
        pass  # a line for what happens, none for what will

    @override
    def started(self, stage: str) -> None:
        self._began[stage] = time.monotonic()
        self._say(f"{stage}: running")

    @override
    def ended(self, stage: str, state: str) -> None:
        began = self._began.get(stage)
        took = "" if began is None else f" after {duration(time.monotonic() - began)}"
        self._say(f"{stage}: {state}{took}")

    @override
    def progressed(self, stage: str, event: Event) -> None:
        if event.bar == 0:
            self._say(f"{stage}: {event.note}")
            return
        with self._lock:
            now = time.monotonic()
            began, last = self._bars.setdefault((stage, event.bar), (now, now))
            if now - last < progress.LINE_PAUSE and not (event.ended and not event.nested):
                return
            self._bars[stage, event.bar] = (began, now)
        self._say(f"{stage}: {progress.line(event, now - began)}")

    def _say(self, text: str) -> None:
        print(text, flush=True)
