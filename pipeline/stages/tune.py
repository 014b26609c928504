"""The Optuna study: what the loss weighs how, on validation data only.

Every method gets the same number of trials with the same members: the product's method searches its
weighting and the learning rate, a baseline its learning rate. The number of epochs is read off the
best point of each trial's validation curve, a running mean over three epochs: the maximum of a
noisy curve would be read off its noise.
"""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline import progress
from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.config.sections import Interval, Search
from pipeline.errors import ConfigError, DatasetError
from pipeline.hml import Ensemble, train
from pipeline.hml.evaluation import Objective, average_precision
from pipeline.hml.members import NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import TrainingError
from pipeline.hml.unknown import rankable
from pipeline.stages import learning, studies
from pipeline.stages.learning import TUNING_SCHEMA, Method, Problem

_SMOOTHED = 3  # epochs in the running mean


def run(config: Config) -> list[Path]:
    """Write `best.json` (chosen values per method) and `trials.json` into reports/tuning."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = learning.read_problem()
    methods = learning.methods(config.train)
    best: dict[str, Any] = {}
    trials: list[dict[str, Any]] = []
    if config.tune.trials == 0:
        best = {method: _untuned(method, config) for method in methods}
    else:
        journal = studies.storage(config, problem, Path(__file__))
        data = _TrialData(problem, config)
        with progress.bar("tuning", total=len(methods) * config.tune.trials, unit="trial") as bar:
            for method in methods:
                finished = _study(method, journal, config, data, bar)
                best[method] = _best(method, finished, config)
                trials += [_row(method, i, trial) for i, trial in enumerate(finished)]
                seconds = sum(t.duration.total_seconds() for t in finished if t.duration)
                name = learning.full_name(method, best[method])
                cost.record_method("tune", name, seconds=round(seconds, 2))
    with files.whole_folder(paths.TUNING) as folder:
        files.write_json(
            folder / "best.json",
            {"schema": TUNING_SCHEMA, "objective": config.tune.objective, "methods": best},
        )
        files.write_json(folder / "trials.json", {"schema": TUNING_SCHEMA, "trials": trials})
    return [paths.TUNING / "best.json", paths.TUNING / "trials.json"]


class _TrialData:
    """Training and validation data, preprocessed once for all trials."""

    def __init__(self, problem: Problem, config: Config) -> None:
        rows, valid = problem.data.rows("train"), problem.data.rows("valid")
        block = np.asarray(problem.data.features[rows])
        self.preprocessing = Standardizer.fit(block)
        self.features = self.preprocessing.transform(block)
        self.labels = problem.data.labels[rows]
        self.unknown, self.valid_unknown = problem.unknown_of(rows), problem.unknown_of(valid)
        self.valid_features = np.asarray(problem.data.features[valid])
        self.valid_labels = problem.labels[valid]
        positive = problem.positives(valid)
        what = "a positive of a scored node"
        if self.valid_unknown is not None:
            missing = self.valid_unknown.sum(axis=0, dtype=np.int64)[problem.scored]
            positive = rankable(positive, missing, len(valid))
            what += " that has a known negative, too,"
        if not positive.any():
            raise DatasetError(
                f"expected {what} among the validation examples, found none: "
                "nothing can be tuned. Set tune.trials to 0 or prepare.valid_share higher"
            )
        self.problem = problem
        self.objective: Objective = config.tune.objective

    def score(self, networks: Networks) -> float:
        hierarchy, scored = self.problem.hierarchy, self.problem.scored
        members = {"network": NetworkMembers(networks, hierarchy)}
        ensemble = Ensemble(hierarchy, self.preprocessing, members, np.zeros(len(hierarchy)), {})
        return average_precision(
            self.valid_labels,
            lambda rows: ensemble.predict_proba(self.valid_features[rows]),
            self.objective,
            scored=scored,
            unknown=self.valid_unknown,
        )


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

    studies.optimise(study, method, config, _starting_point(method, config), run)
    return studies.finished(study, config)


def _trial(
    method: Method, index: int, trial: optuna.Trial, config: Config, data: _TrialData
) -> tuple[TrialState, float | None]:
    """Train one ensemble; its value is the best point of the validation curve."""
    chosen = _suggest(method, trial, config.tune.search)
    section = config.train.model_copy(update={"members": config.tune.members})
    settings = learning.settings(method, section, chosen | {"epochs": config.train.epochs})
    scores: list[float] = []
    curve: list[float] = []
    with progress.bar(f"{method} trial {index + 1}", total=settings.epochs, unit="epoch") as bar:

        def after_epoch(epoch: int, networks: Networks) -> None:
            scores.append(data.score(networks))
            curve.append(float(np.mean(scores[-_SMOOTHED:])))
            trial.report(curve[-1], epoch)
            bar.advance(1, note=f"{config.tune.objective} {curve[-1]:.4f}")
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            train(
                data.features,
                data.labels,
                data.problem.hierarchy,
                settings,
                seed=studies.seed(config, method, index),
                scored=data.problem.scored,
                unknown=data.unknown,
                on_epoch=after_epoch,
            )
        except optuna.TrialPruned:
            return TrialState.PRUNED, None
        except TrainingError as error:
            trial.set_user_attr(studies.DIVERGED, str(error))
            return TrialState.FAIL, None
    trial.set_user_attr("epochs", int(np.argmax(curve)) + 1)
    return TrialState.COMPLETE, max(curve)


def _suggest(method: Method, trial: optuna.Trial, search: Search) -> dict[str, Any]:
    def number(name: str, interval: Interval) -> float:
        return trial.suggest_float(name, interval.low, interval.high, log=True)

    chosen: dict[str, Any] = {"learning_rate": number("learning_rate", search.learning_rate)}
    if method == "weighted":
        chosen["weighting"] = {
            "variant": trial.suggest_categorical("variant", search.variant),
            "floor": number("floor", search.floor),
            "uncertainty": trial.suggest_categorical("uncertainty", search.uncertainty),
            "focal_floor": number("focal_floor", search.focal_floor),
            "focal_power": number("focal_power", search.focal_power),
        }
    return chosen


def _starting_point(method: Method, config: Config) -> dict[str, Any]:
    """The values of params.yaml, which lie in the search space."""
    values = {"learning_rate": config.train.learning_rate}
    if method == "weighted":
        values |= config.train.weighting.model_dump(exclude={"kind", "reduction", "start"})
    return values


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
    names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
    return {
        "method": method,
        "number": number,
        "state": names.get(trial.state, "failed"),
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "curve": [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
    }
