"""What a study consists of: benchmarks/<study>/study.yaml, typed and checked.

The cells are stages of the dvc.yaml beside it, one for each data set and method, and for each
setting where a study has some.
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
_FINE_TUNE = "images.fine_tune"
CLASSICAL = ("logistic_regression", "random_forest")
Seeds = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
Names = Annotated[list[str], Field(min_length=1)]


class Setting(Section):
    """What is made harder, for every method alike.

    Attributes:
        title: for people.
        train_share: of the training examples that are left, see `subsets`; the test split is whole.
        parameters: in the place of all others.
    """

    title: str
    train_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    parameters: dict[str, Any] = Field(default_factory=dict)


class Grid(Section):
    """Each of the data sets with each of the methods, with every seed, and in every setting."""

    datasets: Names
    methods: Annotated[list[Method], Field(min_length=1)]
    seeds: Seeds
    settings: list[str] = Field(default_factory=list)
    title: str = ""  # for people


class Cell(Section):
    """A method on a data set, with some seeds; `setting` is empty where a study has none."""

    dataset: str
    method: Method
    seeds: Seeds
    setting: str = ""

    @property
    def situation(self) -> str:
        """What methods are compared in: a data set, in a setting where there is one."""
        return self.dataset + (f", {self.setting}" if self.setting else "")

    @property
    def key(self) -> tuple[str, str]:
        """No other cell of a study has it."""
        return self.situation, self.method

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.situation}, {self.method}"

    @property
    def address(self) -> list[str]:
        """How `python -m pipeline.benchmark` calls it."""
        return [self.dataset, self.method, *([self.setting] if self.setting else [])]


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
        settings: name -> setting; an encoder that is fine-tuned in one is so by the method's loss.
        seeded: parameters that the seed moves as well.
        title: of the page.
        beside: other studies whose findings stand on this one's page as well.
        grids: each is a stage of dvc.yaml with a matrix.
    """

    profile: Literal["quick", "published", "full"]
    members: Count
    page: str
    development: list[str] = Field(default_factory=list)
    families: dict[str, Names] = Field(default_factory=dict)
    note: str = ""
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    settings: dict[str, Setting] = Field(default_factory=dict)
    seeded: list[str] = Field(default_factory=list)
    title: str = "Results"
    beside: list[str] = Field(default_factory=list)
    grids: Annotated[dict[str, Grid], Field(min_length=1)]
    path: Path = Path()

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Address of a DVC stage -> its cell, in the order of the file."""
        stages = self.path.parent / "dvc.yaml"
        return {
            f"{stages}:{grid_name}@{'-'.join(filter(None, (dataset, setting, method)))}": Cell(
                dataset=dataset, method=method, seeds=grid.seeds, setting=setting
            )
            for grid_name, grid in self.grids.items()
            for dataset in grid.datasets
            for setting in grid.settings or [""]
            for method in grid.methods
        }

    @property
    def situations(self) -> list[str]:
        """Each once, in the order of the file."""
        return list(dict.fromkeys(cell.situation for cell in self.cells.values()))

    def train_share(self, cell: Cell) -> float:
        """The share of the training examples that a cell has."""
        return self.settings[cell.setting].train_share if cell.setting else 1.0

    @property
    def datasets(self) -> list[str]:
        """Each once, in the order of the file."""
        return list(dict.fromkeys(cell.dataset for cell in self.cells.values()))

    def file(self, cell: Cell) -> Path:
        """Where the result of a cell lies."""
        name = ".".join(filter(None, (cell.dataset, cell.setting, cell.method)))
        return self.path.parent / "results" / f"{name}.json"

    def only(self, cell: Cell, seed: int) -> "Study":
        """A study of one seed of a cell, whose result is what this study's would be."""
        parameters = {
            key: self.parameters[key]
            for key in ("all", cell.dataset, cell.method)
            if key in self.parameters
        }
        names = [cell.setting] if cell.setting else []
        grid = Grid(datasets=[cell.dataset], methods=[cell.method], seeds=[seed], settings=names)
        return Study(
            profile=self.profile,
            members=self.members,
            page=self.page,
            parameters=parameters,
            settings={name: self.settings[name] for name in names},
            seeded=self.seeded,
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
        if cell.setting:
            changes |= self.settings[cell.setting].parameters
        changes |= dict.fromkeys(self.seeded, seed)
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
        if any(name.startswith(f"{_FINE_TUNE}.") for name in changes):
            own = family in ("ours", "weighted")
            changes |= {
                f"{_FINE_TUNE}.{name}": changes[f"train.weighting.{name}"] if own else "none"
                for name in ("variant", "uncertainty")
            }
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
        for values in (grid.datasets, grid.methods, grid.settings):
            if len({*values}) < len(values):
                raise ConfigError(
                    f"{path}: expected each data set, method and setting of {name} once"
                )
        if unknown := sorted({*grid.settings} - {*study.settings}):
            raise ConfigError(f"{path}: expected settings of the study in {name}, found {unknown}")
    named = {cell.key for cell in study.cells.values()}
    seen: set[tuple[str, str]] = set()
    for cell in study.cells.values():
        if cell.key in seen:
            raise ConfigError(f"{path}: expected each cell once, found {cell.name} again")
        seen.add(cell.key)
        registry.check(cell.dataset)
        config = study.config(cell, cell.seeds[0])
        own = f"weighted-{config.train.weighting.variant}"
        if cell.method == "ours" and (cell.situation, own) in named:
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
