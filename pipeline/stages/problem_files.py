"""A problem of the core as files, for a process that learns its members: arrays and JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from pipeline.hml import Hierarchy, Objective, Settings
from pipeline.hml.learning import Problem
from pipeline.hml.preprocessing import Standardizer

_ARRAYS, _REST = "problem.npz", "problem.json"
_PLAIN = ("features", "rows", "learns", "scored", "weight")
_SPARSE = ("labels", "closed", "unknown")


def write(problem: Problem, folder: Path) -> None:
    """Write a problem into a folder."""
    arrays: dict[str, Any] = {
        "mean": problem.preprocessing.mean,
        "scale": problem.preprocessing.scale,
    }
    arrays |= {name: getattr(problem, name) for name in _PLAIN}
    for name in _SPARSE:
        if (matrix := getattr(problem, name)) is not None:
            parts = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
            arrays |= {f"{name}.{place}": part for place, part in enumerate(parts)}
    given = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    np.savez(folder / _ARRAYS, allow_pickle=False, **given)
    nodes = problem.hierarchy.nodes
    edges = [[nodes[c], nodes[p]] for c, p in problem.hierarchy.edge_index.T.tolist()]
    rest = {"nodes": nodes, "edges": edges, "settings": asdict(problem.settings)}
    text = json.dumps(rest | {"seed": problem.seed})
    (folder / _REST).write_text(text, encoding="utf-8")


def read(folder: Path) -> Problem:
    """Read what `write` wrote."""
    rest = json.loads((folder / _REST).read_text(encoding="utf-8"))
    settings = rest["settings"]
    with np.load(folder / _ARRAYS, allow_pickle=False) as content:
        arrays: dict[str, Any] = dict(content)

    def matrix(name: str) -> Any:
        if f"{name}.0" not in arrays:
            return None
        *parts, shape = (arrays[f"{name}.{place}"] for place in range(4))
        return sparse.csr_array(tuple(parts), shape=tuple(shape.tolist()))

    return Problem(
        **{name: arrays.get(name) for name in _PLAIN},
        **{name: matrix(name) for name in _SPARSE},
        hierarchy=Hierarchy.from_edges(map(tuple, rest["edges"]), nodes=rest["nodes"]),
        settings=Settings(**settings | {"objective": Objective(**settings["objective"])}),
        preprocessing=Standardizer(arrays["mean"], arrays["scale"]),
        seed=rest["seed"],
    )
