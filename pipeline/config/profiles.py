"""Sets of values with a name: what `--profile` sets, and which name the parameters deserve."""

from typing import Any

from pipeline.config.published import PUBLISHED
from pipeline.config.sections import Config
from pipeline.errors import ConfigError

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
    "train.held_out_cuts": False,
    "train.weighting.variant": "released",
    "train.weighting.floor": 0.25,
    "train.weighting.kind": "node",
    "train.weighting.uncertainty": "predictive",
    "train.weighting.focal_floor": 0.25,
    "train.weighting.focal_power": 1.0,
    "train.weighting.reduction": "sum",
}
# What it sets and leaves to be changed: the size of the ensembles, what they are compared with.
_FREE: dict[str, Any] = {
    "train.members": 5,
    "train.baselines": ["mcloss_1", "mcloss", "weighted/paper"],
    "evaluate.bootstrap": 200,
}
_OF_A_DATASET = ("train.learning_rate", "train.hidden", "train.epochs")

# Every parameter that any profile sets: whoever asks for one gets all of them.
_OWNED = tuple(dict.fromkeys([*_FULL, *_FIXED, *_FREE, *_OF_A_DATASET]))
# The names `quick` and `full` stand for a budget, and for figures that were come by honestly.
_NAMED = (*_FULL, "prepare.missing", "train.held_out_cuts")


def values(name: str, dataset: str) -> dict[str, Any]:
    """Parameter -> value of a profile, for each parameter that any profile sets.

    Raises:
        ConfigError: `published` of a data set that nobody published.
    """
    if name == "published":
        return fixed(dataset) | _FREE
    quick = {key: _value(Config(), key) for key in _OWNED}  # what they are when nobody sets them
    return quick | _FULL if name == "full" else quick


def name_of(config: Config) -> str:
    """The profile whose every value these parameters have, else "custom"."""
    wanted = {
        name: {key: values(name, config.dataset)[key] for key in _NAMED}
        for name in ("quick", "full")
    }
    if config.dataset in PUBLISHED:
        wanted["published"] = fixed(config.dataset)
    for name, parameters in wanted.items():
        if all(_value(config, key) == value for key, value in parameters.items()):
            return name
    return "custom"


def fixed(dataset: str) -> dict[str, Any]:
    """What `published` is for a data set, whatever the size of the ensembles.

    Raises:
        ConfigError: nobody published it.
    """
    if dataset not in PUBLISHED:
        raise ConfigError(
            "profile published: expected a data set with published settings (one of "
            f"{', '.join(PUBLISHED)}), found {dataset!r}. `--profile quick` leaves the profile"
        )
    learning_rate, hidden, epochs, _ = PUBLISHED[dataset]
    return _FIXED | dict(zip(_OF_A_DATASET, (learning_rate, hidden, epochs), strict=True))


def _value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found
