"""The benchmark files once more, read by others: pandas, networkx and scipy.

Nothing here is robust. It knows the published files, and shares no line with what it checks.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from scipy.io import arff


@dataclass(frozen=True)
class Independent:
    """A file: (name, type) per attribute, entries of the class, columns of values, labels."""

    attributes: list[tuple[str, str]]
    entries: list[str]
    table: pd.DataFrame
    labels: list[set[str]]


def _parts(path: Path) -> tuple[list[tuple[str, str]], str]:
    head, body = re.split(r"(?im)^@data\s+", path.read_text(encoding="ascii"))
    return re.findall(r"(?im)^@attribute\s+(\S+)\s+(.*?)\s*$", head), body


def by_pandas(path: Path) -> Independent:
    attributes, body = _parts(path)
    (_, classes) = attributes.pop()
    numeric = [kind.lower() == "numeric" for _, kind in attributes]
    table = pd.read_csv(
        io.StringIO(body),
        header=None,
        na_values="?",
        keep_default_na=False,
        dtype=dict(enumerate("float64" if yes else "str" for yes in [*numeric, False])),
    )
    labels = [set(text.split("@")) for text in table.pop(len(attributes))]
    return Independent(attributes, re.split(r"[\s,]+", classes)[1:], table, labels)


def by_scipy(path: Path) -> list[np.ndarray]:
    """The attributes' columns; scipy knows no hierarchies and wants every name once."""
    attributes, body = _parts(path)
    lines = ["@relation any"]
    lines += [f"@attribute a{n} {kind}" for n, (_, kind) in enumerate(attributes[:-1])]
    lines += ["@data", re.sub(r"(?m),[^,\n]*$", "", body)]
    rows, _ = arff.loadarff(io.StringIO("\n".join(lines)))
    return [rows[name] for name in rows.dtype.names]


def graph(entries: list[str], *, edges: bool) -> nx.DiGraph:
    """Parent -> child; an entry is an edge or a path."""
    if edges:
        return nx.DiGraph(entry.split("/") for entry in entries)
    parts = [entry.split("/") for entry in entries]
    found = nx.DiGraph()
    for path in parts:
        nx.add_path(found, ["/".join(path[: end + 1]) for end in range(len(path))])
    return found


def depths(hierarchy: nx.DiGraph, choose=max) -> dict[str, int]:
    """The length of the longest path from a root, or with `min` of the shortest one."""
    depth: dict[str, int] = {}
    for node in nx.topological_sort(hierarchy):
        depth[node] = choose((depth[above] + 1 for above in hierarchy.pred[node]), default=0)
    return depth


def closed(labels: set[str], hierarchy: nx.DiGraph) -> set[str]:
    return labels.union(*(nx.ancestors(hierarchy, label) for label in labels))
