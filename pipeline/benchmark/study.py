"""What a study consists of: benchmarks/<study>/study.yaml, typed and checked.

The cells are stages of the dvc.yaml beside it, one for each data set and method.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from ruamel.yaml import YAML

from pipeline.config import Config, parse, profiles, read
from pipeline.config.sections import Count, Section
from pipeline.datasets import registry
from pipeline.errors import ConfigError

# A slash would make a folder of a result, and is no part of a stage's name: see `learning.Method`.
Method = Literal[
    "ours",
    "weighted-none",
    "weighted-paper",
    "weighted-released",
    "bce",
    "mcloss",
    "mcloss_1",
    "focal",
    "asymmetric",
    "class_balanced",
    "observation_weighted",
    "oversampling",
    "logistic_regression",
    "random_forest",
]
CLASSICAL = ("logistic_regression", "random_forest")
Seeds = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
Names = Annotated[list[str], Field(min_length=1)]


class Grid(Section):
    """Each of the data sets with each of the methods, and with every seed."""

    datasets: Names
    methods: Annotated[list[Method], Field(min_length=1)]
    seeds: Seeds


class Cell(Section):
    """A method on a data set, with some seeds."""

    dataset: str
    method: Method
    seeds: Seeds

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dataset}, {self.method}"


class Study(Section):
    """A study: its cells, what they have in common, and its page.

    Attributes:
        profile: where parameters start, untuned.
        members: of each ensemble.
        page: Markdown, written from the results.
        development: the data sets by whose validation data the product's method was chosen; what a
            study says of methods, it says of the others.
        families: name -> data sets that share examples, so that what is found on one of them is
            no independent finding on another.
        note: what a reader should know of the data sets.
        parameters: "all", a data set or a method -> parameter -> value, in the place of the
            profile's; of several the last in this order counts.
        grids: each is a stage of dvc.yaml with a matrix.
    """

    profile: Literal["quick", "published", "full"]
    members: Count
    page: str
    development: list[str] = Field(default_factory=list)
    families: dict[str, Names] = Field(default_factory=dict)
    note: str = ""
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    grids: Annotated[dict[str, Grid], Field(min_length=1)]
    path: Path = Path()

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Address of a DVC stage -> its cell, in the order of the file."""
        stages = self.path.parent / "dvc.yaml"
        return {
            f"{stages}:{grid_name}@{dataset}-{method}": Cell(
                dataset=dataset, method=method, seeds=grid.seeds
            )
            for grid_name, grid in self.grids.items()
            for dataset in grid.datasets
            for method in grid.methods
        }

    @property
    def datasets(self) -> list[str]:
        """Each once, in the order of the file."""
        return list(dict.fromkeys(cell.dataset for cell in self.cells.values()))

    def file(self, cell: Cell) -> Path:
        """Where the result of a cell lies."""
        return self.path.parent / "results" / f"{cell.dataset}.{cell.method}.json"

    def only(self, cell: Cell, seed: int) -> "Study":
        """A study of one seed of a cell, whose result is what this study's would be."""
        parameters = {
            key: self.parameters[key]
            for key in ("all", cell.dataset, cell.method)
            if key in self.parameters
        }
        grid = Grid(datasets=[cell.dataset], methods=[cell.method], seeds=[seed])
        return Study(
            profile=self.profile,
            members=self.members,
            page=self.page,
            parameters=parameters,
            grids={"one": grid},
        )

    def config(self, cell: Cell, seed: int) -> Config:
        """The parameters of a cell.

        Raises:
            ConfigError: the profile or a parameter does not fit the data set.
        """
        family, _, variant = cell.method.partition("-")
        changes = profiles.values(self.profile, cell.dataset)
        for key in ("all", cell.dataset, cell.method):
            changes |= self.parameters.get(key, {})
        changes |= {
            "dataset": cell.dataset,
            "profile": "custom" if self.profile == "quick" else self.profile,
            "seed": seed,
            "train.members": self.members,
            "train.baselines": [],
            "tune.trials": 0,
        }
        if family == "weighted":
            changes |= {"train.weighting.variant": variant, "train.kinds": ["network"]}
        values: dict[str, Any] = {}
        for key, value in changes.items():
            *sections, name = key.split(".")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
        return parse(values, cell.name)


def load(path: Path) -> Study:
    """Read a study.

    Raises:
        ConfigError: the file is missing or malformed.
        DatasetError: it names an unknown data set.
    """
    _, values = read(path, YAML(typ="safe", pure=True))
    try:
        study = Study.model_validate(values | {"path": path})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        found = repr(first["input"])
        raise ConfigError(f"{path}: {where}: {first['msg']}, found {found}") from None
    for name, grid in study.grids.items():
        if len({*grid.datasets}) * len({*grid.methods}) < len(grid.datasets) * len(grid.methods):
            raise ConfigError(f"{path}: expected each data set and method of {name} once")
    named = {(cell.dataset, cell.method) for cell in study.cells.values()}
    seen: set[tuple[str, str]] = set()
    for cell in study.cells.values():
        if (cell.dataset, cell.method) in seen:
            raise ConfigError(f"{path}: expected each cell once, found {cell.name} again")
        seen.add((cell.dataset, cell.method))
        registry.check(cell.dataset)
        config = study.config(cell, cell.seeds[0])
        own = f"weighted-{config.train.weighting.variant}"
        if cell.method == "ours" and (cell.dataset, own) in named:
            raise ConfigError(f"{path}: {cell.name} yields {own}, which must be no cell beside it")
    methods = {cell.method for cell in study.cells.values()}
    known = {"all", *study.datasets}
    related = [name for names in study.families.values() for name in names]
    for names, expected in (
        (study.parameters, known | methods),
        (study.development, known),
        (related, known),
    ):
        if unknown := sorted({*names} - expected):
            raise ConfigError(f"{path}: expected one of its data sets or methods, found {unknown}")
    return study
