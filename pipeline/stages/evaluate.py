"""Figures on the test split: the ensemble, its baselines, intervals and paired differences."""

import math
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd

from pipeline import progress
from pipeline.artifacts import files, paths
from pipeline.config import Config
from pipeline.errors import ArtifactError
from pipeline.hml import Ensemble, decisions, load_bundle
from pipeline.hml.evaluation import Decide, Evaluation, evaluate, row_weights
from pipeline.hml.predictions import Predict, Predictions, Scores
from pipeline.hml.slices import RARITY_BINS, rarity_bins
from pipeline.hml.tuned import tuned_cuts
from pipeline.stages import curves, gallery, learning, linear_pixels, outcomes, summary
from pipeline.stages.curves import number
from pipeline.stages.learning import Method, Problem

SCHEMA = 1
RULE_FIGURES = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
_SLICE_KEYS = {"rarity": "bin", "depth": "depth"}  # what names a slice in metrics.json
OVERALL = ("micro_ap", "macro_ap", "brier_skill")


def run(config: Config) -> list[Path]:
    """Write reports/metrics.json, and what explains and sums it up in reports/evaluation."""
    problem = learning.read_problem()
    data = problem.data
    test = data.rows("test")
    positives = problem.positives(test)
    tuned = learning.tuned_values()
    own, *others = cast(list[Method], list(tuned))
    ours, baselines = learning.full_name(own, tuned[own]), [str(name) for name in others]
    bundle = _bundle(paths.BUNDLE, problem)
    if len(bundle.members) > 1:  # the networks alone stand beside all kinds together
        ours, baselines = learning.OURS, [ours, *baselines]
    ensembles = {ours: bundle}
    for name in baselines:
        ensembles[name] = _bundle(paths.BASELINES / learning.folder_name(name), problem)
    problems = dict.fromkeys(ensembles, problem)
    if data.images is not None:
        baselines.append(linear_pixels.METHOD)
        problems[linear_pixels.METHOD] = pixels = linear_pixels.problem(problem)
        folder = paths.BASELINES / linear_pixels.METHOD
        ensembles[linear_pixels.METHOD] = _bundle(folder, pixels)
    support = problem.support()
    groups = data.examples["group"].to_numpy()[test]
    weights = row_weights(groups, config.evaluate.bootstrap, seed=config.seed)
    slices = rarity_and_depth(problem)

    results: dict[str, Evaluation] = {}
    curve: dict[str, dict[str, Any]] = {}
    with files.whole_folder(paths.EVALUATION) as folder:
        with progress.bar("evaluating", total=len(ensembles) + 1, unit="method") as bar:
            for name, ensemble in ensembles.items():
                results[name], curve[name] = _evaluated(
                    ensemble, problems[name], weights, slices, folder if name == ours else None
                )
                bar.advance(1, note=name)
            results["prior"] = _prior(ensembles[ours], problem, weights, slices, config.train.beta)
            bar.advance(1, note="prior")

        members = {n: ensemble.members["network"].count for n, ensemble in ensembles.items()}
        metrics = {
            "schema": SCHEMA,
            "dataset": config.dataset,
            **({"caution": data.info["caution"]} if "caution" in data.info else {}),
            "method": ours,
            "kinds": [*bundle.members],
            "members": members[ours],
            "seed": config.seed,
            "profile": config.profile,
            "nodes": {
                "total": len(problem.hierarchy),
                "scored": int(problem.scored.sum()),
                "with_test_positive": int((positives > 0).sum()),
            },
            "examples": {s: len(data.rows(s)) for s in ("train", "valid", "test")},
            **_unknown(problem),
            "test": figures(results[ours], slices),
            "ci95": _intervals(results[ours]),
            "baselines": {
                name: {
                    "members": members.get(name, 0),
                    "test": figures(results[name], slices),
                    "ci95": _intervals(results[name]),
                    "difference": _differences(results[ours], results[name]),
                }
                for name in ("prior", *baselines)
            },
        }
        files.write_json(paths.METRICS, metrics)
        _write_nodes(problem, positives, support, results, folder / "nodes.csv")
        names = ["nodes.csv", *curves.write(curve, folder), "outcomes.json"]
        names += summary.write(metrics, folder)
        names += ["images.json"] * (data.images is not None)
    return [paths.METRICS, *(paths.EVALUATION / name for name in names)]


