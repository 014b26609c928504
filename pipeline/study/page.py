"""reports/study/index.html: the study as one file that needs no network."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pipeline.reporting import findings, svg, templating, tuning_figures
from pipeline.study import figures
from pipeline.study.results import Row, front

_METHOD = "weighted"  # as the pictures of the stage `tune` call it
_FEWEST = 4  # complete trials behind an importance
_SAID = (
    "PedAnovaImportanceEvaluator computes the importances of params to achieve low",
    "Target and region quantiles select the same set of trials",  # all have the same value
)


def importances(
    trials: Sequence[FrozenTrial], objectives: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Objective -> parameter -> share, the largest first; without those that there is none for."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    found: dict[str, dict[str, float]] = {}
    if len(complete) < _FEWEST:
        return found
    study = optuna.create_study(directions=[StudyDirection.MAXIMIZE] * len(objectives))
    study.add_trials(complete)
    for place, objective in enumerate(objectives):
        with warnings.catch_warnings():
            for message in _SAID:
                warnings.filterwarnings("ignore", message)
            try:
                # PED-ANOVA asks what makes the lowest tenth, and ours are maximised.
                shares = optuna.importance.get_param_importances(
                    study, target=lambda trial, place=place: -trial.values[place]
                )
            except (ValueError, RuntimeError):  # all trials are alike
                continue
        if shares:
            found[objective] = shares
    return found


def render(
    name: str,
    rows: Sequence[Row],
    chosen: Row,
    objectives: Sequence[str],
    shares: Mapping[str, Mapping[str, float]],
    now: Mapping[str, Any],
    patch: str,
) -> str:
    """The page as HTML.

    Args:
        name: of the study.
        rows: all finished trials.
        chosen: one of them.
        objectives: one or two.
        shares: from `importances`.
        now: parameter -> value in params.yaml.
        patch: the change of params.yaml.
    """
    environment = templating.environment().overlay(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("pipeline.reporting"), jinja2.PackageLoader("pipeline.study", "")]
        )
    )
    titles = {objective: findings.metric_name(objective) for objective in objectives}
    best = front(rows)
    return environment.get_template("page.html").render(
        css=templating.asset("report.css"),
        name=name,
        rows=rows,
        chosen=chosen,
        titles=titles,
        front=best,
        counts=_counts(rows),
        now=now,
        patch=patch,
        params=list(dict.fromkeys(key for row in rows for key in row["params"])),
        pictures=_pictures(rows, best, chosen, titles, shares),
    )


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    states = [row["state"] for row in rows]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _pictures(
    rows: Sequence[Row],
    best: Sequence[Row],
    chosen: Row,
    titles: Mapping[str, str],
    shares: Mapping[str, Mapping[str, float]],
) -> dict[str, list[Any]]:
    keys = {_METHOD: "weighted"}
    drawn: dict[str, list[tuple[str, str]]] = {"course": [], "importance": [], "slices": []}
    if len(titles) > 1:
        drawn["course"].append(
            (figures.front(rows, best, chosen, titles), "The trials by both objectives.")
        )
    for objective, title in titles.items():
        trials = [_one(row, objective) for row in rows]
        drawn["course"] += [
            (
                tuning_figures.history(trials, keys, title),
                f"{title} of every complete trial and the best so far.",
            ),
            (tuning_figures.curves(trials, keys, title), f"{title} through the epochs."),
        ]
        drawn["slices"] += [
            (
                tuning_figures.parameter(trials, keys, parameter, title),
                f"{title} of the trials against {parameter}.",
            )
            for parameter in tuning_figures.parameters(trials)
        ]
        if objective in shares:
            drawn["importance"].append(
                (
                    figures.importance(shares[objective], title),
                    f"Importance of each parameter for {title}.",
                )
            )
    return {
        section: [
            svg.inline(text, f"{section}{place}", label)
            for place, (text, label) in enumerate(pictures)
        ]
        for section, pictures in drawn.items()
    }


def _one(row: Row, objective: str) -> dict[str, Any]:
    """A row as the pictures of the stage `tune` take it."""
    return {
        "method": _METHOD,
        "number": row["number"],
        "state": row["state"],
        "value": None if row["values"] is None else row["values"][objective],
        "params": row["params"],
        "curve": row["curves"].get(objective, []),
    }
