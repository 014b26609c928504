"""`rarenode doctor`."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the others."""
    doctor = commands.add_parser(
        "doctor",
        help="say what is missing or misconfigured",
        description="Look at what is installed, at the workspace in the current folder, and at "
        "what it is configured to reach, and say what is missing or misconfigured and what to do "
        "about it. Nothing is changed. Exit code 2 if there is a problem; warnings are none.",
    )
    doctor.add_argument(
        "--json",
        action="store_true",
        help="as JSON, for programs: a list of check, state (ok, warning, problem), found, remedy",
    )
    doctor.add_argument(
        "--remote", action="store_true", help="also ask whether DVC's remote answers"
    )
    doctor.set_defaults(command=_doctor)


def _doctor(asked: argparse.Namespace) -> int:
    from pipeline.doctor import command

    return command.run(as_json=asked.json, ask_remote=asked.remote)
