"""The tables behind a verdict on settings: every figure, what it cost, what was fixed."""

import math
import statistics

from pipeline.benchmark import situations
from pipeline.benchmark.comparison import cost, markdown, percent, shown
from pipeline.benchmark.results import RARE, Runs, Table
from pipeline.benchmark.situations import AP, BASE, OURS, SHARES
from pipeline.benchmark.study import Grid


def by_setting(table: Table) -> str:
    """Every figure of both methods, a table for each setting."""
    parts = ["## Setting by setting"]
    for name in table.study.situations:
        found = {m: table.found[name, m] for m in (BASE, OURS) if (name, m) in table.found}
        if not found:
            continue
        rows = [
            [
                method,
                str(len(runs.runs)),
                *(percent(runs, figure) for figure in SHARES),
                *(shown(runs, figure) for figure in AP),
                _seconds(runs),
            ]
            for method, runs in found.items()
        ]
        head = ["method", "seeds", *(f"{name} %" for name in SHARES.values()), *AP.values()]
        about = next(iter(found.values()))
        parts += [
            f"### {situations.title(table, name)}",
            _described(about),
            markdown([*head, "CPU seconds"], rows),
        ]
    return "\n\n".join(parts) if len(parts) > 1 else ""


def fixed(table: Table) -> str:
    """What was fixed before the first cell ran."""
    study = table.study
    common = study.parameters.get("all", {})
    seeds = sorted({seed for grid in study.grids.values() for seed in grid.seeds})
    rows = [
        [
            name,
            setting.title,
            f"{100 * setting.train_share:g} %",
            ", ".join(f"{key}={value}" for key, value in setting.parameters.items()),
        ]
        for name, setting in study.settings.items()
    ]
    values = ", ".join(f"{key}={value}" for key, value in common.items())
    text = (
        f"The profile `{study.profile}`, {study.members} members of every method, "
        f"and for all: {values}. Seeds {', '.join(map(str, seeds))}; a seed moves members, "
        f"subset, {', '.join(study.seeded)}. Nothing was tuned, and both methods have the same "
        "epochs, batches and learning rate in a setting. They differ in the loss and in the start: "
        f"the output of `{OURS}` starts at each node's share, as the product's does."
    )
    head = ["setting", "", "training images", "parameters"]
    return "\n\n".join(["## Fixed beforehand", text, markdown(head, rows, numbers=False)])


def costs(table: Table) -> str:
    """Seconds by grid and method."""
    rows: list[list[str]] = []
    for grid in table.study.grids.values():
        for method in (BASE, OURS):
            runs = [
                table.found[n, method]
                for n in situations.situations(grid)
                if (n, method) in table.found
            ]
            each = [
                [cost(run, key) or 0.0 for run in runs]
                for key in ("cpu_seconds_of_encoder", "cpu_seconds", "cpu_seconds_to_predict")
            ]
            if runs:
                means = [f"{statistics.fmean(values):.1f}" for values in each]
                rows.append([grid.title, method, *means, f"{_spent(table, grid, method):.2f}"])
    if not rows:
        return ""
    text = (
        "CPU seconds of a seed, mean over settings: features of all images, with fine-tuning where "
        "there is some; training with its cuts; prediction of the test split. Pretraining comes "
        "once for each seed, whatever the setting and method, and is not counted."
    )
    head = ["", "method", "encoder", "training", "prediction", "hours of all cells"]
    return "\n\n".join(["## Cost", text, markdown(head, rows)])


def _described(runs: Runs) -> str:
    examples, nodes = runs.about["examples"], runs.about["nodes"]
    name = RARE.partition("=")[2]
    rare = sorted(
        {
            part["nodes"]
            for run in runs.runs
            for part in run["test"]["by_rarity"]
            if part["bin"] == name
        }
    )
    count = "-".join(map(str, dict.fromkeys((rare[0], rare[-1])))) if rare else "0"
    return (
        f"{examples['train'] + examples['valid']:,} training and {examples['test']:,} test images; "
        f"{count} of {nodes['scored']} nodes are rare."
    )


def _seconds(runs: Runs) -> str:
    spent = [cost(runs, key) for key in ("cpu_seconds_of_encoder", "cpu_seconds")]
    return f"{sum(value or 0.0 for value in spent):.1f}"


def _spent(table: Table, grid: Grid, method: str) -> float:
    names = ("cpu_seconds_of_encoder", "cpu_seconds", "cpu_seconds_to_predict")
    runs = [run for of in _of(table, grid, method) for run in of.runs]
    return math.fsum(run["cost"].get(name, 0.0) for run in runs for name in names) / 3600


def _of(table: Table, grid: Grid, method: str) -> list[Runs]:
    """The results of a grid that are there."""
    names = situations.situations(grid)
    return [table.found[name, method] for name in names if (name, method) in table.found]
