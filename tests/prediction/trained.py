"""A bundle of members that learnt from a small table with a column of every kind."""

import csv
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.config.tables import Tables
from pipeline.datasets.tables.source import OwnTables
from pipeline.hml import Hierarchy, Settings, fit_members, save_bundle
from pipeline.hml.members import KINDS
from pipeline.stages import bundling
from pipeline.stages.prepare import prepare
from tests.stages.problem import small_config

torch.set_num_threads(1)

COLUMNS = ("id", "age", "colour", "smokes", "seen", "note", "clinic")
COLOURS = ("red", "green", "blue")
EDGES = [("l", "t"), ("r", "t"), ("d", "l"), ("d", "r"), ("e", "d"), ("m", "s")]
TABLES = Tables.model_validate(
    {
        "name": "own",
        "features": {
            "path": "features.csv",
            "sha256": "0" * 64,
            "id": "id",
            "categorical": ["colour"],
            "boolean": ["smokes"],
            "date": ["seen"],
            "text": ["note"],
            "ignored": ["clinic"],
        },
        "labels": {"path": "l.csv", "sha256": "0" * 64, "layout": "delimited", "node": "labels"}
        | {"id": "id"},
        "hierarchy": {"path": "h.csv", "sha256": "0" * 64, "format": "edges"}
        | {"child": "child", "parent": "parent"},
    }
)

Row = dict[str, str]


def rows(count: int, *, seed: int = 0) -> list[Row]:
    """Rows of the table; some values are missing."""
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    for number in range(count):
        colour, age = COLOURS[rng.integers(3)], rng.normal(50, 12)
        parts = ("arm", "leg", "head", "back")
        made.append(
            {
                "id": f"e{number}",
                "age": "" if rng.random() < 0.1 else f"{age:.1f}",
                "colour": "NA" if rng.random() < 0.05 else colour,
                "smokes": ("yes", "no")[rng.integers(2)],
                "seen": f"20{rng.integers(10, 26):02}-{rng.integers(1, 13):02}-15",
                "note": f"pain in the {parts[rng.integers(4)]}, {parts[rng.integers(4)]}",
                "clinic": f"c{number % 7}",
            }
        )
    return made


def labels(row: Row) -> str:
    """Nodes that follow from the row."""
    found = []
    if row["colour"] == "red":
        found.append("e" if "arm" in row["note"] else "d")
    if row["colour"] == "green":
        found.append("l")
    if row["smokes"] == "yes":
        found.append("m")
    return ";".join(found)


def write(path: Path, table: Iterable[Mapping[str, Any]], columns: Iterable[str] = COLUMNS) -> Path:
    """Write rows as text."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*columns], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return path


def train(folder: Path) -> Path:
    """Make the bundle in a folder, from tables beside it."""
    table = rows(160)
    paths = {
        "features": write(folder / "features.csv", table),
        "labels": write(
            folder / "labels.csv",
            ({"id": row["id"], "labels": labels(row)} for row in table),
            ("id", "labels"),
        ),
        "hierarchy": write(
            folder / "hierarchy.csv",
            ({"child": child, "parent": parent} for child, parent in EDGES),
            ("child", "parent"),
        ),
    }
    source = OwnTables("own", TABLES)
    raw = source.read_from(paths)
    names = {node: f"Node {node.upper()}" for node in raw.nodes}
    raw = dataclasses.replace(raw, nodes=names)
    data = prepare(raw, source, small_config(prepare={"min_support": 0}))
    edges = data.edges.itertuples(index=False, name=None)
    hierarchy = Hierarchy.from_edges([*edges], nodes=[*data.nodes["id"]])
    fitted = fit_members(
        data.features,
        data.labels,
        hierarchy,
        Settings(members=4, hidden=8, epochs=20, batch_size=16, learning_rate=0.01),
        kinds=[*KINDS],
        seed=0,
        rows=data.rows("train", "valid"),
    )
    bundle = folder / "bundle"
    save_bundle(bundle, fitted.ensemble(), card="# Card\n", extra=bundling.extra(data))
    return bundle
