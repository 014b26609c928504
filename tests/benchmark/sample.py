"""Two small studies, and results that were made up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import files
from pipeline.benchmark import results, study
from pipeline.benchmark.results import RARE, RAREST, REPLICATED, REPLICATED_IN_SETTINGS
from pipeline.benchmark.study import Cell, Study

# As the literature trains, against its figures.
TEXT = """\
profile: published
members: 5
page: page.md
grids:
  one:
    datasets: [spo_FUN, enron]
    methods: [mcloss_1]
    seeds: [0, 1]
  five:
    datasets: [spo_FUN]
    methods: [mcloss, weighted-released]
    seeds: [0]
"""
# The product's method against others.
COMPARED = """\
profile: full
members: 10
page: page.md
development: [cellcycle_FUN]
grids:
  all:
    datasets: [spo_FUN, enron, cellcycle_GO, cellcycle_FUN]
    methods: [ours, bce, mcloss, mcloss_1]
    seeds: [0, 1]
"""
# Two methods where things are made harder.
IN_SETTINGS = """\
profile: quick
members: 4
title: Harder
page: page.md
parameters: {all: {train.weighting.uncertainty: epistemic}}
seeded: [images.seed, prepare.split_seed]
settings:
  half: {title: half of it, train_share: 0.5}
  random: {title: a random encoder, parameters: {images.encoder.random_share: 1.0}}
  tuned: {title: fine-tuned, parameters: {images.fine_tune.epochs: 1}}
grids:
  frozen:
    title: frozen
    datasets: [fashion_mnist]
    settings: [half, random]
    methods: [mcloss, weighted-paper]
    seeds: [0, 1]
  fine_tuned:
    title: fine-tuned
    datasets: [fashion_mnist]
    settings: [tuned]
    methods: [mcloss, weighted-paper]
    seeds: [0, 1]
"""
CONFIRMING = ("spo_FUN", "enron", "cellcycle_GO")
BINS = ("1-9", "10-29", "30-99", "100+")
FIGURES = {
    "micro_ap": 0.2,
    "macro_ap": 0.1,
    RAREST: 0.05,
    "macro_ap/rarity=10-29": 0.1,
    "macro_ap/rarity=30-99": 0.15,
    "macro_ap/rarity=100+": 0.3,
    "macro_f1/half": 0.03,
    "macro_f1/prior_matched": 0.11,
    "macro_f1/tuned": 0.12,
    "macro_recall/half": 0.02,
    "macro_precision/half": 0.4,
    "macro_recall/tuned": 0.3,
    "macro_precision/tuned": 0.25,
    RARE: 0.08,
    "macro_ap/depth=1": 0.25,
    "macro_ap/depth=2": 0.15,
}
Figure = float | None
Figures = Mapping[str, Figure | list[Figure]]  # a list has one for each seed


def write(folder: Path, text: str = TEXT) -> Path:
    """The study's file."""
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def load(folder: Path, text: str = TEXT) -> Study:
    """A study in a folder."""
    return study.load(write(folder, text))


def cell(grid: Study, dataset: str, method: str, *setting: str) -> Cell:
    """One of its cells."""
    [found] = [c for c in grid.cells.values() if c.address == [dataset, method, *setting]]
    return found


def curve(places: Mapping[int, tuple[int, float]]) -> dict[str, Any]:
    """A reliability curve: place of a bin -> predictions, observed minus predicted."""
    entries = [0] * 10
    mean: list[float | None] = [None] * 10
    observed: list[float | None] = [None] * 10
    for place, (count, apart) in places.items():
        middle = (place + 0.5) / 10
        entries[place], mean[place], observed[place] = count, middle, middle + apart
    return {"entries": entries, "mean_p": mean, "observed": observed, "error": 0.01}


def made(figures: Mapping[str, Figure], spread: float, **parts: Any) -> dict[str, Any]:
    """What a method's run has.

    Args:
        figures: in the place of `FIGURES`, with the names of `Evaluation`.
        spread: the three replicates of a figure are the figure and so much below and above it:
            their standard deviation.
        parts: in the place of `quadrants` and so on.
    """
    values: dict[str, Figure] = {**FIGURES, **figures}

    rules: dict[str, dict[str, Figure]] = {}
    for name, value in values.items():
        figure, _, rule = name.partition("/")
        if rule and "=" not in rule:
            rules.setdefault(rule, {})[figure] = value
    test: dict[str, Any] = {name: values[name] for name in ("micro_ap", "macro_ap")}
    test["rules"] = rules
    for kind, key in (("rarity", "bin"), ("depth", "depth")):
        test[f"by_{kind}"] = [
            {
                key: int(value) if kind == "depth" else value,
                "nodes": 3,
                "macro_ap": values[name],
                "rules": {},
            }
            for name in values
            for _, found, value in [name.partition(f"/{kind}=")]
            if found
        ]
    shifts = np.array([-1.0, 0.0, 1.0]) * spread
    ap = {
        "rare": {"with_positive": 2, "macro_ap": 0.04, "recall/tuned": 0.2},
        "common": {"with_positive": 3, "macro_ap": 0.11, "recall/tuned": 0.4},
    }
    whole = {
        "test": test,
        "replicates": {
            name: results.written(np.full(3, np.nan) if values[name] is None else value + shifts)
            for name in (*REPLICATED, *REPLICATED_IN_SETTINGS)
            for value in [values[name] or 0.0]
        },
        "quadrants": {seen: {"examples": 10} | ap for seen in ("rare", "common")},
        "brier_skill": {f"rarity={part}": 0.01 for part in BINS},
        "reliability": {"all": curve({0: (5000, 0.0), 3: (300, 0.01)})},
        "expected": {
            "prior_matched": {"mean": 0.11, "sd": 0.002},
            "tuned": {"mean": 0.12, "sd": 0.002},
        },
        "cafa": {},
        "cost": {"cpu_seconds": 90.0, "cpu_seconds_per_epoch": 1.5, "peak_memory_mb": 600},
    }
    return whole | parts


def result(
    grid: Study,
    one: Cell,
    methods: Mapping[str, Figures],
    *,
    seeds: list[int] | None = None,
    spread: float = 0.001,
    **parts: Any,
) -> dict[str, Any]:
    """A result as a cell writes it; `methods` are those that it has, with their figures."""

    def of_seed(figures: Figures, place: int) -> dict[str, Figure]:
        return {n: v[place] if isinstance(v, list) else v for n, v in figures.items()}

    return {
        "schema": results.SCHEMA,
        "cell": one.model_dump(exclude={"seeds"}, exclude_defaults=True),
        "profile": grid.profile,
        "nodes": {"total": 12, "scored": 11, "with_test_positive": 9},
        "examples": {"train": 60, "valid": 20, "test": 20},
        "runs": [
            {
                "seed": seed,
                "settings": results.settings_of(grid, one),
                "methods": {
                    name: made(of_seed(figures, place), spread, **parts)
                    for name, figures in methods.items()
                },
                "machine": {"threads": 1, "cores": 2},
            }
            for place, seed in enumerate(one.seeds if seeds is None else seeds)
        ],
    }


def put(grid: Study, one: Cell, figures: Figures | None = None, **options: Any) -> None:
    """Store a result where the study looks for it; that of `ours` has its networks, too."""
    methods: dict[str, Figures] = {one.method: figures or {}}
    if one.method == "ours":
        methods["weighted-paper"] = options.pop("networks", {})
    files.write_json(grid.file(one), result(grid, one, methods, **options))
