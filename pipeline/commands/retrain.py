"""`rarenode retrain`."""

import argparse
import os
import sys
from typing import Any

from pipeline.commands import options


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
    options.add_json(retrain, "steps, verdict, message, champion and the path of the figures")
    retrain.set_defaults(command=_retrain)


def _retrain(asked: argparse.Namespace) -> int:
    if not asked.json:
        return _challenge(asked, {})
    from flows import document

    return document.tell(lambda told: _challenge(asked, told))


def _challenge(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    from rich.console import Console

    from flows import server, signals, watch, workspace
    from flows.display import Lines, LiveList
    from flows.heard import Heard
    from pipeline.champion import listing, worktree
    from pipeline.errors import RarenodeError

    workspace.check()
    # What a run logs belongs to Prefect; on the screen it would only tear the list.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    with (
        signals.ending_like_ctrl_c(),
        LiveList(console) if live else Lines() as watcher,
        watch.watching(heard := Heard(watcher)),
    ):
        try:
            with server.starting():
                from prefect import tags

                from flows import history, outcome
                from flows.retrain import UNCHANGED, VERDICT, retrain

            # From the first moment: it may be killed in the second.
            with tags(history.tag("retrain")):
                ended = outcome.of(retrain, asked.force, asked.promote)
        finally:
            told["steps"] = heard.stages()
    if isinstance(ended, RarenodeError):
        raise ended
    if isinstance(ended, Exception):
        print(ended, file=sys.stderr)
        told["error"] = str(ended)
        return 1
    print(f"{ended.name}: {ended.message}")
    figures = None
    if ended.name != UNCHANGED:
        figures = str(worktree.REPORTS / VERDICT.name)
        print(f"Figures: {figures}")
    if asked.json:
        versions = listing.entries()
        told |= {
            "verdict": ended.name,
            "message": ended.message,
            "champion": next((one for one in versions if one["champion"]), None),
            "figures": figures,
        }
    return 0
