"""The results of a study's cells, as files and as figures. Torch-free: pages are quick."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.artifacts import files
from pipeline.benchmark.estimates import Estimate, estimate
from pipeline.benchmark.study import CLASSICAL, Cell, Study

SCHEMA = 3
RAREST = "macro_ap/rarity=1-9"
# Nodes that are rare in the training data of a setting.
RARE, RARE_BELOW = "macro_ap/rarity=0-99", 100
# Figures whose replicates are kept, so that differences of methods have paired intervals.
REPLICATED = (
    "micro_ap",
    "macro_ap",
    RAREST,
    "macro_ap/rarity=10-29",
    "macro_ap/rarity=30-99",
    "macro_ap/rarity=100+",
    "macro_f1/half",
    "macro_f1/prior_matched",
    "macro_f1/tuned",
)
# And those of a study with settings.
REPLICATED_IN_SETTINGS = (
    RARE,
    "macro_recall/half",
    "macro_precision/half",
    "macro_recall/tuned",
    "macro_precision/tuned",
)


def settings_of(study: Study, cell: Cell) -> dict[str, Any]:
    """What a result depends on beside data, code and seed: another one asks for another run."""
    config = study.config(cell, cell.seeds[0])
    # A study takes the splits that its data sets have, or those by hash.
    prepare = config.prepare.model_dump(exclude={"split_by"})
    for name in study.seeded:
        prepare.pop(name.removeprefix("prepare."), None)
    common: dict[str, Any] = {"prepare": prepare}
    if cell.setting:
        # How many processes read, and where it computes, is not what a result depends on.
        images = config.images.model_dump(exclude={"seed", "workers", "device", "max_pixels"})
        # Of weights in a folder alone; results that know nothing of it are no others.
        if images["encoder"]["sha256"] is None:
            del images["encoder"]["sha256"]
        common |= {"images": images, "train_share": study.train_share(cell)}
    if cell.method in CLASSICAL:
        return common | {"train": {"beta": config.train.beta}}
    own = cell.method == "ours" or cell.method.startswith("weighted-")
    # Baselines are networks whatever the kinds, and are not weighted.
    unused = {"baselines", "budget"} | (set() if own else {"weighting", "kinds"})
    if not config.train.cross_fit:
        unused |= {"beta", "kinds"}
    return common | {"train": config.train.model_dump(exclude=unused)}


def read(study: Study, cell: Cell) -> dict[str, Any] | None:
    """The result of a cell, with its runs of the study's settings alone; None if there is none.

    Raises:
        ArtifactError: it is damaged or of another schema.
    """
    result = _stored(study, cell)
    runs = [run for run in result["runs"] if _wanted(study, cell, run)] if result else []
    return result | {"runs": runs} if result and runs else None


def runs_of(study: Study, cell: Cell) -> dict[int, dict[str, Any]]:
    """Seed -> run of the study's settings.

    Raises:
        ArtifactError: see `read`.
    """
    result = read(study, cell)
    return {run["seed"]: run for run in result["runs"]} if result else {}


def others_of(study: Study, cell: Cell) -> list[dict[str, Any]]:
    """The runs of other settings or seeds, which stay in the file: they took time, too.

    Raises:
        ArtifactError: see `read`.
    """
    result = _stored(study, cell)
    return [run for run in result["runs"] if not _wanted(study, cell, run)] if result else []


def add(study: Study, cell: Cell, about: dict[str, Any], run: dict[str, Any]) -> None:
    """Write the run of one seed into a cell's file, in the place of an earlier one.

    Args:
        study: that the cell is part of.
        cell: which.
        about: of the data set: `nodes`, `examples`.
        run: of one of the cell's seeds.

    Raises:
        ArtifactError: see `read`.
    """
    kept, others = runs_of(study, cell) | {run["seed"]: run}, others_of(study, cell)
    head = {
        "schema": SCHEMA,
        "cell": cell.model_dump(exclude={"seeds"}, exclude_defaults=True),
        "profile": study.profile,
        "nodes": about["nodes"],
        "examples": about["examples"],
    }
    runs = [kept[seed] for seed in cell.seeds if seed in kept]
    files.write_json(study.file(cell), head | {"runs": runs + others})


def _stored(study: Study, cell: Cell) -> dict[str, Any] | None:
    file = study.file(cell)
    return files.read_json(file, schema=SCHEMA) if file.exists() else None


def _wanted(study: Study, cell: Cell, run: dict[str, Any]) -> bool:
    return run["seed"] in cell.seeds and run["settings"] == settings_of(study, cell)


def written(values: np.ndarray) -> str:
    """Replicates in one line, five digits each."""
    return " ".join(f"{value:.5g}" for value in values)


@dataclass(frozen=True)
class Runs:
    """One method on one data set.

    Attributes:
        dataset: name, with its setting where there is one.
        method: name.
        about: of the data set: nodes, examples.
        runs: one for each seed: what the cell's file has of the method, the seed, the settings.
    """

    dataset: str
    method: str
    about: dict[str, Any]
    runs: list[dict[str, Any]]

    def values(self, figure: str) -> list[float]:
        """A figure of each seed, as `Evaluation` names it; empty if the method does not have it."""
        found = [_figure(run["test"], figure) for run in self.runs]
        return [value for value in found if value is not None] if None not in found else []

    def mean(self, figure: str) -> float:
        """Over seeds; NaN if the method does not have it."""
        values = self.values(figure)
        return statistics.fmean(values) if values else math.nan

    @cached_property
    def _replicates(self) -> dict[str, np.ndarray]:
        """Figure -> (replicate,) mean over seeds."""
        each = [
            {name: np.array(line.split(), dtype=np.float64) for name, line in lines.items()}
            for lines in (run["replicates"] for run in self.runs)
        ]
        names = each[0] if each else {}
        return {name: np.mean([one[name] for one in each], axis=0) for name in names}

    def replicates(self, figure: str) -> np.ndarray | None:
        """(replicate,) the figure under weights that all methods share, mean over seeds."""
        return self._replicates.get(figure)

    def estimate(self, figure: str) -> Estimate:
        """The figure with its interval."""
        return estimate(self.values(figure), self.replicates(figure))

    def difference(self, other: "Runs", figure: str) -> Estimate:
        """How much higher the figure is than another method's, paired by seed and replicate."""
        mine, base = paired(self, other)
        values, others = mine.values(figure), base.values(figure)
        if not values or not others:
            return Estimate(math.nan, None)
        ours, theirs = mine.replicates(figure), base.replicates(figure)
        gap = ours - theirs if ours is not None and theirs is not None else None
        return estimate([a - b for a, b in zip(values, others, strict=True)], gap)


