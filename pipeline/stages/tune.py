"""The Optuna study: what the loss weighs how, on validation data only.

Every method gets the same number of trials with the same members: the product's method searches its
weighting and the learning rate, a baseline its learning rate. What a trial is: `trials`.
"""

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline import progress
from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.hml import train
from pipeline.hml.training import TrainingError
from pipeline.stages import learning, studies, trials
from pipeline.stages.journals import DIVERGED
from pipeline.stages.learning import TUNING_SCHEMA, Method
from pipeline.stages.trials import TrialData as _TrialData


def run(config: Config) -> list[Path]:
    """Write `best.json` (chosen values per method) and `trials.json` into reports/tuning."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = learning.read_problem()
    methods = learning.methods(config.train)
    best: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    if config.tune.trials == 0:
        best = {method: _untuned(method, config) for method in methods}
    else:
        journal = studies.storage(config, problem, Path(trials.__file__), Path(__file__))
        data = _TrialData(problem, config)
        with progress.bar("tuning", total=len(methods) * config.tune.trials, unit="trial") as bar:
            for method in methods:
                finished = _study(method, journal, config, data, bar)
                best[method] = _best(method, finished, config)
                rows += [_row(method, i, trial) for i, trial in enumerate(finished)]
                seconds = sum(t.duration.total_seconds() for t in finished if t.duration)
                name = learning.full_name(method, best[method])
                cost.record_method("tune", name, seconds=round(seconds, 2))
    with files.whole_folder(paths.TUNING) as folder:
        files.write_json(
            folder / "best.json",
            {"schema": TUNING_SCHEMA, "objective": config.tune.objective, "methods": best},
        )
        files.write_json(folder / "trials.json", {"schema": TUNING_SCHEMA, "trials": rows})
    return [paths.TUNING / "best.json", paths.TUNING / "trials.json"]


def _study(
    method: Method, journal: JournalStorage, config: Config, data: _TrialData, bar: progress.Bar
) -> list[FrozenTrial]:
    """Run a method's study to its end; return the finished trials."""
    study = studies.resume(method, journal, config)
    bar.advance(len(studies.finished(study, config)))

    def run(index: int, trial: optuna.Trial) -> tuple[TrialState, float | None]:
        result = _trial(method, index, trial, config, data)
        values = [t.value for t in studies.finished(study, config) if t.value is not None]
        best = max([*values, result[1]] if result[1] is not None else values, default=None)
        shown = "none yet" if best is None else f"{best:.4f}"
        bar.advance(1, note=f"{method}: best {config.tune.objective} {shown}")
        return result

    studies.optimise(study, method, config, trials.starting_point(method, config), run)
    return studies.finished(study, config)


def _trial(
    method: Method, index: int, trial: optuna.Trial, config: Config, data: _TrialData
) -> tuple[TrialState, float | None]:
    """Train one ensemble; its value is the best point of the validation curve."""
    chosen = trials.suggest(method, trial, config.tune.search)
    objective = config.tune.objective
    with progress.bar(
        f"{method} trial {index + 1}", total=config.train.epochs, unit="epoch"
    ) as bar:

        def after_epoch(epoch: int, points: list[float]) -> None:
            trial.report(points[0], epoch)
            bar.advance(1, note=f"{objective} {points[0]:.4f}")
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            judged = trials.train_and_judge(
                method,
                chosen,
                data,
                config,
                [objective],
                seed=studies.seed(config, method, index),
                train=train,
                on_epoch=after_epoch,
            )
        except optuna.TrialPruned:
            return TrialState.PRUNED, None
        except TrainingError as error:
            trial.set_user_attr(DIVERGED, str(error))
            return TrialState.FAIL, None
    trial.set_user_attr("epochs", judged.epochs)
    return TrialState.COMPLETE, judged.values[0]


def _best(method: Method, finished: list[FrozenTrial], config: Config) -> dict[str, Any]:
    complete = [trial for trial in finished if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ConfigError(
            f"expected a trial of {method} that ends with a finite loss, found none in "
            f"{config.tune.trials}: lower tune.search.learning_rate "
            f"(now {config.tune.search.learning_rate})"
        )
    trial = max(complete, key=lambda trial: trial.value or 0)
    params = dict(trial.params)
    best: dict[str, Any] = {
        "value": trial.value,
        "learning_rate": params.pop("learning_rate"),
        "epochs": trial.user_attrs["epochs"],
    }
    return best | ({"weighting": params} if method == "weighted" else {})


def _untuned(method: Method, config: Config) -> dict[str, Any]:
    best: dict[str, Any] = {
        "value": None,
        "learning_rate": config.train.learning_rate,
        "epochs": config.train.epochs,
    }
    if method != "weighted":
        return best
    weighting = config.train.weighting.model_dump(exclude={"kind", "reduction", "start"})
    return best | {"weighting": weighting}


def _row(method: Method, number: int, trial: FrozenTrial) -> dict[str, Any]:
    return {
        "method": method,
        "number": number,
        "state": trials.state(trial),
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "curve": [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
    }
