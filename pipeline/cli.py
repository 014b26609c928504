"""The command line: thin, and quick to start because it imports what a command needs only then."""

import argparse
import os
import sys
import traceback

from pipeline.commands import (
    benchmark,
    data,
    deploy,
    doctor,
    export,
    init,
    models,
    predict,
    retrain,
    run,
    study,
)
from pipeline.errors import RarenodeError

_INTERRUPTED = 130  # what a shell reports after Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0: done; 1: a fault of ours; 2: the user can fix it; 130: interrupted.
    """
    _open_streams()
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except RarenodeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        return 1  # whoever read our output has gone; there is nobody to tell
    except Exception:
        traceback.print_exc()
        return 1


def _open_streams() -> None:
    """Put /dev/null where a stream is closed (`2>&-`): else the next file takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rarenode", description="Finds the rare nodes of a label hierarchy, reproducibly."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    every = (run, init, predict, study, retrain, models, deploy, benchmark, export, data, doctor)
    for command in every:
        command.add(commands)
    return parser
