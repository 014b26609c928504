"""How far a stage is, for whoever watches: a terminal, a log file or the flow that started it.

    with progress.bar("training weighted", total=30, unit="epoch") as bar:
        bar.advance(1, note="loss 0.23")

A stage says only how far it is. Where that goes follows from the surroundings: bars with an
estimate on a terminal, a plain line now and then elsewhere, and events (one line of JSON each)
where the flow set `RARENODE_PROGRESS=events`.
"""

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

VARIABLE = "RARENODE_PROGRESS"
PREFIX = "@rarenode-progress "  # no other output of a stage starts like this

EVENT_PAUSE = 0.2  # seconds between two events of one bar
LINE_PAUSE = 10.0  # seconds between two plain lines of one bar


@dataclass
class Event:
    """The state of one bar; or with `bar` 0 a note, or why the stage refused to go on."""

    bar: int
    label: str = ""
    total: int = 0
    done: int = 0
    unit: str = ""
    note: str = ""
    nested: bool = False  # opened while another bar was open
    ended: bool = False
    refused: bool = False
    transient: bool = False  # refused, but trying again may help


class _Sink(Protocol):
    pause: float  # least seconds between two updates of one bar
    whole: bool  # whether a bar is shown when its units are done, and not only when it ends

    def show(self, event: Event, seconds: float) -> None:
        """Show a bar's state, `seconds` after its start."""
        ...

    def note(self, text: str) -> None:
        """Show one line."""
        ...


class Bar:
    """A piece of work with a known number of units; safe to advance from several threads."""

    def __init__(self, event: Event, sink: _Sink):
        self._event = event
        self._sink = sink
        self._lock = threading.Lock()
        self._started = self._shown = time.monotonic()

    def advance(self, units: int = 1, *, note: str | None = None, more: bool = False) -> None:
        """Say that `units` more are done; `note` stays beside the bar until the next one.

        With `more` it says what goes on behind the last unit, which is not counted.
        """
        with self._lock:
            self._event.done += units
            if note is not None:
                self._event.note = note
            now = time.monotonic()
            if self._event.done < self._event.total:
                due = now - self._shown >= self._sink.pause
            else:  # as lines it comes with the end, unless there is more to say
                due = self._sink.whole or more
            if due:
                self._shown = now
                self._sink.show(self._event, now - self._started)

    def end(self) -> None:
        """Close the bar; `bar` does it."""
        with self._lock:
            self._event.ended = True
            self._sink.show(self._event, time.monotonic() - self._started)


@contextmanager
def bar(label: str, *, total: int, unit: str) -> Iterator[Bar]:
    """Show a bar while the block runs. Bars may be nested.

    Args:
        label: what is being done, such as "training weighted".
        total: how many units there are.
        unit: what is counted, in the singular.
    """
    sink = _sink()
    event = Event(next(_numbers), label=label, total=total, unit=unit, nested=bool(_open))
    _open.add(event.bar)
    sink.show(event, 0.0)
    opened = Bar(event, sink)
    try:
        yield opened
    finally:
        _open.discard(event.bar)
        opened.end()


def note(text: str) -> None:
    """Tell the watcher one line."""
    _sink().note(text)


def refuse(message: str, *, transient: bool = False) -> None:
    """Say on stderr why the stage cannot go on; a flow hears the message as a whole, too.

    Args:
        message: for the user.
        transient: whether trying again may help.
    """
    if os.environ.get(VARIABLE) == "events":
        _Events().show(Event(0, note=message, refused=True, transient=transient), 0.0)
    print(message, file=sys.stderr, flush=True)


def parse(line: str) -> Event | None:
    """The event in a line of a stage's output, None if the line is ordinary output."""
    if not line.startswith(PREFIX):
        return None
    try:
        return Event(**json.loads(line.removeprefix(PREFIX)))
    except (json.JSONDecodeError, TypeError):
        return None  # two processes wrote into one line: show it as output rather than fail


class _Events:
    pause = EVENT_PAUSE
    whole = True

    def show(self, event: Event, seconds: float) -> None:
        # One write call, so that lines of several threads do not mix.
        sys.stdout.write(f"{PREFIX}{json.dumps(asdict(event))}\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        self.show(Event(0, note=text), 0.0)


class _Lines:
    pause = LINE_PAUSE
    whole = False

    def __init__(self) -> None:
        self._said = False  # that all units are done, with what goes on behind them

    def show(self, event: Event, seconds: float) -> None:
        if seconds < self.pause and (event.nested or not event.ended):
            return  # short work is no news, unless it is the whole of it
        if event.ended and self._said:
            print(f"{event.label}: took {seconds:.0f} s", flush=True)
            return
        self._said = event.done >= event.total
        print(line(event, seconds), flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


class _Terminal:
    pause = 0.0  # rich limits its own refreshing
    whole = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Any = None
        self._tasks: dict[int, Any] = {}

    def show(self, event: Event, seconds: float) -> None:
        with self._lock:
            if self._progress is None:
                self._progress = bars()
                self._progress.start()
            if event.bar not in self._tasks:
                self._tasks[event.bar] = self._progress.add_task(event.label, **fields(event))
            self._progress.update(self._tasks[event.bar], **fields(event))
            if event.ended:
                task = self._tasks.pop(event.bar)
                if event.nested:
                    self._progress.remove_task(task)  # or every trial would leave its bar
                if not self._tasks:
                    self._progress.stop()  # leaves the finished bars on the screen
                    self._progress = None

    def note(self, text: str) -> None:
        with self._lock:
            if self._progress is None:
                print(text, flush=True)
            else:
                self._progress.console.print(text, markup=False, highlight=False)


def bars(**options: Any) -> Any:
    """A `rich.progress.Progress` whose tasks hold the fields of an event."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        """Time left by all that is done so far: by the latest units alone it jumps to and fro."""

        def __init__(self) -> None:
            super().__init__()
            self._at: dict[int, tuple[float, float]] = {}  # task -> done, and seconds at that

        def render(self, task: Task) -> Text:
            elapsed = task.elapsed or 0.0
            if task.finished:
                return Text(_clock(task.finished_time or elapsed), "progress.elapsed")
            done, at = self._at.get(task.id, (0.0, 0.0))
            if task.completed != done:
                done, at = self._at[task.id] = task.completed, elapsed
            if not done or task.total is None:
                return Text("-:--:--", "progress.remaining")
            left = at / done * (task.total - done) - (elapsed - at)
            return Text(_clock(max(0.0, left)), "progress.remaining")

    # markup=False: labels and notes can hold names from data.
    return Progress(
        TextColumn("{task.description}", markup=False, style="default"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}s", markup=False),
        Left(),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        **options,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def line(event: Event, seconds: float) -> str:
    """A bar as plain text, `seconds` after its start, with an estimate."""
    parts = [f"{event.label}: {event.done}/{event.total} {event.unit}s"]
    if event.note:
        parts.append(event.note)
    if event.ended:
        parts.append(f"took {seconds:.0f} s")
    elif 0 < event.done < event.total:
        parts.append(f"about {seconds / event.done * (event.total - event.done):.0f} s left")
    return ", ".join(parts)


def fields(event: Event) -> dict[str, Any]:
    """What a task of `bars()` holds."""
    return {"total": event.total, "completed": event.done, "unit": event.unit, "note": event.note}


_numbers = itertools.count(1)
_open: set[int] = set()
_terminal = _Terminal()


def _sink() -> _Sink:
    if os.environ.get(VARIABLE) == "events":
        return _Events()
    return _terminal if sys.stdout.isatty() else _Lines()
