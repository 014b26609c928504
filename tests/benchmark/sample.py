"""A small study and results that were made up."""

from pathlib import Path
from typing import Any

from pipeline.artifacts import files
from pipeline.benchmark import results, study
from pipeline.benchmark.study import Cell, Study

TEXT = """\
profile: published
results: results
page: page.md
cells:
  - {datasets: [spo_FUN, enron], method: mcloss, members: 1, seeds: [0, 1]}
  - {datasets: [spo_FUN], method: weighted/released, members: 5, seeds: [0, 1]}
  - {datasets: [spo_FUN], method: mcloss, members: 5, seeds: [0]}
"""


def write(folder: Path, text: str = TEXT) -> Path:
    """The study's file."""
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def result(cell: Cell, profile: str, micro_ap: float, recall: float = 0.02) -> dict[str, Any]:
    """A result as a cell writes it."""
    rules = {"half": {"macro_f1": 0.03, "macro_precision": 0.1, "macro_recall": recall}}
    test = {"micro_ap": micro_ap, "macro_ap": 0.1, "rules": rules}
    test["by_rarity"] = [{"bin": "1-9", "nodes": 3, "macro_ap": 0.05, "rules": rules}]
    return {
        "schema": results.SCHEMA,
        "cell": cell.model_dump(),
        "settings": results.settings_of(cell, profile),
        "test": test,
        "cost": {
            "seconds": 90.0,
            "seconds_per_epoch": 1.5,
            "peak_memory_mb": 600,
            "threads": 1,
            "cores": 2,
        },
    }


def put(grid: Study, cell: Cell, micro_ap: float, recall: float = 0.02) -> None:
    """Store a result where the study looks for it."""
    found = result(cell, grid.profile, micro_ap, recall)
    files.write_json(Path(grid.results) / cell.file_name, found)


def load(folder: Path) -> Study:
    """The study above."""
    return study.load(write(folder))
