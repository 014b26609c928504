"""Train the ensemble and its baselines on train+valid, with the same members and the tuned values.

Each method trains twice: on train alone, whose validation scores place the cuts, then on
train+valid. Without `held_out_cuts` it trains once and decides at 0.5 alone.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline import progress
from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.hml import Ensemble, Settings, fit_ensemble, save_bundle
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.timing import step_ratio
from pipeline.hml.training import Training
from pipeline.stages import learning
from pipeline.stages.learning import Method, Problem


def run(config: Config) -> list[Path]:
    """Write models/bundle and one bundle per trained baseline into models/baselines."""
    problem = learning.read_problem()
    tuned = learning.tuned_values()
    methods = learning.methods(config.train)
    # Both at the end or neither: the baselines of one run do not belong beside another's bundle.
    with files.whole_folder(paths.BUNDLE) as bundle, files.whole_folder(paths.BASELINES) as others:
        for method in methods:
            settings = learning.settings(method, config.train, tuned[method])
            started = time.perf_counter()
            ensemble, epoch_seconds = fit(method, settings, problem, config)
            name = learning.full_name(method, tuned[method])
            cost.record_method(
                "train",
                name,
                seconds=round(time.perf_counter() - started, 2),
                seconds_per_epoch=round(epoch_seconds, 4),
                epochs=settings.epochs,
            )
            made = {"method": name, "seed": config.seed, "tuned": tuned[method]}
            made |= {"train": config.train.model_dump(), "dataset": problem.data.info}
            card = _card(name, ensemble, problem, settings)
            folder = bundle if method == "weighted" else others / learning.folder_name(method)
            save_bundle(folder, ensemble, config=made, card=card)
            preprocessing = ensemble.preprocessing
            del ensemble  # two of a hundred thousand nodes need not fit into memory
            if method != "bce":
                ratio = _step_ratio(settings, preprocessing, problem, config)
                cost.add_to_method("train", name, step_ratio_to_plain_bce=ratio)
    return [paths.BUNDLE, paths.BASELINES]


def fit(
    method: Method, settings: Settings, problem: Problem, config: Config
) -> tuple[Ensemble, float]:
    """Fit one method; also return the median seconds of an epoch on train+valid."""
    data = problem.data
    rows = data.rows("train", "valid")
    twice = config.train.held_out_cuts
    held_out = data.examples["split"].to_numpy()[rows] == "valid" if twice else None
    epochs = (1 + twice) * settings.epochs
    marks: list[float] = []
    with progress.bar(f"training {method}", total=epochs, unit="epoch") as bar:

        def part(name: str) -> Callable[[int, Networks], None]:
            marks[:] = [time.perf_counter()]

            def after_epoch(epoch: int, networks: Networks) -> None:
                marks.append(time.perf_counter())
                bar.advance(1, note=f"for the {name}" if name == "cuts" else "on train+valid")

            return after_epoch

        ensemble = fit_ensemble(
            data.features,
            data.labels,
            problem.hierarchy,
            settings,
            held_out=held_out,
            seed=config.seed,
            rows=rows,
            scored=problem.scored,
            on_epoch=part,
        )
    return ensemble, statistics.median(np.diff(marks))


def _step_ratio(
    settings: Settings, preprocessing: Standardizer, problem: Problem, config: Config
) -> float:
    """A training step over one that knows no hierarchy and no weights, measured side by side."""
    data = problem.data
    training = Training(
        data.features,
        data.labels,
        problem.hierarchy,
        settings,
        seed=config.seed,
        rows=data.rows("train", "valid"),
        preprocessing=preprocessing,
        scored=problem.scored,
    )
    return round(step_ratio(training).ratio, 3)


def _card(name: str, ensemble: Ensemble, problem: Problem, settings: Settings) -> str:
    info, examples = problem.data.info, problem.data.examples
    counts = examples["split"].value_counts()
    lines = [
        f"# {name} on {info['name']}",
        "",
        *([f"**{info['caution']}**", ""] if "caution" in info else []),
        f"- {settings.members} networks of {settings.layers} layers, hidden {settings.hidden}.",
        f"- Nodes: {len(ensemble.hierarchy)}, of which {int(problem.scored.sum())} are scored.",
        f"- Trained on {counts['train'] + counts['valid']} examples (train+valid). "
        + (
            f"The cuts of the decision rules come from the {counts['valid']} validation examples, "
            "scored by an ensemble that did not learn from them."
            if "prior_matched" in ensemble.cuts
            else "Decisions are made at 0.5."
        ),
        f"- Data: {info.get('source')}, version {info.get('version')}.",
        f"- Notice: {info.get('notice')}",
        *[f"- {note}" for note in info.get("notes", [])],
        "- The figures on the test split are in reports/metrics.json of the run.",
        "",
        "Not for decisions about people without somebody who checks them.",
        "",
    ]
    return "\n".join(lines)
