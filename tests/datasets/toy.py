"""A source of forty examples, small enough to check by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError

# root <- a <- c, root <- b <- c: a diamond; d is deep (c <- d) and has a short cut to the root
EDGES = (("a", "root"), ("b", "root"), ("c", "a"), ("c", "b"), ("d", "c"), ("d", "root"))


FILES = (
    RawFile(
        "labels.txt",
        "labels.txt",
        "0a86bf774ccea709d8e2559923defaa0fb101935c141d1d3a231e0658a524ad7",
    ),
)


class Toy(Source):
    def files(self) -> tuple[RawFile, ...]:
        return FILES

    def origin(self) -> Path:
        return Path(__file__).with_name("toy_files")

    def about(self) -> str:
        return "Forty examples -> five nodes"

    def read(self, folder: Path) -> RawDataset:
        file = folder / "labels.txt"
        if not file.is_file():
            raise DatasetError(f"expected {file}, found none")
        return toy([(label,) for label in file.read_text(encoding="utf-8").split()])

    def features(self, raw, fit_rows, max_features):
        size = raw.attributes["size"].to_numpy(dtype=np.float32)
        centred = size - size[fit_rows].mean()
        values = np.stack([centred, centred**2], axis=1).astype(np.float32)
        return Features(values, ("size", "square"))


def toy(labels: list[tuple[str, ...]], **changes) -> RawDataset:
    """A raw data set with these labels, one group per example."""
    n = len(labels)
    values = {
        "ids": tuple(f"example {number}" for number in range(n)),
        "groups": tuple(f"group {number}" for number in range(n)),
        "labels": tuple(labels),
        "nodes": {node: node.upper() for node in ("root", "a", "b", "c", "d")},
        "edges": EDGES,
        "attributes": pd.DataFrame({"size": np.arange(n) * 3.5 % 11}),
        "info": {"source": "toy", "version": "1", "notice": "", "notes": ["By hand."]},
        "unscored": frozenset({"root"}),
    }
    return RawDataset(**{**values, **changes})
