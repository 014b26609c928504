"""What a study found: its rows, the front, the winner, and that one as a change of params.yaml."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts import files
from pipeline.config import Config, edit
from pipeline.errors import ConfigError
from pipeline.study import slots

FOLDER = Path("reports/study")  # outside of DVC: a study is no stage
SCHEMA = 1
_NAMES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}

Row = dict[str, Any]


def rows(
    trials: Sequence[FrozenTrial], objectives: Sequence[str], total: int | None = None
) -> list[Row]:
    """The finished trials by number, without times and hosts: what a study with one worker repeats.

    `number` is the slot: Optuna's own numbers count lost trials, too. With `total` the first so
    many slots.
    """
    found: list[Row] = []
    for slot, trial in slots.finished(trials, total).items():
        complete = trial.state == TrialState.COMPLETE
        steps = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
        found.append(
            {
                "number": slot,
                "state": _NAMES.get(trial.state, "failed"),
                "values": dict(zip(objectives, trial.values, strict=True)) if complete else None,
                "epochs": trial.user_attrs.get("epochs"),
                "params": trial.params,
                "curves": dict(
                    zip(objectives, trial.user_attrs.get("curves", [steps]), strict=False)
                ),
            }
        )
    return found


def front(found: Sequence[Row]) -> list[Row]:
    """The complete trials that none beats: better in one objective and no worse in the others."""
    complete = [row for row in found if row["state"] == "complete"]

    def beaten(row: Row) -> bool:
        own = row["values"].values()
        return any(
            all(b >= a for a, b in zip(own, other["values"].values(), strict=True))
            and any(b > a for a, b in zip(own, other["values"].values(), strict=True))
            for other in complete
        )

    return [row for row in complete if not beaten(row)]


def winner(found: Sequence[Row], choice: int | None = None) -> Row:
    """The trial with the largest value; of the front of two, with the largest product.

    Raises:
        ConfigError: no trial is complete, or the one that is asked for is not.
    """
    complete = {row["number"]: row for row in found if row["state"] == "complete"}
    if choice is not None:
        if choice not in complete:
            numbers = ", ".join(map(str, complete)) or "none"
            raise ConfigError(
                f"--choose: expected a complete trial (here: {numbers}), found {choice}"
            )
        return complete[choice]
    if not complete:
        raise ConfigError(
            f"expected a trial that ends with a finite loss, found none in {len(found)}: "
            "lower tune.search.learning_rate"
        )
    return max(front(found), key=lambda row: (math.prod(row["values"].values()), -row["number"]))


def changes(row: Row, config: Config) -> list[tuple[str, Any]]:
    """What makes `rarenode run` train with a trial's values: these, and no study of its own."""
    wanted: dict[str, Any] = {
        "tune.trials": 0,
        "train.epochs": row["epochs"],
        "train.learning_rate": row["params"]["learning_rate"],
    }
    wanted |= {
        f"train.weighting.{name}": value
        for name, value in row["params"].items()
        if name != "learning_rate"
    }
    return [(key, value) for key, value in wanted.items() if edit.value(config, key) != value]


def write_tables(folder: Path, found: Sequence[Row], chosen: Row, about: dict[str, Any]) -> None:
    """trials.json and trials.csv."""
    files.write_json(
        folder / "trials.json",
        {"schema": SCHEMA, **about, "winner": chosen["number"], "trials": list(found)},
    )
    objectives: list[str] = about["objectives"]
    names = list(dict.fromkeys(name for row in found for name in row["params"]))
    with (folder / "trials.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["number", "state", *objectives, "epochs", *names])
        for row in found:
            values = row["values"] or {}
            writer.writerow(
                [
                    *(row["number"], row["state"]),
                    *(values.get(name) for name in objectives),
                    row["epochs"],
                    *(row["params"].get(name) for name in names),
                ]
            )


def state_counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """How many trials are complete, pruned, failed (their loss was not finite) and lost."""
    states = [
        "lost" if slots.lost(trial) else _NAMES.get(trial.state, "failed")
        for trial in trials
        if trial.state.is_finished()
    ]
    return {state: states.count(state) for state in ("complete", "pruned", "failed", "lost")}
