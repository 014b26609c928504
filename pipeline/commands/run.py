"""`rarenode run`."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the others."""
    run = commands.add_parser(
        "run",
        help="run the whole pipeline",
        description="Bring every stage up to date. --dataset, --profile and --set edit params.yaml "
        "(in this order) and print the diff, so that what ran is what is committed.",
    )
    run.add_argument("--dataset", metavar="NAME", help="the data set")
    run.add_argument(
        "--profile",
        choices=("quick", "full", "published"),
        help="quick (minutes), full (members, epochs, trials and replicates for results to report) "
        "or published (a benchmark as the literature trained it)",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a parameter; may be given several times",
    )
    run.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from flows import ready, workspace
    from pipeline.config import edit

    workspace.check()
    changes: list[tuple[str, Any]] = []
    if options.dataset is not None:
        changes.append(("dataset", options.dataset))
    if options.profile is not None:
        changes.append(("profile", options.profile))
    changes += [edit.assignment(text) for text in options.set]
    with workspace.exclusive():
        ready.make_ready(changes)
        from flows import terminal  # Prefect takes seconds to import: only now is it worth it

        return terminal.run()
