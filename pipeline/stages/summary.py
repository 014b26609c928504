"""The few figures of metrics.json that `dvc metrics diff` and `dvc plots diff` show."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts import files

HEADLINE = "headline.json"
SLICES = {"by_rarity": "rarity", "by_depth": "depth"}  # of metrics.json, and the table's column


def write(metrics: dict[str, Any], folder: Path) -> list[str]:
    """Write headline.json, by_rarity.csv and by_depth.csv.

    Args:
        metrics: what metrics.json holds.
        folder: where they go.

    Returns:
        Their names.
    """
    files.write_json(folder / HEADLINE, _headline(metrics["test"]))
    for kind, column in SLICES.items():
        _slices(metrics, kind, column).to_csv(folder / f"{kind}.csv", index=False)
    return [HEADLINE, *(f"{kind}.csv" for kind in SLICES)]


def _headline(test: dict[str, Any]) -> dict[str, Any]:
    """Of our method, without what these data cannot tell."""
    figures: dict[str, Any] = {name: test[name] for name in ("micro_ap", "macro_ap")}
    figures["macro_f1"] = _known({name: rule["macro_f1"] for name, rule in test["rules"].items()})
    bins = {entry["bin"]: entry["macro_ap"] for entry in test["by_rarity"]}
    figures["macro_ap_of_positives"] = _known(bins)
    return _known(figures)


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if value is not None}


def _slices(metrics: dict[str, Any], kind: str, column: str) -> pd.DataFrame:
    """A row for each slice: its nodes, our macro AP, and that of each baseline under its name.

    Slices without a macro AP are left out: DVC draws no gaps.
    """
    ours = metrics["test"][kind]
    table = {
        column: [next(iter(entry.values())) for entry in ours],
        "nodes": [entry["nodes"] for entry in ours],
        "macro_ap": [entry["macro_ap"] for entry in ours],
    }
    for name, baseline in metrics["baselines"].items():
        table[name] = [entry["macro_ap"] for entry in baseline["test"][kind]]
    return pd.DataFrame(table).dropna(subset="macro_ap")
