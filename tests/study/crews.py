"""Studies whose trials sleep, for tests of who gets which."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import optuna
from optuna.trial import TrialState

from pipeline.study import lead, places, slots, studies
from pipeline.study.slots import Opened

ROOT = Path(__file__).parents[2]
IDENTITY = {"objectives": ["macro_ap"], "params": {"seed": 0, "train": {"epochs": 4}}}


def opened(storage: str, name: str) -> Opened:
    """A study of trials that sleep, in the current folder."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return studies.create(places.place(storage, name), name, IDENTITY, {"x": 0.5})


class Sleepers(lead.Processes):
    """Workers whose trials sleep; one is killed in the middle of a trial when so many are done."""

    def __init__(
        self, study: Opened, workers: int, seconds: float, *, kill_after: int | None = None
    ) -> None:
        os.environ["PYTHONPATH"] = str(ROOT)
        module = [sys.executable, "-m", "tests.study.sleeping"]
        alone = workers == 1
        command = [*module, study.place.url, study.name, str(seconds)]
        command += ["--alone"] if alone else []
        super().__init__(study, workers, alone=alone, command=command)
        self._study, self._kill_after = study, kill_after
        self.killed: list[int] = []

    def tend(self, finished: int) -> None:
        super().tend(finished)
        running = self._study.trials(TrialState.RUNNING)
        if self._kill_after is not None and finished >= self._kill_after and not self.killed:
            # The latest of them: it is sure to be still running.
            if running:
                last = max(running, key=lambda trial: trial.datetime_start or datetime.min)
                self.killed.append(int(last.user_attrs[slots.WORKER].split(":")[1]))
                os.kill(self.killed[0], signal.SIGKILL)


def throughput(study: Opened) -> float:
    """Finished trials a second, from the start of the first one to the end of the last."""
    trials = [trial for trial in study.trials() if trial.state.is_finished()]
    starts = sorted(t.datetime_start for t in trials if t.datetime_start)
    ends = sorted(t.datetime_complete for t in trials if t.datetime_complete)
    return len(ends) / (ends[-1] - starts[0]).total_seconds()
