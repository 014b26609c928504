"""`python -m pipeline.study PLACE NAME`: one worker. `rarenode study` starts it."""

import argparse
import os
import sys
import threading

# As for stages; has to be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import optuna

from pipeline.errors import RarenodeError
from pipeline.study import worker


def main(arguments: list[str] | None = None) -> int:
    """Work; return 0, or 2 if the user can fix what stopped it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.study", description="One worker.")
    parser.add_argument("place")
    parser.add_argument("name")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args(arguments)
    end_with_parent()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        worker.work(options.place, options.name, alone=options.alone)
    except RarenodeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: it holds our standard input."""

    def watch() -> None:
        # Not sys.stdin, whose lock Python wants when it ends.
        while os.read(0, 1024):
            pass
        os._exit(1)  # nothing is lost that a kill would not lose

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
