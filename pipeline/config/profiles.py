"""Budgets with a name: what `--profile` sets, and which name the parameters deserve."""

from typing import Any

from pipeline.config.sections import Config

_FULL: dict[str, Any] = {
    "train.members": 10,
    "train.epochs": 60,
    "tune.trials": 30,
    "evaluate.bootstrap": 1000,
}


def _default(key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(Config(), section), name)


# profile -> parameter -> value; `quick` is what a parameter is when nobody sets it.
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {key: _default(key) for key in _FULL},
    "full": _FULL,
}


def name_of(config: Config) -> str:
    """The profile whose every value these parameters have, else "custom"."""
    for name, values in PROFILES.items():
        found = {
            key: getattr(getattr(config, key.split(".")[0]), key.split(".")[1]) for key in values
        }
        if found == values:
            return name
    return "custom"
