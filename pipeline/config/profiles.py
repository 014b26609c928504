"""Sets of values with a name: what `--profile` sets, and which name the parameters deserve."""

from typing import Any

from pipeline.config.published import PUBLISHED
from pipeline.config.sections import Config
from pipeline.errors import ConfigError

NAMES = ("quick", "full", "published")
_FULL: dict[str, Any] = {
    "train.members": 10,
    "train.epochs": 60,
    "tune.trials": 30,
    "evaluate.bootstrap": 1000,
}
# What `published` fixes for every data set (docs/method.md, section 9). The released code sums the
# weighted loss, the code of the constraint takes the mean.
_FIXED: dict[str, Any] = {
    "prepare.min_support": 0,
    "prepare.missing": "split_mean",
    "tune.trials": 0,
    "train.layers": 3,
    "train.dropout": 0.7,
    "train.batch_size": 4,
    "train.weight_decay": 1e-5,
    "train.reduction": "mean",
    "train.weighting.variant": "released",
    "train.weighting.floor": 0.25,
    "train.weighting.kind": "node",
    "train.held_out_cuts": False,
}
# What it sets and leaves to be changed: the size of the ensembles and what they are compared with.
_FREE: dict[str, Any] = {
    "train.members": 5,
    "train.baselines": ["mcloss_1", "mcloss", "weighted/paper"],
    "train.weighting.uncertainty": "predictive",
    "train.weighting.focal_floor": 0.25,
    "train.weighting.focal_power": 1.0,
    "train.weighting.reduction": "sum",
    "evaluate.bootstrap": 200,
}
_OF_A_DATASET = ("train.learning_rate", "train.hidden", "train.epochs")


def values(name: str, dataset: str) -> dict[str, Any]:
    """Parameter -> value of a profile; `quick` is what a parameter is when nobody sets it.

    Raises:
        ConfigError: `published` of a data set that nobody published.
    """
    if name == "quick":
        return {key: _value(Config(), key) for key in _FULL}
    if name == "full":
        return dict(_FULL)
    return _fixed(dataset) | _FREE


def defaults(name: str) -> dict[str, Any]:
    """What to go back to when this profile is left for a named one: its values are its own."""
    keys = [*_FIXED, *_FREE, *_OF_A_DATASET] if name == "published" else []
    return {key: _value(Config(), key) for key in keys}


def name_of(config: Config) -> str:
    """The profile whose every value these parameters have, else "custom"."""
    wanted = {name: values(name, config.dataset) for name in ("quick", "full")}
    if config.dataset in PUBLISHED:
        wanted["published"] = _fixed(config.dataset)
    for name, parameters in wanted.items():
        if all(_value(config, key) == value for key, value in parameters.items()):
            return name
    return "custom"


def _fixed(dataset: str) -> dict[str, Any]:
    if dataset not in PUBLISHED:
        raise ConfigError(
            "profile published: expected a data set with published settings (one of "
            f"{', '.join(PUBLISHED)}), found {dataset!r}"
        )
    learning_rate, hidden, epochs, _ = PUBLISHED[dataset]
    return _FIXED | dict(zip(_OF_A_DATASET, (learning_rate, hidden, epochs), strict=True))


def _value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found
