"""What a worker's process is handed: the problem itself, to the byte."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipeline.hml import Hierarchy, Objective, Settings
from pipeline.hml.learning import Problem
from pipeline.hml.preprocessing import Standardizer
from pipeline.stages import problem_files


def problem() -> Problem:
    random = np.random.default_rng(0)
    hierarchy = Hierarchy.from_edges([("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")])
    features = random.normal(size=(9, 3)).astype(np.float32)
    labels = sparse.csr_array(random.random((9, 4)) < 0.3)
    rows = np.array([0, 2, 3, 5, 8])
    closed = sparse.csr_array(hierarchy.close(labels[rows]))
    return Problem(
        features=features,
        rows=rows,
        labels=labels,
        closed=closed,
        hierarchy=hierarchy,
        settings=Settings(members=3, objective=Objective(variant="paper", mode="predictive")),
        learns=random.random((3, 5)) < 0.5,
        preprocessing=Standardizer.fit(features, rows),
        scored=np.array([False, True, True, True]),
        weight=random.random(5),
        unknown=sparse.csr_array(random.random((5, 4)) < 0.2),
        seed=7,
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, sparse.csr_array):
        return one.shape == other.shape and all(
            same(getattr(one, part), getattr(other, part)) for part in ("data", "indices", "indptr")
        )
    if isinstance(one, Standardizer):
        return same(one.mean, other.mean) and same(one.scale, other.scale)
    if isinstance(one, Hierarchy):
        return one.nodes == other.nodes and same(one.edge_index, other.edge_index)
    return one == other


@pytest.mark.parametrize("without", [(), ("learns", "scored", "weight", "unknown")])
def test_a_problem_comes_back_as_it_was(without: tuple[str, ...], tmp_path: Path):
    given = replace(problem(), **dict.fromkeys(without))
    problem_files.write(given, tmp_path)
    found = problem_files.read(tmp_path)
    for field in fields(Problem):
        assert same(getattr(given, field.name), getattr(found, field.name)), field.name