def paired(mine: Runs, other: Runs) -> tuple[Runs, Runs]:
    """Both methods with the seeds alone that they share."""
    seeds = {run["seed"] for run in mine.runs} & {run["seed"] for run in other.runs}
    one, two = (
        replace(runs, runs=sorted(_of(runs, seeds), key=lambda run: run["seed"]))
        for runs in (mine, other)
    )
    return one, two


def mean_difference(pairs: Sequence[tuple[Runs, Runs]], figure: str) -> Estimate:
    """How much higher a figure is than another method's, in the mean over situations.

    They share seeds and test examples: what varies with either is averaged over situations before
    its spread is taken. NaN where there is no pair, one lacks the figure, or no seed is common.
    """
    seeds = {run["seed"] for pair in pairs[:1] for run in pair[0].runs}
    for pair in pairs:
        for one in pair:
            seeds &= {run["seed"] for run in one.runs}
    gaps, drawn = list[list[float]](), list[np.ndarray]()
    for pair in pairs:
        mine, other = (replace(one, runs=_of(one, seeds)) for one in paired(*pair))
        values, others = mine.values(figure), other.values(figure)
        if not values or not others:
            return Estimate(math.nan, None)
        gaps.append([a - b for a, b in zip(values, others, strict=True)])
        ours, theirs = mine.replicates(figure), other.replicates(figure)
        if ours is not None and theirs is not None:
            drawn.append(ours - theirs)
    each = [statistics.fmean(values) for values in zip(*gaps, strict=True)]
    return estimate(each, np.mean(drawn, axis=0) if drawn and len(drawn) == len(gaps) else None)


def _of(runs: Runs, seeds: set[int]) -> list[dict[str, Any]]:
    return [run for run in runs.runs if run["seed"] in seeds]


class Table:
    """All results of a study.

    Attributes:
        study: that they are of.
        found: (situation, method) -> runs.
        missing: cells that lack a seed.
    """

    def __init__(self, study: Study) -> None:
        """Read them.

        Raises:
            ArtifactError: a file is damaged or of another schema.
        """
        self.study = study
        self.found: dict[tuple[str, str], Runs] = {}
        self.missing: list[Cell] = []
        for cell in study.cells.values():
            result = read(study, cell)
            if result is None or len(result["runs"]) < len(cell.seeds):
                self.missing.append(cell)
            if result is None:
                continue
            about = {"nodes": result["nodes"], "examples": result["examples"]}
            for name in result["runs"][0]["methods"]:
                runs = [
                    run["methods"][name] | {key: run[key] for key in ("seed", "settings")}
                    for run in result["runs"]
                ]
                place = cell.situation
                self.found[place, name] = Runs(place, name, about, runs)

    @property
    def methods(self) -> list[str]:
        """Those with a result, in the order of the study."""
        return list(dict.fromkeys(method for _, method in self.found))

    def family(self, dataset: str) -> str:
        """Of a data set; one that is in none is its own."""
        found = [name for name, sets in self.study.families.items() if dataset in sets]
        return found[0] if found else dataset

    def datasets(self, *methods: str) -> list[str]:
        """The data sets with a result of all these methods, in the order of the study."""
        names = self.study.situations
        return [name for name in names if all((name, m) in self.found for m in methods)]

    def confirming(self, *methods: str) -> list[str]:
        """Those of them that are no development sets."""
        return [n for n in self.datasets(*methods) if n not in self.study.development]


def _figure(test: dict[str, Any], figure: str) -> float | None:
    """`macro_f1/tuned/rarity=1-9` out of the figures of a result."""
    name, *details = figure.split("/")
    place = test
    for kind in ("rarity", "depth"):
        if details and details[-1].startswith(f"{kind}="):
            wanted = details.pop().partition("=")[2]
            key = "bin" if kind == "rarity" else kind
            parts = [part for part in test[f"by_{kind}"] if str(part[key]) == wanted]
            if not parts:
                return None
            place = parts[0]
    if details:
        return place["rules"].get(details[0], {}).get(name)
    return place.get(name)
