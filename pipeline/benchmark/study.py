"""What a study consists of: benchmarks/<study>/study.yaml, typed and checked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from ruamel.yaml import YAML

from pipeline.config import Config, parse, profiles, read
from pipeline.config.sections import Count, Section
from pipeline.datasets import registry
from pipeline.errors import ConfigError

Method = Literal["bce", "mcloss", "weighted/paper", "weighted/released"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Cell(Section):
    """One training and its evaluation."""

    dataset: str
    method: Method
    members: Count
    seed: Seed

    @property
    def name(self) -> str:
        """For people."""
        plural = "s" if self.members > 1 else ""
        return f"{self.dataset}, {self.method}, {self.members} member{plural}, seed {self.seed}"

    @property
    def file_name(self) -> str:
        """Of its result."""
        method = self.method.replace("/", "-")
        return f"{self.dataset}.{method}.{self.members}.{self.seed}.json"

    def config(self, profile: str) -> Config:
        """The parameters of this cell.

        Raises:
            ConfigError: the profile does not fit the data set.
        """
        family, _, variant = self.method.partition("/")
        changes = profiles.values(profile, self.dataset) | {
            "dataset": self.dataset,
            "profile": profile,
            "seed": self.seed,
            "train.members": self.members,
            "train.baselines": [],
            "train.kinds": ["network"],
            "train.cross_fit": False,
            "tune.trials": 0,
            **({"train.weighting.variant": variant} if family == "weighted" else {}),
        }
        values: dict[str, Any] = {}
        for key, value in changes.items():
            *sections, name = key.split(".")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
        return parse(values, self.name)


class Block(Section):
    """Cells that differ in data set and seed."""

    datasets: Annotated[list[str], Field(min_length=1)]
    method: Method
    members: Count
    seeds: Annotated[list[Seed], Field(min_length=1)]

    def cells(self) -> Iterator[Cell]:
        """Data sets first, then seeds."""
        for dataset in self.datasets:
            for seed in self.seeds:
                yield Cell(dataset=dataset, method=self.method, members=self.members, seed=seed)


class Study(Section):
    """A study: its grid, and where its results and its page lie."""

    profile: Literal["published", "full"]
    results: str
    page: str
    cells: list[Block]

    def all_cells(self) -> list[Cell]:
        """Every cell, in the order of the file."""
        return [cell for block in self.cells for cell in block.cells()]


def load(path: Path) -> Study:
    """Read a study.

    Raises:
        ConfigError: the file is missing or malformed.
        DatasetError: it names an unknown data set.
    """
    _, values = read(path, YAML(typ="safe", pure=True))
    try:
        study = Study.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        found = repr(first["input"])
        raise ConfigError(f"{path}: {where}: {first['msg']}, found {found}") from None
    cells = study.all_cells()
    for cell in cells:
        if cells.count(cell) > 1:  # it would count as another seed
            raise ConfigError(f"{path}: expected each cell once, found {cell.name} again")
        registry.check(cell.dataset)
        cell.config(study.profile)
    return study
