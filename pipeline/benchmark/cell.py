"""Run one cell: prepare, train on train+valid, evaluate on test; all in memory, seed by seed."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import numpy as np
import torch

from pipeline.artifacts import paths
from pipeline.benchmark import quadrants, results, subsets
from pipeline.benchmark.expectation import expected_f1
from pipeline.benchmark.results import (
    RARE,
    RARE_BELOW,
    REPLICATED,
    REPLICATED_IN_SETTINGS,
    settings_of,
    written,
)
from pipeline.benchmark.study import CLASSICAL, Cell, Study
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.datasets.source import RawDataset, Source
from pipeline.errors import DatasetError
from pipeline.hml.evaluation import row_weights
from pipeline.hml.fitting import Fitted
from pipeline.stages import curves, evaluate, learning, prepare, train
from pipeline.stages.evaluate import Model
from pipeline.stages.learning import Method, Problem

REPLICATES = 200


@dataclass(frozen=True)
class _Trained:
    """A model, what it took, and what its held-out scores promise: macro F1 by rule."""

    model: Model
    cost: dict[str, Any]
    expected: dict[str, Any]


def run(study: Study, cell: Cell, *, again: bool = False) -> None:
    """Run the seeds of a cell that have no result of the study's settings, and write each at once.

    Args:
        study: that it is part of.
        cell: which.
        again: seeds that have a result, too.

    Raises:
        DatasetError: the raw files are missing or malformed, or labels are unknown.
        TrainingError: the training diverged.
    """
    kept = results.runs_of(study, cell)
    source = registry.get(cell.dataset)
    raw = made = None
    for seed in cell.seeds:
        if seed in kept and not again:
            continue
        if raw is None:
            raw = source.read(paths.raw(cell.dataset))
        if made is None or study.seeded or cell.setting:  # else no seed splits the data otherwise
            made = _problem(study, cell, seed, raw, source)
        problem, cost = made
        results.add(study, cell, _about(problem), _run(study, cell, seed, problem, cost))


def _problem(
    study: Study, cell: Cell, seed: int, raw: RawDataset, source: Source
) -> tuple[Problem, dict[str, Any]]:
    """What a seed learns from, and what its encoder took, the shared pretraining aside."""
    config, share = study.config(cell, seed), study.train_share(cell)
    if share < 1:
        raw = subsets.thinned(raw, share, seed)
    encoder = None
    if raw.images is not None:
        from pipeline.benchmark import pretraining  # an extra

        encoder = pretraining.shared(raw, config)
    started = time.process_time()
    problem = learning.problem(prepare.prepare(raw, source, config, encoder))
    spent = round(time.process_time() - started, 2)
    if problem.unknown is not None:
        raise DatasetError(
            f"{cell.dataset}: expected labels that are all known, as the methods of a study take "
            f"them, found {problem.unknown.nnz:,} unknown ones"
        )
    return problem, {} if raw.images is None else {"cpu_seconds_of_encoder": spent}


def _about(problem: Problem) -> dict[str, Any]:
    test = problem.data.rows("test")
    return {
        "nodes": {
            "total": len(problem.hierarchy),
            "scored": int(problem.scored.sum()),
            "with_test_positive": int((problem.positives(test) > 0).sum()),
        },
        "examples": {s: len(problem.data.rows(s)) for s in ("train", "valid", "test")},
    }


def _run(
    study: Study, cell: Cell, seed: int, problem: Problem, cost: dict[str, Any]
) -> dict[str, Any]:
    config = study.config(cell, seed)
    methods: dict[str, dict[str, Any]] = {}
    for name, model in _trained(cell, config, problem):
        methods[name] = _evaluated(model, problem, in_setting=bool(cell.setting))
        methods[name]["cost"] |= cost
    return {
        "seed": seed,
        "settings": settings_of(study, cell),
        "methods": methods,
        "machine": {
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "python": ".".join(map(str, sys.version_info[:3])),
            **{name: version(name) for name in ("numpy", "torch", "numba", "scikit-learn")},
        },
    }


def _trained(cell: Cell, config: Config, problem: Problem) -> Iterator[tuple[str, _Trained]]:
    """The method of a cell; the networks of `ours` are a method of their own, at no training."""
    if cell.method in CLASSICAL:
        yield cell.method, _classical(cell.method, config, problem)
        return
    own = cell.method == "ours" or cell.method.startswith("weighted-")
    method = cast(Method, "weighted" if own else cell.method)
    fitted, seconds = train.fit(method, learning.settings(method, config.train), problem, config)
    # Of all cores together: what else the machine does at the time matters less to them.
    networks = {"cpu_seconds": seconds.cpu_networks, "cpu_seconds_per_epoch": seconds.cpu_epoch}
    if cell.method != "ours":
        yield cell.method, _ensemble(fitted, None, networks, config, problem)
        return
    whole = networks | {"cpu_seconds": seconds.cpu_total()}
    yield "ours", _ensemble(fitted, None, whole, config, problem)
    name = f"weighted-{config.train.weighting.variant}"
    yield name, _ensemble(fitted, ["network"], networks, config, problem)


def _ensemble(
    fitted: Fitted,
    kinds: list[str] | None,
    cost: dict[str, Any],
    config: Config,
    problem: Problem,
) -> _Trained:
    started, beta = time.process_time(), config.train.beta
    model = fitted.ensemble(kinds, beta=beta)
    spent = {"cpu_seconds": round(cost["cpu_seconds"] + time.process_time() - started, 2)}
    spent["peak_memory_mb"] = _peak()
    data = problem.data
    rows = data.rows("train", "valid")
    if (judged := train.judged(problem, rows)) is not None:
        rows = rows[judged]
    expected = expected_f1(
        fitted,
        kinds,
        len(data.rows("test")),
        groups=data.examples["group"].to_numpy()[rows],
        beta=beta,
        scored=problem.scored,
    )
    return _Trained(model, cost | spent, expected)


def _classical(name: str, config: Config, problem: Problem) -> _Trained:
    from pipeline.benchmark import classical  # with it, half of scikit-learn

    data, started = problem.data, time.process_time()
    rows = data.rows("train", "valid")
    model = classical.fit(
        name,
        data.features,
        data.labels,
        problem.hierarchy,
        groups=data.examples["group"].to_numpy()[rows],
        scored=problem.scored,
        seed=config.seed,
        rows=rows,
        beta=config.train.beta,
    )
    spent = {"cpu_seconds": round(time.process_time() - started, 2), "peak_memory_mb": _peak()}
    return _Trained(model, spent, {})


def _evaluated(trained: _Trained, problem: Problem, *, in_setting: bool) -> dict[str, Any]:
    """Figures on the test split, whose probabilities have to fit into memory."""
    data, model = problem.data, trained.model
    test = data.rows("test")
    started = time.process_time()
    p = model.predict_proba(data.features[test])
    cost = trained.cost | {"cpu_seconds_to_predict": round(time.process_time() - started, 2)}
    # The same replicates for every method and seed: differences are paired.
    weights = row_weights(data.examples["group"].to_numpy()[test], REPLICATES, seed=0)
    slices, wanted = evaluate.rarity_and_depth(problem), REPLICATED
    if in_setting:
        support = problem.support()[problem.scored]
        slices |= {RARE.partition("/")[2]: support < RARE_BELOW}
        wanted += REPLICATED_IN_SETTINGS

    def predicted(rows: slice) -> np.ndarray:
        return p[rows]

    predictions = evaluate.on_test(model, problem, predicted)
    result = evaluate.measure(model, predictions, weights, slices)
    names = [name for name in wanted if name in result.figures]
    return {
        "test": evaluate.figures(result, slices),
        "replicates": {name: written(result.figures[name][1:]) for name in names},
        "quadrants": quadrants.measure(model, p, problem),
        "brier_skill": _brier_skill(p, model.share, problem, slices),
        "reliability": curves.reliability_curves(predictions, slices),
        "expected": trained.expected,
        "cafa": _gene_ontology(p, problem),
        "cost": cost,
    }


def _brier_skill(
    p: np.ndarray, share: np.ndarray, problem: Problem, slices: dict[str, np.ndarray]
) -> dict[str, float | None]:
    """1 - squared error / that of the training shares, of the nodes of each slice."""
    y = problem.labels[problem.data.rows("test")].toarray()[:, problem.scored]
    error = ((p[:, problem.scored] - y) ** 2).sum(0, dtype=np.float64)
    reference = ((share[problem.scored] - y) ** 2).sum(0)
    return {
        name: curves.number(1 - error[nodes].sum() / reference[nodes].sum())
        for name, nodes in slices.items()
        if reference[nodes].any()
    }


def _peak() -> int:
    """The most memory that this process has had, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _gene_ontology(p: np.ndarray, problem: Problem) -> dict[str, Any]:
    """F-max and S-min by namespace; nothing for other hierarchies."""
    from pipeline.benchmark import cafa  # an extra

    data = problem.data
    if not data.info["name"].endswith("_GO"):
        return {}
    return cafa.f_max_s_min(
        problem.hierarchy.nodes,
        data.edges[["child", "parent"]].itertuples(index=False, name=None),
        problem.labels[data.rows("train", "valid")],
        problem.labels[data.rows("test")],
        p,
        scored=problem.scored,
    )
