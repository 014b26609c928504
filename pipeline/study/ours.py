"""The product's own method as a study's trial."""

from typing import Any

import optuna
from optuna.trial import TrialState

from pipeline import config
from pipeline.hml import train
from pipeline.hml.training import TrainingError
from pipeline.stages import learning, trials
from pipeline.stages.journals import DIVERGED
from pipeline.stages.studies import seed
from pipeline.study import studies
from pipeline.study.slots import Opened
from pipeline.study.worker import Trial

CURVES = "curves"  # of a trial with two objectives, which has no intermediate values
EPOCHS = "epochs"


def trial(opened: Opened) -> Trial:
    """What runs a trial, with the workspace's data, which have to be those of the study.

    Raises:
        RarenodeError: they are not, or they are not there.
    """
    settings = config.load()
    objectives: list[Any] = opened.study.user_attrs[studies.OF]["objectives"]
    studies.check(opened, studies.identity(settings, objectives))
    data = trials.TrialData(learning.read_problem(), settings)

    def run(slot: int, trial: optuna.Trial) -> tuple[TrialState, list[float] | None]:
        def after_epoch(epoch: int, points: list[float]) -> None:
            if len(points) == 1:
                trial.report(points[0], epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            judged = trials.train_and_judge(
                "weighted",
                trials.suggest("weighted", trial, settings.tune.search),
                data,
                settings,
                objectives,
                seed=seed(settings, "weighted", slot),
                train=train,
                on_epoch=after_epoch,
            )
        except optuna.TrialPruned:
            return TrialState.PRUNED, None
        except TrainingError as error:
            trial.set_user_attr(DIVERGED, str(error))
            return TrialState.FAIL, None
        trial.set_user_attr(EPOCHS, judged.epochs)
        if len(objectives) > 1:
            trial.set_user_attr(CURVES, judged.curves)
        return TrialState.COMPLETE, judged.values

    return run
