"""Studies that can be cut off at any moment and go on as if nothing had happened.

Trials are kept in an Optuna journal outside of the stage's outputs, which DVC deletes. The sampler
of a trial is seeded by how many trials are finished, and so is its training: a trial that was
running when the study was cut off is drawn again, and comes out the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.stages import identity, journals
from pipeline.stages.journals import DIVERGED
from pipeline.stages.learning import Method, Problem

_RANDOM_TRIALS = 4  # before the sampler has enough to learn from

# Their places seed the trials; a method keeps its trials when others join the comparison.
_SEEDED: tuple[Method, ...] = ("weighted", "bce", "mcloss")

Trial = Callable[[int, optuna.Trial], tuple[TrialState, float | None]]


def storage(config: Config, problem: Problem, *code: Path) -> JournalStorage:
    """The journal of these data, parameters and code: a trial is reused if it would be the same.

    The number of trials is left out: more trials continue a study.

    Args:
        config: all parameters.
        problem: the data.
        code: the files that define a trial, beside the core and this one.
    """
    params = config.model_dump(include={"seed", "train", "tune"})
    del params["tune"]["trials"]
    for name in ("baselines", "beta", "budget", "cross_fit", "kinds"):
        del params["train"][name]
    key = identity.key(problem, params, *code, Path(__file__), packages=("optuna",))
    return journals.opened(paths.STATE / "studies" / f"{key}.journal")


def resume(method: Method, journal: JournalStorage, config: Config) -> optuna.Study:
    """Open a method's study; a trial that was running when it was cut off counts as failed."""
    study = optuna.create_study(
        study_name=method,
        storage=journal,
        load_if_exists=True,
        direction="maximize",
        # Curves cross in the first half: a small learning rate starts slowly. Two make a median.
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=2, n_warmup_steps=config.train.epochs // 2
        ),
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def optimise(
    study: optuna.Study, method: Method, config: Config, start: dict[str, Any], run: Trial
) -> None:
    """Run the trials that are missing.

    Args:
        study: from `resume`.
        method: its name seeds the trials.
        config: `seed` and `tune.trials`.
        start: parameters of the first trial.
        run: given the trial's number among the finished ones, runs it; returns state and value.
    """
    for index in range(len(finished(study, config)), config.tune.trials):
        study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=_RANDOM_TRIALS, seed=seed(config, method, index)
        )
        if index == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(start)
        trial = study.ask()
        state, value = run(index, trial)
        study.tell(trial, value, state=state)


def finished(study: optuna.Study, config: Config) -> list[FrozenTrial]:
    """The trials that count; a study that went on for longer gives what a shorter one gives."""
    done = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or DIVERGED in trial.user_attrs
    ]
    return done[: config.tune.trials]


def seed(config: Config, method: Method, index: int) -> int:
    """The seed of a method's trial, by its number among the finished ones."""
    entropy = np.random.SeedSequence([config.seed, _SEEDED.index(method), index])
    return int(entropy.generate_state(1)[0])
