"""`rarenode run`."""

import argparse
from typing import Any

from pipeline.commands import options


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
    options.add_cluster(run, "the training of the members")
    run.set_defaults(command=_run)


def _run(asked: argparse.Namespace) -> int:
    from flows import cluster, ready, workspace
    from pipeline.config import edit

    workspace.check()
    changes: list[tuple[str, Any]] = []
    if asked.dataset is not None:
        changes.append(("dataset", asked.dataset))
    if asked.profile is not None:
        changes.append(("profile", asked.profile))
    changes += [edit.assignment(text) for text in asked.set]
    # The cluster first: where there is none, params.yaml stays as it is.
    with workspace.exclusive(), cluster.for_stages(asked.cluster):
        ready.make_ready(changes)
        from flows import terminal  # Prefect takes seconds to import: only now is it worth it

        return terminal.run()
