"""A worker whose trials sleep: `python -m tests.study.sleeping PLACE NAME SECONDS [--alone]`."""

import sys
import time

import optuna
from optuna.trial import TrialState

from pipeline import parent
from pipeline.study import worker
from pipeline.study.slots import Opened


def trial(seconds: float) -> worker.Trial:
    def run(slot: int, trial: optuna.Trial) -> tuple[TrialState, list[float] | None]:
        x = trial.suggest_float("x", -1, 1)
        time.sleep(seconds)
        return TrialState.COMPLETE, [-(x**2)] * len(trial.study.directions)

    return run


def made(seconds: float) -> object:
    def make(opened: Opened) -> worker.Trial:
        return trial(seconds)

    return make


if __name__ == "__main__":
    place, name, seconds = sys.argv[1:4]
    parent.end_with_parent(unasked=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    alone = "--alone" in sys.argv
    worker.work(place, name, alone=alone, trial=lambda opened: trial(float(seconds)))