def _unknown(problem: Problem) -> dict[str, Any]:
    """How many labels of scored nodes are unknown in each split, where some are."""
    if problem.unknown is None:
        return {}
    counts = {
        split: int(problem.unknown[problem.data.rows(split)][:, problem.scored].sum())
        for split in ("train", "valid", "test")
    }
    return {"unknown": counts}


def _bundle(path: Path, problem: Problem) -> Ensemble:
    ensemble = load_bundle(path)
    if ensemble.hierarchy.nodes != problem.hierarchy.nodes:
        raise ArtifactError(
            f"expected a bundle of the nodes of {paths.PREPARED} in {path}, found other nodes. "
            "Run the stage `train` again."
        )
    return ensemble


class Model(Protocol):
    """What is evaluated: an `Ensemble`, or what predicts and decides as one does."""

    @property
    def share(self) -> np.ndarray:
        """See `Ensemble`."""
        ...

    @property
    def cuts(self) -> dict[str, np.ndarray]:
        """See `Ensemble`."""
        ...

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """See `Ensemble`."""
        ...

    def decide(self, p: Any, rule: str) -> np.ndarray:
        """See `Ensemble`."""
        ...


def measure(
    model: Model,
    predictions: Predictions,
    weights: np.ndarray,
    slices: dict[str, np.ndarray],
    *,
    scores: Scores | None = None,
) -> Evaluation:
    """The figures of an ensemble on the test split.

    Args:
        model: of the problem's nodes.
        predictions: see `on_test`.
        weights: (row, test example), see `row_weights`.
        slices: see `rarity_and_depth`.
        scores: what a first pass has found, where it is made already.
    """
    return evaluate(predictions, deciders(model), model.share, weights, slices, scores=scores)


def on_test(model: Model, problem: Problem, predict: Predict | None = None) -> Predictions:
    """Predictions of the test split.

    Args:
        model: of the problem's nodes.
        problem: the data.
        predict: from a range of test examples to their probabilities; None asks the model.
    """
    test, features = problem.data.rows("test"), problem.data.features
    return Predictions(
        problem.labels[test],
        predict or (lambda rows: model.predict_proba(features[test[rows]])),
        problem.scored,
        problem.unknown_of(test),
    )


def _evaluated(
    ensemble: Ensemble,
    problem: Problem,
    weights: np.ndarray,
    slices: dict[str, np.ndarray],
    folder: Path | None,
) -> tuple[Evaluation, dict[str, Any]]:
    """The figures of an ensemble on the test split, and its curves as `curves.write` takes them.

    Args:
        ensemble: of the problem's nodes.
        problem: the data.
        weights: (row, test example), see `row_weights`.
        slices: see `rarity_and_depth`.
        folder: of outcomes.json, and of images.json where there are images; None: neither is made.
    """
    predictions = on_test(ensemble, problem)
    scores, curve = _first_pass(ensemble, problem, predictions, slices, folder)
    return measure(ensemble, predictions, weights, slices, scores=scores), curve


def _first_pass(
    ensemble: Ensemble,
    problem: Problem,
    predictions: Predictions,
    slices: dict[str, np.ndarray],
    folder: Path | None,
) -> tuple[Scores, dict[str, Any]]:
    """The scores that figures start from, and all else that one look at each prediction tells.

    What counts it is gone when the next pass begins, which takes the most memory.
    """
    cuts = {rule: values[problem.scored] for rule, values in ensemble.cuts.items()}
    curve = curves.Curves(predictions, deciders(ensemble), cuts, slices)
    counted: dict[str, outcomes.Outcomes | gallery.Gallery] = {}
    if folder is not None:
        support = problem.support()
        counted["outcomes.json"] = outcomes.Outcomes(ensemble, problem, support)
        if problem.data.images is not None:
            counted["images.json"] = gallery.Gallery(ensemble, problem, support)
    scores = predictions.scores(curve.add, *(one.add for one in counted.values()))
    if folder is not None:
        for name, one in counted.items():
            files.write_json(folder / name, one.result())
    return scores, curve.result()


def deciders(model: Model) -> dict[str, Decide]:
    """Each of a model's rules, from probabilities to decisions."""
    return {rule: partial(model.decide, rule=rule) for rule in model.cuts}


def rarity_and_depth(problem: Problem) -> dict[str, np.ndarray]:
    """Rarity bins and depths as masks over the scored nodes."""
    bins = rarity_bins(problem.support()[problem.scored])
    depth = problem.hierarchy.depth[problem.scored]
    return {f"rarity={name}": bins == name for name in RARITY_BINS} | {
        f"depth={value}": depth == value for value in np.unique(depth)
    }


