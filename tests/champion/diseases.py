"""Real data as somebody's own tables: diseases of the eye, and words of their names as features.

Words are truth values, not text: directions learnt from text are others with each fit, which the
validation would see as drift.
"""

import csv
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pipeline.datasets import registry
from pipeline.datasets.source import RawDataset

_WORDS = 120


@cache
def read(folder: Path) -> RawDataset:
    """All diseases, with raw files in a folder."""
    source = registry.get("hpo_eye")
    source.fetch(folder)
    return source.read(folder)


def chosen(raw: RawDataset, count: int) -> list[int]:
    """So many rows, always the same first ones."""
    rows = list(range(len(raw.ids)))
    random.Random(0).shuffle(rows)
    return rows[:count]


def write(folder: Path, raw: RawDataset, rows: Sequence[int]) -> None:
    """features.csv, labels.csv and hierarchy.csv of some diseases."""
    words = [set(name.lower().split()) for name in raw.attributes["name"]]
    counts = Counter(word for mine in words for word in mine if word.isalpha())
    frequent = sorted(word for word, _ in counts.most_common(_WORDS))
    folder.mkdir(exist_ok=True)
    with (folder / "features.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["id", "family", *(f"has {word}" for word in frequent)])
        for row in rows:
            has = [int(word in words[row]) for word in frequent]
            out.writerow([raw.ids[row], raw.groups[row], *has])
    write_labels(folder, raw, rows, rows)
    with (folder / "hierarchy.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("child", "parent"), *raw.edges])


def write_labels(folder: Path, raw: RawDataset, rows: Sequence[int], given: Sequence[int]) -> None:
    """labels.csv; disease `rows[i]` has the labels of disease `given[i]`."""
    with (folder / "labels.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["id", "node"])
        for row, other in zip(rows, given, strict=True):
            out.writerows((raw.ids[row], node) for node in raw.labels[other])
