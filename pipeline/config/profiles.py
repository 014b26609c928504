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
    "train.kinds": ["network"],
    "train.cross_fit": False,
    "train.weighting.variant": "released",
    "train.weighting.floor": 0.25,
    "train.weighting.kind": "node",
    "train.weighting.uncertainty": "predictive",
    "train.weighting.focal_floor": 0.25,
    "train.weighting.focal_power": 1.0,
    "train.weighting.reduction": "sum",
    "train.weighting.start": "random",
}
# What it sets and leaves to be changed: the size of the ensembles, what they are compared with.
_FREE: dict[str, Any] = {
    "train.members": 5,
    "train.baselines": ["mcloss_1", "mcloss", "weighted/paper"],
    "evaluate.bootstrap": 200,
}
_OF_A_DATASET = ("train.learning_rate", "train.hidden", "train.epochs")
# What `full` makes of the literature's network where there is one: batches sixteen times as large,
# ten times the learning rate, about half of the epochs. It ranks nearly as well in a tenth of
# the time; chosen on validation data of cellcycle_FUN and gasch2_GO (docs/adr/0008).
_LARGER = {"batch": 64, "learning_rate": 10, "epochs": 0.55}
_SEARCH = ("tune.search.learning_rate.low", "tune.search.learning_rate.high")
_NETWORK = (
    "prepare.min_support",  # all nodes of a benchmark, as in the literature
    *("train.layers", "train.dropout", "train.batch_size", "train.weight_decay"),
    *(*_OF_A_DATASET, *_SEARCH),
)

# Every parameter that any profile sets: whoever asks for one gets all of them.
_OWNED = tuple(dict.fromkeys([*_FULL, *_FIXED, *_FREE, *_OF_A_DATASET, *_NETWORK]))
# The names `quick` and `full` stand for a budget, and for figures that were come by honestly.
_NAMED = (*_FULL, "prepare.missing", "train.cross_fit")


def values(name: str, dataset: str) -> dict[str, Any]:
    """Parameter -> value of a profile, for each parameter that any profile sets.

    Raises:
        ConfigError: `published` of a data set that nobody published.
    """
    quick = {key: _value(Config(), key) for key in _OWNED}  # what they are when nobody sets them
    if name == "published":
        return quick | fixed(dataset) | _FREE
    return quick | _FULL | _larger(dataset) if name == "full" else quick


def following(name: str, before: str, dataset: str) -> dict[str, Any]:
    """The parameters that a profile sets to other values for one data set than for another.

    Raises:
        ConfigError: see `values`.
    """
    if name == "published":
        return fixed(dataset)
    if name != "full":
        return {}
    old, new = values(name, before), values(name, dataset)
    return {key: new[key] for key in _NETWORK if new[key] != old[key]}


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


def _larger(dataset: str) -> dict[str, Any]:
    if dataset not in PUBLISHED:
        return {}
    rate, hidden, epochs, _ = PUBLISHED[dataset]
    rate = float(f"{_LARGER['learning_rate'] * rate:.3g}")
    kept = ("prepare.min_support", "train.layers", "train.dropout", "train.weight_decay")
    network = {key: _FIXED[key] for key in kept} | {
        "train.batch_size": _LARGER["batch"],
        "train.learning_rate": rate,
        "train.hidden": hidden,
        "train.epochs": round(_LARGER["epochs"] * epochs),
    }
    around = (rate / 2, float(f"{3 * rate:.3g}"))
    return network | dict(zip(_SEARCH, around, strict=True))


def _value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found
