"""`rarenode run`."""

import argparse
from typing import Any

from pipeline.commands import options


def add(commands: Any) -> None:
    """Add the command to the others."""
    run = commands.add_parser(
        "run",
        help="run the whole pipeline",
        description="Bring every stage up to date. --dataset, --profile, --device and --set edit "
        "params.yaml (in this order) and print the diff, so that what ran is what is committed.",
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
    run.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        help="that the encoder of images computes on; the parameter images.device",
    )
    options.add_cluster(run, "the training of the members")
    options.add_json(
        run,
        "what became of params.yaml, stages, figures, and the paths of metrics, report and model",
    )
    run.set_defaults(command=_run)


def _run(asked: argparse.Namespace) -> int:
    if not asked.json:
        return _bring_up_to_date(asked, {})
    from flows import document

    return document.tell(lambda told: _bring_up_to_date(asked, told))


def _bring_up_to_date(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    from flows import cluster, ready, signals, workspace
    from pipeline.config import edit

    told["params"] = "unchanged"
    workspace.check()
    changes: list[tuple[str, Any]] = []
    if asked.dataset is not None:
        changes.append(("dataset", asked.dataset))
    if asked.profile is not None:
        changes.append(("profile", asked.profile))
    if asked.device is not None:
        changes.append(("images.device", asked.device))
    changes += [edit.assignment(text) for text in asked.set]
    # The cluster first: where there is none, params.yaml stays as it is.
    with (
        signals.ending_like_ctrl_c(),
        workspace.exclusive(),
        cluster.for_stages(asked.cluster),
    ):
        edited = ready.make_ready(changes)
        try:
            told["params"] = "changed" if edited.diff() else "unchanged"
            from flows import terminal  # Prefect takes seconds to import: only now is it worth it

            code = terminal.run(told)
        except BaseException:  # Ctrl-C, too, also while Prefect is imported
            told["params"] = ready.after_failure(edited, told.get("stages", ()), refused=True)
            raise
        if code:
            told["params"] = ready.after_failure(edited, told.get("stages", ()), refused=code == 2)
        return code
