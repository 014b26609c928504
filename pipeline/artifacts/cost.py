"""cost.json: what each stage and method cost. Times live here and in the manifest, nowhere else.

{"schema": 1,
 "stages": {"train": {"seconds": 80.1, "peak_memory_mb": 900}},
 "methods": {"weighted/paper": {"train": {"seconds": 30.2, "seconds_per_epoch": 1.0}}}}
"""

from typing import Any

from filelock import FileLock

from pipeline.artifacts import files, paths
from pipeline.errors import ArtifactError

SCHEMA = 1


def record_method(stage: str, method: str, **figures: float) -> None:
    """Write down what a method cost in a stage; an earlier entry of both is replaced."""
    with _lock():
        cost = _read()
        cost["methods"].setdefault(method, {})[stage] = figures
        files.write_json(paths.COST, cost)


def add_to_method(stage: str, method: str, **figures: float) -> None:
    """Add figures to a method's entry."""
    with _lock():
        cost = _read()
        cost["methods"].setdefault(method, {}).setdefault(stage, {}).update(figures)
        files.write_json(paths.COST, cost)


def record_stage(stage: str, **figures: float) -> None:
    """Write down what a whole stage cost; an earlier entry is replaced."""
    with _lock():
        cost = _read()
        cost["stages"][stage] = figures
        files.write_json(paths.COST, cost)


def forget_stage(stage: str) -> None:
    """Remove all that an earlier run of the stage left, methods that no longer exist included."""
    with _lock():
        cost = _read()
        cost["stages"].pop(stage, None)
        for entries in cost["methods"].values():
            entries.pop(stage, None)
        cost["methods"] = {
            method: entries for method, entries in cost["methods"].items() if entries
        }
        files.write_json(paths.COST, cost)


def stages() -> dict[str, dict[str, float]]:
    """What each stage cost when it ran last."""
    return _read()["stages"]


def _lock() -> FileLock:
    # Two stages may run side by side and both write here.
    paths.STATE.mkdir(parents=True, exist_ok=True)
    return FileLock(paths.STATE / "cost.lock")


def _read() -> dict[str, Any]:
    try:
        return files.read_json(paths.COST, schema=SCHEMA)
    except ArtifactError:  # missing or damaged: figures only, so start over rather than stop a run
        return {"schema": SCHEMA, "stages": {}, "methods": {}}
