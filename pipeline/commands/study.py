"""`rarenode study`."""

import argparse
import re
import sys
from typing import Any

from pipeline.commands import options
from pipeline.errors import ConfigError, DatasetError


def add(commands: Any) -> None:
    """Add the command to the others."""
    study = commands.add_parser(
        "study",
        help="search the weighting with many trials",
        description="Search tune.search of params.yaml with as many trials and workers as asked "
        "for, and print the best values as a change of params.yaml. A study that was cut off, or "
        "is to have more trials, goes on.",
    )
    study.add_argument(
        "--trials",
        type=options.count,
        metavar="NUMBER",
        help="how many the study has in the end; default: as before, else tune.trials",
    )
    study.add_argument(
        "--workers",
        type=options.count,
        default=1,
        metavar="NUMBER",
        help="processes; with one (the default) a study is reproducible to the byte",
    )
    study.add_argument(
        "--storage",
        metavar="STORAGE",
        help="sqlite (the default), journal, postgresql or postgresql://USER@HOST/DATABASE; also "
        "from the variable RARENODE_STORAGE, the password from PGPASSWORD or ~/.pgpass",
    )
    study.add_argument(
        "--name", type=_name, help="default: data set and hash of data, parameters and code"
    )
    study.add_argument(
        "--objectives",
        nargs="+",
        choices=("macro_ap", "micro_ap"),
        metavar="OBJECTIVE",
        help="macro_ap, micro_ap or both; default: tune.objective",
    )
    study.add_argument(
        "--choose", type=_number, metavar="TRIAL", help="another trial than the best one"
    )
    study.add_argument("--apply", action="store_true", help="write the change into params.yaml")
    other = study.add_mutually_exclusive_group()
    other.add_argument(
        "--join", action="store_true", help="only add workers to a study that another command leads"
    )
    other.add_argument("--dashboard", action="store_true", help="show it with optuna-dashboard")
    options.add_cluster(other, "the workers of a study in PostgreSQL")
    study.add_argument(
        "--port", type=options.count, default=8080, metavar="NUMBER", help="of the dashboard"
    )
    options.add_json(
        study, "objectives, winner (the trial), and the paths of patch, trials and page"
    )
    study.set_defaults(command=_study)


def _study(given: argparse.Namespace) -> int:
    if not given.json:
        return _search(given)
    from flows import document

    return document.tell(lambda told: _search(given) or _tell(told))


def _tell(told: dict[str, Any]) -> int:
    """What reports/study says; return 0."""
    from pipeline.artifacts import files
    from pipeline.study.results import FOLDER

    trials = FOLDER / "trials.json"
    found = files.read_json(trials)
    told |= {
        "objectives": found["objectives"],
        "winner": next(one for one in found["trials"] if one["number"] == found["winner"]),
        "patch": str(FOLDER / "params.patch"),
        "trials": str(trials),
        "page": str(FOLDER / "index.html"),
    }
    return 0


def _search(given: argparse.Namespace) -> int:
    if given.json and (given.join or given.dashboard):
        raise ConfigError("expected --json with the command that leads a study, found another")
    from flows import signals, workspace
    from pipeline.study import command

    workspace.check()
    asked = command.Asked(
        trials=given.trials,
        workers=given.workers,
        storage=given.storage,
        name=given.name,
        objectives=given.objectives and tuple(given.objectives),
        choose=given.choose,
        apply=given.apply,
    )
    command.check(asked)
    with signals.ending_like_ctrl_c():
        if given.dashboard:
            return command.dashboard(asked, given.port)
        if given.join:  # beside the command that holds the workspace, if that is this one
            return command.join(asked)
        if given.cluster is not None and given.workers != 1:
            raise ConfigError("expected --workers or --cluster, found both: a cluster has its own")
        with workspace.exclusive():
            _bring_data_up_to_date()
            if given.cluster is None:
                return command.run(asked)
            from flows import cluster
            from pipeline.cluster import connection
            from pipeline.study.on_cluster import OnCluster

            with cluster.address(given.cluster) as address, connection.reach(address) as reached:
                return command.run(asked, lambda opened: OnCluster(opened, reached))


def _bring_data_up_to_date() -> None:
    """Run the stages that a trial's data come from, as far as they are not up to date.

    Raises:
        DatasetError: one of them refused.
        RarenodeError: they cannot run, see `ready.make_ready`.
    """
    from flows import ready, stages

    ready.make_ready()
    stages.allow()
    plan = stages.plan()
    needed, todo = set[str](), list(plan["tune"])
    while todo:
        stage = todo.pop()
        if stage not in needed:
            needed.add(stage)
            todo += plan[stage]
    try:
        for stage in plan:
            if stage in needed and not stages.is_up_to_date(stage):
                state = stages.reproduce(stage, log=_nothing, on_event=_nothing)
                print(f"{stage}: {state}", flush=True)
    except stages.StageFailed as failure:
        if failure.refusal is None:
            print(f"Its whole output: {stages.log_of(failure.stage)}", file=sys.stderr)
            raise
        raise DatasetError(failure.refusal) from None
    except BaseException:
        stages.stop_all()
        raise


def _nothing(_: Any) -> None: ...


def _name(text: str) -> str:
    """A study's name, which is that of a file."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", text):
        raise argparse.ArgumentTypeError(
            f"expected letters, digits and _ . - (at most 100), found {text!r}"
        )
    return text


def _number(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, found {text!r}")
    return int(text)
