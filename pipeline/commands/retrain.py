"""`rarenode retrain`."""

import argparse
import os
import sys
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the others."""
    retrain = commands.add_parser(
        "retrain",
        help="train a challenger, and promote it if it is not worse",
        description="Train what is committed on the data as they are now, hold it against the "
        "champion on examples that neither has learnt from, and promote it if it is not worse by "
        "the margins in params.yaml. Whatever fails leaves the champion.",
    )
    retrain.add_argument(
        "--force", action="store_true", help="even if neither data nor parameters have changed"
    )
    retrain.add_argument("--promote", action="store_true", help="whatever the comparison says")
    retrain.set_defaults(command=_retrain)


def _retrain(asked: argparse.Namespace) -> int:
    from rich.console import Console

    from flows import server, signals, watch, workspace
    from flows.display import Lines, LiveList
    from pipeline.champion import worktree
    from pipeline.errors import RarenodeError

    workspace.check()
    # What a run logs belongs to Prefect; on the screen it would only tear the list.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    with (
        signals.ending_like_ctrl_c(),
        LiveList(console) if live else Lines() as watcher,
        watch.watching(watcher),
    ):
        with server.starting():
            from prefect import tags

            from flows import history, outcome
            from flows.retrain import UNCHANGED, VERDICT, retrain

        with tags(history.tag("retrain")):  # from the first moment: it may be killed in the second
            ended = outcome.of(retrain, asked.force, asked.promote)
    if isinstance(ended, RarenodeError):
        raise ended
    if isinstance(ended, Exception):
        print(ended, file=sys.stderr)
        return 1
    print(f"{ended.name}: {ended.message}")
    if ended.name != UNCHANGED:
        print(f"Figures: {worktree.REPORTS / VERDICT.name}")
    return 0
