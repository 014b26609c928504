"""`rarenode models`: list, promote, rollback."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the others."""
    parser = commands.add_parser("models", help="list versions of the model, change the champion")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("list", help="all versions, and which one is the champion")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    promote = commands.add_parser("promote", help="make a version the champion")
    promote.add_argument("version", metavar="VERSION", help="such as v0.2.0")
    rollback = commands.add_parser(
        "rollback", help="make the champion before the champion again; repeated, the one before it"
    )
    for command, does in ((show, _list), (promote, _promote), (rollback, _rollback)):
        command.set_defaults(command=does)


def _list(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline.champion import listing

    workspace.check()
    return listing.show(as_json=asked.json)


def _promote(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline.champion import place, versions

    workspace.check()
    with workspace.retraining():
        version = versions.promote(asked.version)
    print(f"{version.name} is the champion: {place.LINK}")
    return 0


def _rollback(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline.champion import place, versions

    workspace.check()
    with workspace.retraining():
        last, now = versions.rollback()
    print(f"{now.name} is the champion again, instead of {last.name}: {place.LINK}")
    return 0
