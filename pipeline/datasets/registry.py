"""Data set names and their sources. Cheap to import: a source is loaded when it is asked for."""

import difflib
import importlib

from pipeline.config import Config
from pipeline.datasets import hmc_files
from pipeline.datasets.source import Source
from pipeline.errors import DatasetError

# name -> module, function of that module, its arguments
_SOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "animal_mnist": ("pipeline.datasets.animal_mnist", "AnimalMnist", ()),
    "fashion_mnist": ("pipeline.datasets.fashion_mnist", "FashionMnist", ()),
    "hpo_eye": ("pipeline.datasets.hpo", "HpoBranch", ("HP:0000478",)),
    "hpo_nervous": ("pipeline.datasets.hpo", "HpoBranch", ("HP:0000707",)),
    "icd10cm": ("pipeline.datasets.icd10cm", "Icd10Cm", ()),
} | {name: ("pipeline.datasets.hmc", "HmcBenchmark", (name,)) for name in hmc_files.NAMES}


def names() -> tuple[str, ...]:
    """The data sets that can be asked for, sorted."""
    return tuple(sorted(_SOURCES))


def check(name: str, own: str | None = None) -> None:
    """Refuse a name that is unknown, without loading any source.

    Args:
        name: what was asked for.
        own: the name of one's own tables, if there are any.

    Raises:
        DatasetError: lists the known names, the closest one first.
    """
    if name in _SOURCES:
        return
    known_names = (*names(), *([own] if own is not None else []))
    folded = {known.casefold(): known for known in known_names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f" Did you mean {folded[close[0]]!r}?" if close else ""
    raise DatasetError(
        f"expected a data set out of {', '.join(known_names)}, found {name!r}.{hint} `rarenode "
        "init` makes one of tables of your own."
    )


def get(name: str) -> Source:
    """The source of a data set.

    Raises:
        DatasetError: the name is unknown.
    """
    check(name)
    module, factory, arguments = _SOURCES[name]
    return getattr(importlib.import_module(module), factory)(*arguments)


def of(config: Config) -> Source:
    """The source of the configured data set: one of ours, or one's own tables by their name.

    Raises:
        DatasetError: the name is unknown.
    """
    tables = config.tables
    if tables is None or config.dataset in _SOURCES:
        return get(config.dataset)
    if config.dataset != tables.name:
        check(config.dataset, tables.name)
    from pipeline.datasets.tables.source import OwnTables

    return OwnTables(tables.name, tables, config.images)
