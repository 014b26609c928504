"""`rarenode data`: list, get, check, accept."""

import argparse
from typing import Any

from pipeline.commands import options


def add(commands: Any) -> None:
    """Add the command to the others."""
    parser = commands.add_parser("data", help="list, fetch, verify and accept data sets")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("list", help="the data sets, and what is here of each")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    get = commands.add_parser(
        "get",
        help="fetch and verify the raw files of a data set",
        description="Fetch and verify the raw files of a data set. Files that are right already "
        "are kept; if any cannot be had, all stays as it was.",
    )
    get.add_argument("name", metavar="NAME", help="the data set")
    get.add_argument(
        "--from",
        dest="origin",
        metavar="DIR|URL",
        help="a folder or an http(s) address that holds the files, instead of their usual origin",
    )
    check = commands.add_parser("check", help="verify the raw files that are here")
    check.add_argument("name", metavar="NAME", nargs="?", help="one data set; it has to be here")
    options.add_json(check, "data sets that are here, their state and which files are wrong")
    accept = commands.add_parser(
        "accept",
        help="accept the prepared data",
        description="Make the prepared data, as the last run validated them, those that later ones "
        "are compared with, and print what changed. It is refused if they broke an expectation.",
    )
    for command, does in (
        (show, _data_list),
        (get, _data_get),
        (check, _data_check),
        (accept, _data_accept),
    ):
        command.set_defaults(command=does)


def _data_list(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    return data_commands.show(as_json=asked.json)


def _data_get(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands
    from pipeline.datasets import registry

    workspace.check()
    registry.check(asked.name)
    with workspace.exclusive():
        return data_commands.get(asked.name, asked.origin)


def _data_check(asked: argparse.Namespace) -> int:
    if not asked.json:
        return _verify(asked, {})
    from flows import document

    return document.tell(lambda told: _verify(asked, told))


def _verify(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    return data_commands.check(asked.name, told)


def _data_accept(asked: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    with workspace.exclusive():
        return data_commands.accept()
