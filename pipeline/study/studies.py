"""Opening a study, and what it is of: a study of other data, parameters or code is another one."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection

import pipeline
from pipeline.artifacts import files, paths, prepared
from pipeline.config import Config
from pipeline.errors import ArtifactError, ConfigError
from pipeline.study.places import Place
from pipeline.study.slots import Opened

OBJECTIVES = ("macro_ap", "micro_ap")
OF = "of"  # attribute of a study: its identity
START = "start"  # attribute of a study: the parameters of the first trial
_SEED = "seed"
_CODE = (
    *("hml", "stages/learning.py", "stages/studies.py", "stages/trials.py"),
    *("study/ours.py", "study/studies.py"),
)

Identity = dict[str, Any]


def identity(config: Config, objectives: Sequence[str]) -> Identity:
    """What decides how each trial of a study comes out.

    Raises:
        ArtifactError: there are no prepared data.
    """
    info = files.read_json(paths.PREPARED / "dataset.json", schema=prepared.SCHEMA)
    params = config.model_dump(include={"seed", "train", "tune"})
    for name in ("trials", "objective"):
        del params["tune"][name]
    for name in ("baselines", "beta", "budget", "cross_fit", "kinds", "members"):
        del params["train"][name]
    root = Path(pipeline.__file__).parent
    code = [file for name in _CODE for file in sorted([*(root / name).rglob("*.py"), root / name])]
    return {
        "data": _digest(info["sha256"]),
        "objectives": list(objectives),
        "params": params,
        "versions": {
            name: version(name) for name in ("numba", "numpy", "optuna", "scipy", "torch")
        },
        "code": _digest([_digest_of(file) for file in code if file.is_file()]),
    }


def name_of(config: Config, found: Identity) -> str:
    """A study's name where none is given: other parameters, another study."""
    return f"{config.dataset}-{_digest(found)[:8]}"


def create(place: Place, name: str, found: Identity, start: dict[str, Any]) -> Opened:
    """Open a study, or begin it; one that is there may be of something else, see `check`.

    Raises:
        RarenodeError: see `Place.storage`.
        ArtifactError: a study of this name is there that is somebody else's.
    """
    storage = place.storage()
    directions = [StudyDirection.MAXIMIZE] * len(found["objectives"])
    study = optuna.create_study(
        study_name=name, storage=storage, directions=directions, load_if_exists=True
    )
    if OF not in study.user_attrs:
        if study.directions != directions or study.get_trials(deepcopy=False):
            raise _of_others(place, name)
        study.set_user_attr(START, start)
        study.set_user_attr(OF, found)
    return Opened(_pruned(study, found), place, storage)


def load(place: Place, name: str) -> Opened:
    """Open a study that is there.

    Raises:
        RarenodeError: see `Place.storage`.
        ConfigError: it is not there.
    """
    if place.file is not None and not place.file.exists():
        raise _none(place, name)
    storage = place.storage()
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        raise _none(place, name) from None
    if OF not in study.user_attrs:
        raise _of_others(place, name)
    return Opened(_pruned(study, study.user_attrs[OF]), place, storage)


def check(opened: Opened, found: Identity) -> None:
    """Make sure that a study is of what is here.

    Raises:
        ConfigError: names what differs.
    """
    differing = differences(opened.study.user_attrs[OF], found)
    if differing:
        raise ConfigError(
            f"expected the study {opened.name} to be of what is here, found that it differs in "
            f"{'; '.join(differing)}. Another --name begins another study"
        )


def differences(there: Identity, here: Identity, prefix: str = "") -> list[str]:
    """What of two identities is not the same, as `key (there, here)`."""
    found: list[str] = []
    for key in sorted({*there, *here}):
        one, other = there.get(key), here.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{prefix}{key}.".removeprefix("params."))
        elif key in ("data", "code"):
            found.append(f"the {key}")
        else:
            found.append(f"{prefix}{key} ({one} there, {other} here)")
    return found


def sampler(study: optuna.Study, slot: int) -> optuna.samplers.BaseSampler:
    """A sampler that knows nothing but the study's trials: a trial is drawn again as it was."""
    seed = study.user_attrs[OF]["params"][_SEED]
    entropy = np.random.SeedSequence([seed, slot])
    return optuna.samplers.TPESampler(seed=int(entropy.generate_state(1)[0]))


def _pruned(study: optuna.Study, found: Identity) -> optuna.Study:
    """With pruning, which Optuna has for one objective alone.

    As in the stage, but that a median is of five: there are more trials, and of pruned ones no
    importance is known.
    """
    epochs = found["params"]["train"]["epochs"]
    study.pruner = (
        # Curves cross in the first half: a small learning rate starts slowly.
        optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 2)
        if len(found["objectives"]) == 1
        else optuna.pruners.NopPruner()
    )
    return study


def _none(place: Place, name: str) -> ConfigError:
    return ConfigError(f"expected the study {name} in {place.url}, found none")


def _of_others(place: Place, name: str) -> ArtifactError:
    return ArtifactError(
        f"expected a study by `rarenode study` in {place.url}, found {name}. "
        "Another --name begins another study"
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
