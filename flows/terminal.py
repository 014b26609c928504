"""`rarenode run`: the train flow with somebody watching it."""

import os
import sys
import time
import traceback
from collections import Counter
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows import headline, server, signals, watch
from flows.display import Lines, LiveList, duration
from pipeline.artifacts import paths
from pipeline.errors import RarenodeError


def run() -> int:
    """Run the train flow, show it, and say how it ended.

    Returns:
        0: done; 2: a stage stopped at something that the user can fix; 1: a fault.
    """
    # What a run logs belongs to Prefect; on the screen it would only tear the list. What fails is
    # said below, once.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    began = time.monotonic()
    with (
        signals.ending_like_ctrl_c(),
        LiveList(console) if live else Lines() as watcher,
        watch.watching(watcher),
    ):
        with server.starting():
            from flows import stages

            watcher.planned(list(stages.plan()))  # the list stands there while Prefect starts
            from prefect import tags

            from flows import history, outcome
            from flows.train import train

        with tags(history.tag()):  # from the first moment: it may be killed in the second
            ended = outcome.of(train)
    if isinstance(ended, Exception):
        return _explain([ended])
    if not all(state.is_completed() for state in ended):
        failed = [state for state in ended if state.is_failed() or state.is_crashed()]
        return _explain([state.result(raise_on_failure=False) for state in failed])
    _summarise(console, live, ended, time.monotonic() - began)
    return 0


def _explain(failures: list[Exception]) -> int:
    from flows.stages import StageFailed, log_of  # imports DVC

    code = 2
    for failure in failures:
        if isinstance(failure, StageFailed) and failure.refusal is not None:
            print(failure.refusal, file=sys.stderr)
        elif isinstance(failure, RarenodeError):
            print(failure, file=sys.stderr)
        elif isinstance(failure, StageFailed) and failure.killed is not None:
            code = 1
            print(_of_killed(failure.stage, failure.killed), file=sys.stderr)
        elif isinstance(failure, StageFailed):
            code = 1
            print(f"{failure}\nIts whole output: {log_of(failure.stage)}", file=sys.stderr)
        else:
            code = 1
            traceback.print_exception(failure, file=sys.stderr)
    return code


def _of_killed(stage: str, number: str) -> str:
    memory = ", or by the system, which does so when memory runs out" if number == "SIGKILL" else ""
    return (
        f"stage {stage!r} was ended by {number} from outside{memory}. "
        "The same command goes on where it stopped."
    )


def _summarise(console: Console, live: bool, stage_states: list[Any], seconds: float) -> None:
    counts = Counter(state.name for state in stage_states)
    stages = ", ".join(f"{count} {name}" for name, count in counts.items())
    metrics = headline.read()
    if metrics is not None:
        if not live:
            console = Console(width=200, no_color=True)  # a log file has no edge to wrap at
        console.print()
        if "caution" in metrics:
            console.print(Text(metrics["caution"], "bold yellow"))
            console.print()
        title = f"{metrics['dataset']}, test split"
        console.print(_table(title, headline.scores(metrics), first="bold"))
        console.print()
        differences = _turn(headline.differences(metrics))
        if console.width < 110:  # else an interval would be torn apart
            differences = _break_cells(differences)
        console.print(_table("Paired differences, 95 % intervals", differences))
        console.print()
    print(f"{stages} in {duration(seconds)}")
    if paths.REPORT.exists():
        print(f"Report: {paths.REPORT}")


def _turn(content: headline.Table) -> headline.Table:
    """Rows for columns: there are more figures than baselines."""
    head, rows = content
    turned = [list(row) for row in zip(head, *rows, strict=True)]
    return turned[0], turned[1:]


def _break_cells(content: headline.Table) -> headline.Table:
    head, rows = content
    return head, [[cell.replace(" [", "\n[", 1) for cell in row] for row in rows]


def _table(title: str, content: headline.Table, *, first: str = "") -> Table:
    head, rows = content
    table = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for place, name in enumerate(head):
        table.add_column(Text(name), justify="right" if place else "left")
    for place, row in enumerate(rows):
        table.add_row(*map(Text, row), style="" if place else first)
    return table
