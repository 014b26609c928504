"""`rarenode run`: the train flow with somebody watching it."""

import os
import sys
import time
import traceback
from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from flows import headline, server, signals, tables, watch
from flows.display import Lines, LiveList, duration
from flows.heard import Heard
from pipeline.artifacts import paths
from pipeline.errors import RarenodeError

_NO_EDGE = 10_000  # columns of a file or a pipe, where nothing has to be wrapped


def run(document: dict[str, Any] | None = None) -> int:
    """Run the train flow, show it, and say how it ended.

    Args:
        document: gets what a program wants to know (`rarenode run --json`).

    Returns:
        0: done; 2: a stage stopped at something that the user can fix; 1: a fault.
    """
    # What a run logs belongs to Prefect; on the screen it would only tear the list. What fails is
    # said below, once.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    began = time.monotonic()
    document = {} if document is None else document
    with (
        signals.ending_like_ctrl_c(),
        LiveList(console) if live else Lines() as watcher,
        watch.watching(heard := Heard(watcher)),
    ):
        try:
            with server.starting():
                from flows import stages

                heard.planned(list(stages.plan()))  # the list stands there while Prefect starts
                from prefect import tags

                from flows import history, outcome
                from flows.train import train

            with tags(history.tag()):  # from the first moment: it may be killed in the second
                ended = outcome.of(train)
        finally:
            document |= {"seconds": round(time.monotonic() - began, 1), "stages": heard.stages()}
    if isinstance(ended, Exception):
        return _explain([ended], document)
    if not all(state.is_completed() for state in ended):
        failed = [state for state in ended if state.is_failed() or state.is_crashed()]
        return _explain([state.result(raise_on_failure=False) for state in failed], document)
    _summarise(console, ended, time.monotonic() - began)
    document |= headline.document()
    return 0


def _explain(failures: list[Exception], document: dict[str, Any]) -> int:
    from flows.stages import StageFailed, log_of  # imports DVC

    code, said = 2, list[str]()
    for failure in failures:
        if isinstance(failure, StageFailed) and failure.refusal is not None:
            said.append(failure.refusal)
        elif isinstance(failure, RarenodeError):
            said.append(str(failure))
        elif isinstance(failure, StageFailed) and failure.killed is not None:
            code = 1
            said.append(_of_killed(failure.stage, failure.killed))
        elif isinstance(failure, StageFailed):
            code = 1
            said.append(f"{failure}\nIts whole output: {log_of(failure.stage)}")
        else:
            code = 1
            said.append("".join(traceback.format_exception(failure)).rstrip())
    document["error"] = "\n".join(said)
    print(document["error"], file=sys.stderr)
    return code


def _of_killed(stage: str, number: str) -> str:
    memory = ", or by the system, which does so when memory runs out" if number == "SIGKILL" else ""
    return (
        f"stage {stage!r} was ended by {number} from outside{memory}. "
        "The same command goes on where it stopped."
    )


def _summarise(console: Console, stage_states: list[Any], seconds: float) -> None:
    counts = Counter(state.name for state in stage_states)
    stages = ", ".join(f"{count} {name}" for name, count in counts.items())
    metrics = headline.read()
    if metrics is not None:
        if not console.is_terminal:
            console = Console(width=_NO_EDGE, no_color=True)
        console.print()
        if "caution" in metrics:
            console.print(Text(metrics["caution"], "bold yellow"))
            console.print()
        title = f"{metrics['dataset']}, test split"
        tables.show(console, title, headline.scores(metrics), first="bold")
        console.print()
        head, rows = _turn(headline.differences(metrics))
        if len(head) > 1 and rows:
            tables.show(console, "Paired differences, 95 % intervals", (head, rows))
            console.print()
    print(f"{stages} in {duration(seconds)}")
    if paths.REPORT.exists():
        print(f"Report: {paths.REPORT}")


def _turn(content: headline.Table) -> headline.Table:
    """Rows for columns: there are more figures than baselines."""
    head, rows = content
    turned = [list(row) for row in zip(head, *rows, strict=True)]
    return turned[0], turned[1:]
