"""`rarenode deploy`."""

import argparse
from typing import Any

from pipeline.commands import options
from pipeline.errors import ConfigError


def add(commands: Any) -> None:
    """Add the command to the others."""
    deploy = commands.add_parser(
        "deploy",
        help="run on a schedule, on a Prefect server",
        description="Make or change a schedule that runs a flow in this workspace. The server is "
        "that of PREFECT_API_URL; a worker runs what is due. docs/schedules.md says how.",
    )
    what = deploy.add_mutually_exclusive_group()
    what.add_argument(
        "--cron", metavar="CRON", help='when: minute, hour, day, month, weekday, as in "0 3 * * 1"'
    )
    what.add_argument("--list", action="store_true", help="only show this workspace's schedules")
    what.add_argument("--remove", metavar="NAME", help="only remove a schedule")
    deploy.add_argument("--timezone", metavar="ZONE", default="UTC", help="of --cron; UTC")
    deploy.add_argument(
        "--flow",
        choices=("retrain", "train"),
        default="retrain",
        help="what to run: `rarenode retrain`, or `rarenode run` without a challenger; retrain",
    )
    deploy.add_argument("--name", help="of the schedule; the name of this folder")
    deploy.add_argument("--pool", default="rarenode", help="work pool whose worker runs it")
    deploy.add_argument(
        "--overlap",
        choices=("wait", "skip"),
        default="wait",
        help="what a run does that is due while another one is under way; wait",
    )
    deploy.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="a run that takes longer is ended"
    )
    deploy.add_argument(
        "--pause", action="store_true", help="run nothing that is due until it is resumed"
    )
    options.add_json(deploy, "with --list the schedules")
    deploy.set_defaults(command=_run)


def _run(asked: argparse.Namespace) -> int:
    if not asked.json:
        return _deploy(asked, {})
    from flows import document

    return document.tell(lambda told: _deploy(asked, told))


def _deploy(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    if asked.json and not asked.list:
        raise ConfigError("expected --json with --list, found it without")
    from flows import workspace

    workspace.check()
    from flows import deploy  # Prefect takes seconds to import: only now is it worth it

    if asked.list:
        deploy.show(told)
    elif asked.remove is not None:
        deploy.remove(asked.remove)
    else:
        deploy.deploy(
            deploy.Request(
                cron=asked.cron,
                timezone=asked.timezone,
                flow=asked.flow,
                name=asked.name,
                pool=asked.pool,
                overlap=asked.overlap,
                time_limit=asked.time_limit,
                paused=asked.pause,
            )
        )
    return 0
