"""Run one cell: prepare, train on train+valid, evaluate on test; all in memory."""

import os
import resource
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from pipeline.artifacts import paths
from pipeline.benchmark.results import SCHEMA, settings_of
from pipeline.benchmark.study import Cell
from pipeline.datasets import registry
from pipeline.stages import evaluate, learning, prepare, train
from pipeline.stages.learning import Method


def run(cell: Cell, profile: str) -> dict[str, Any]:
    """The result of a cell, as its file has it.

    Raises:
        DatasetError: the raw files are missing or malformed.
        TrainingError: the training diverged.
    """
    config = cell.config(profile)
    source = registry.get(cell.dataset)
    raw = source.read(paths.raw(cell.dataset))
    problem = learning.problem(prepare.prepare(raw, source, config))
    method: Method = "weighted" if cell.method.startswith("weighted/") else cell.method
    settings = learning.settings(method, config.train)
    fitted, seconds = train.fit(method, settings, problem, config)
    test = problem.data.rows("test")
    slices = evaluate.rarity_and_depth(problem)
    result = evaluate.measure(fitted.ensemble(), problem, np.ones((1, len(test))), slices)
    return {
        "schema": SCHEMA,
        "cell": cell.model_dump(),
        "profile": profile,
        "settings": settings_of(cell, profile),
        "nodes": {
            "total": len(problem.hierarchy),
            "scored": int(problem.scored.sum()),
            "with_test_positive": int((problem.positives(test) > 0).sum()),
        },
        "examples": {s: len(problem.data.rows(s)) for s in ("train", "valid", "test")},
        "test": evaluate.figures(result, slices),
        "cost": {
            "seconds": round(seconds.networks, 1),
            "seconds_per_epoch": round(seconds.epoch, 3),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
        },
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            **{name: version(name) for name in ("numpy", "torch", "numba")},
        },
    }
