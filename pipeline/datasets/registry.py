"""Data set names and their sources. Cheap to import: a source is loaded when it is asked for."""

import difflib
import importlib

from pipeline.config import Config
from pipeline.datasets import hmc_files
from pipeline.datasets.source import Source
from pipeline.errors import DatasetError

# name -> module, function of that module, its arguments
_SOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "hpo_eye": ("pipeline.datasets.hpo", "HpoBranch", ("HP:0000478",)),
    "hpo_nervous": ("pipeline.datasets.hpo", "HpoBranch", ("HP:0000707",)),
    "icd10cm": ("pipeline.datasets.icd10cm", "Icd10Cm", ()),
} | {name: ("pipeline.datasets.hmc", "HmcBenchmark", (name,)) for name in hmc_files.NAMES}


def names() -> tuple[str, ...]:
    """The data sets that can be asked for, sorted."""
    return tuple(sorted(_SOURCES))


def check(name: str) -> None:
    """Refuse a name that is unknown, without loading any source.

    Raises:
        DatasetError: lists the known names, the closest one first.
    """
    if name in _SOURCES:
        return
    folded = {known.casefold(): known for known in names()}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f" Did you mean {folded[close[0]]!r}?" if close else ""
    raise DatasetError(
        f"expected a data set out of {', '.join(names())}, found {name!r}.{hint} `rarenode init` "
        "makes one of tables of your own."
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
    """The source of the configured data set: one's own tables, if their name is none of ours.

    Raises:
        DatasetError: the name is unknown, and there are no tables.
    """
    if config.tables is None or config.dataset in _SOURCES:
        return get(config.dataset)
    from pipeline.datasets.tables.source import OwnTables

    return OwnTables(config.dataset, config.tables)