def _prior(
    ensemble: Ensemble,
    problem: Problem,
    weights: np.ndarray,
    slices: dict[str, np.ndarray],
    beta: float,
) -> Evaluation:
    """No learning: each node's share in the training data, for every example alike."""
    test, share = problem.data.rows("test"), ensemble.share

    def predict(rows: slice) -> np.ndarray:
        return np.broadcast_to(share, (rows.stop - rows.start, len(share)))

    fit = problem.data.rows("train", "valid")
    # All examples have the same scores, so that two of them tie as all do.
    alike = np.tile(share, (min(2, len(test)), 1))
    cuts = {
        "half": lambda: decisions.half_cuts(len(share)),
        "prior_matched": lambda: decisions.prior_matched_cuts(alike, share),
        "tuned": lambda: tuned_cuts(
            Predictions(problem.labels[fit], predict, unknown=problem.unknown_of(fit)), beta=beta
        ),
        # Alike examples reach a cut together, which no budget allows.
        "budget": lambda: np.full(len(share), np.inf),
    }
    decided = {
        rule: decisions.decide(share[None], cuts[rule](), problem.hierarchy)
        for rule in ensemble.cuts
    }
    decide = {rule: partial(_always, row) for rule, row in decided.items()}
    predictions = on_test(ensemble, problem, predict)
    return evaluate(predictions, decide, share, weights, slices)


def _always(decision: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.broadcast_to(decision, p.shape)


def figures(result: Evaluation, slices: dict[str, np.ndarray]) -> dict[str, Any]:
    """A method's figures as metrics.json has them, six digits each."""

    def rules(suffix: str = "") -> dict[str, dict[str, float | None]]:
        return {
            rule: {name: number(result.point(f"{name}/{rule}{suffix}")) for name in RULE_FIGURES}
            for rule in result.node_recall
        }

    def by(kind: str) -> list[dict[str, Any]]:
        return [
            {
                _SLICE_KEYS[kind]: int(value) if kind == "depth" else value,
                "nodes": int(slices[key].sum()),
                "macro_ap": number(result.point(f"macro_ap/{key}")),
                "rules": rules(f"/{key}"),
            }
            for key in slices
            for prefix, _, value in [key.partition("=")]
            if prefix == kind
        ]

    # Said where it is more than nothing: see docs/method.md, section 8.
    bound = {"ap_error": {"micro_ap": _round(result.ap_error)}} if result.ap_error else {}
    return (
        {name: number(result.point(name)) for name in OVERALL}
        | bound
        | {"rules": rules()}
        | {"by_rarity": by("rarity"), "by_depth": by("depth")}
    )


def _intervals(result: Evaluation) -> dict[str, list[float]]:
    known = {name: result.interval(name) for name in result.figures}
    return {
        name: [_round(low), _round(high)]
        for name, (low, high) in known.items()
        if not math.isnan(low)
    }


def _differences(ours: Evaluation, other: Evaluation) -> dict[str, dict[str, Any]]:
    differences: dict[str, dict[str, Any]] = {}
    for name in ours.figures:
        if name not in other.figures:
            continue  # a rule that needs scores of examples that a member did not learn from
        gap, (low, high) = ours.difference(other, name)
        if not math.isnan(low):
            differences[name] = {"mean": _round(gap), "ci95": [_round(low), _round(high)]}
    return differences


def _write_nodes(
    problem: Problem,
    positives: np.ndarray,
    support: np.ndarray,
    results: dict[str, Evaluation],
    path: Path,
) -> None:
    nodes = problem.data.nodes.loc[problem.scored].reset_index(drop=True)
    table = nodes.assign(support=support[problem.scored], test_positives=positives)
    if problem.unknown is not None:
        unknown = problem.unknown[problem.data.rows("test")].sum(axis=0, dtype=np.int64)
        table["test_unknown"] = unknown[problem.scored]
    for name, result in results.items():
        table[f"ap_{name}"] = result.node_ap
        for rule, recall in result.node_recall.items():
            table[f"recall_{rule}_{name}"] = recall
    pd.DataFrame(table).to_csv(path, index=False, float_format="%.6g")


def _round(value: float) -> float:
    """Six digits are more than any interval here resolves, and keep the file readable."""
    return float(f"{value:.6g}")
