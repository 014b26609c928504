"""`python -m pipeline.study PLACE NAME`: one worker. `rarenode study` starts it."""

import argparse
import os
import sys

# As for stages; has to be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import optuna

from pipeline import parent
from pipeline.errors import RarenodeError
from pipeline.study import worker


def main(arguments: list[str] | None = None) -> int:
    """Work; return 0, or 2 if the user can fix what stopped it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.study", description="One worker.")
    parser.add_argument("place")
    parser.add_argument("name")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args(arguments)
    parent.end_with_parent(unasked=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        worker.work(options.place, options.name, alone=options.alone)
    except RarenodeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
