"""A trial: a small ensemble with drawn values, judged on the validation split at every epoch.

The number of epochs is read off the best point of each trial's validation curve, a running mean
over three epochs: the maximum of a noisy curve would be read off its noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Config
from pipeline.config.sections import Interval, Search
from pipeline.errors import DatasetError
from pipeline.hml import Ensemble
from pipeline.hml.evaluation import Objective, average_precision
from pipeline.hml.members import NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.unknown import rankable
from pipeline.stages import learning
from pipeline.stages.learning import Method, Problem

_SMOOTHED = 3  # epochs in the running mean

# How far a trial is: the epoch, from 0, and its curves' latest points, one for each objective.
OnEpoch = Callable[[int, list[float]], None]


class TrialData:
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

    def score(self, networks: Networks, objective: Objective | None = None) -> float:
        """The average precision of networks on the validation split, by default that of `tune`."""
        hierarchy, scored = self.problem.hierarchy, self.problem.scored
        members = {"network": NetworkMembers(networks, hierarchy)}
        ensemble = Ensemble(hierarchy, self.preprocessing, members, np.zeros(len(hierarchy)), {})
        return average_precision(
            self.valid_labels,
            lambda rows: ensemble.predict_proba(self.valid_features[rows]),
            objective or self.objective,
            scored=scored,
            unknown=self.valid_unknown,
        )


@dataclass(frozen=True)
class Judged:
    """A trial that went through all its epochs.

    Attributes:
        values: of the objectives at the best point.
        epochs: how many lead there.
        curves: (objective, epoch) running means.
    """

    values: list[float]
    epochs: int
    curves: list[list[float]]


def train_and_judge(
    method: Method,
    chosen: dict[str, Any],
    data: TrialData,
    config: Config,
    objectives: Sequence[Objective],
    *,
    seed: int,
    train: Callable[..., Any],
    on_epoch: OnEpoch,
) -> Judged:
    """Train one ensemble and find the best point of its validation curves.

    That is where the curve is highest; of two curves, where their product is.

    Args:
        method: whose loss is trained.
        chosen: from `suggest`.
        data: of all trials.
        config: `train`, and `tune.members`.
        objectives: one or two figures of the validation split.
        seed: of the training.
        train: `pipeline.hml.train`.
        on_epoch: called after each epoch; what it raises ends the trial.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    section = config.train.model_copy(update={"members": config.tune.members})
    settings = learning.settings(method, section, chosen | {"epochs": config.train.epochs})
    scores: list[list[float]] = [[] for _ in objectives]
    curves: list[list[float]] = [[] for _ in objectives]

    def after_epoch(epoch: int, networks: Networks) -> None:
        for objective, score, curve in zip(objectives, scores, curves, strict=True):
            score.append(data.score(networks, objective))
            curve.append(float(np.mean(score[-_SMOOTHED:])))
        on_epoch(epoch, [curve[-1] for curve in curves])

    train(
        data.features,
        data.labels,
        data.problem.hierarchy,
        settings,
        seed=seed,
        scored=data.problem.scored,
        unknown=data.unknown,
        on_epoch=after_epoch,
    )
    best = int(np.argmax(np.prod(curves, axis=0)))
    return Judged([curve[best] for curve in curves], best + 1, curves)


def suggest(method: Method, trial: optuna.Trial, search: Search) -> dict[str, Any]:
    """Draw a trial's values, as `learning.settings` takes them."""

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


def starting_point(method: Method, config: Config) -> dict[str, Any]:
    """The values of params.yaml, which lie in the search space."""
    values = {"learning_rate": config.train.learning_rate}
    if method == "weighted":
        values |= config.train.weighting.model_dump(exclude={"kind", "reduction", "start"})
    return values


def state(trial: FrozenTrial) -> str:
    """For people."""
    names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
    return names.get(trial.state, "failed")
