"""Train the ensemble and its baselines on train+valid, with the same members and the tuned values.

Each example is left out by two members of each kind, whose scores place the cuts and combine the
kinds. Without `cross_fit` all members learn from everything, and decide at 0.5 alone.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import progress
from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.errors import DatasetError
from pipeline.hml import Ensemble, Settings, save_bundle
from pipeline.hml.fitting import Fitted, fit_members
from pipeline.hml.folds import FEWEST
from pipeline.hml.network import Networks
from pipeline.hml.timing import step_ratio
from pipeline.stages import bundling, checkpoints, elsewhere, identity, learning, linear_pixels
from pipeline.stages.checkpoints import Kept
from pipeline.stages.elsewhere import Learner
from pipeline.stages.learning import Method, Problem
from pipeline.stages.seconds import Seconds


def run(config: Config) -> list[Path]:
    """Write models/bundle and one bundle per trained baseline into models/baselines."""
    problem = learning.read_problem()
    tuned = learning.tuned_values()
    methods = learning.methods(config.train)
    settings = {name: learning.settings(name, config.train, tuned[name]) for name in methods}
    kept = {name: _kept(name, settings[name], problem, config) for name in methods}
    checkpoints.remove_others([*kept.values()])
    # Both at the end or neither: the baselines of one run do not belong beside another's bundle.
    with (
        files.whole_folder(paths.BUNDLE) as bundle,
        files.whole_folder(paths.BASELINES) as others,
        elsewhere.learner() as learner,
    ):

        def fit_one(method: Method) -> tuple[Fitted, Seconds, float]:
            made = fit(method, settings[method], problem, config, kept[method], learner)
            return *made, made[1].total()  # before it waits for the others

        for method, (fitted, seconds, whole) in elsewhere.each(methods, fit_one, learner):
            name = learning.full_name(method, tuned[method])
            made: dict[str, Any] = {"seed": config.seed, "tuned": tuned[method]}
            made |= {"train": config.train.model_dump(), "dataset": problem.data.info}
            spent = {"epochs": settings[method].epochs, "seconds_per_epoch": seconds.epoch}
            what = (fitted, made, spent, problem)
            where = bundle if method == "weighted" else others / learning.folder_name(method)
            if len(fitted.members) > 1:
                # The networks alone are a baseline that costs nothing: what do the kinds bring?
                _save(
                    name, others / learning.folder_name(name), ["network"], seconds.networks, *what
                )
                name = learning.OURS
            _save(name, where, [*fitted.members], whole, *what)
            if method != "bce":
                training = fitted.training()
                del fitted, what  # two of a hundred thousand nodes need not fit into memory
                ratio = round(step_ratio(training).ratio, 3)
                cost.add_to_method("train", name, step_ratio_to_plain_bce=ratio)
        if problem.data.images is not None:
            _fit_pixels(problem, config, others)
    checkpoints.remove_others([])
    return [paths.BUNDLE, paths.BASELINES]


def _fit_pixels(problem: Problem, config: Config, others: Path) -> None:
    """What images can do without an encoder, see `linear_pixels`."""
    pixels = linear_pixels.problem(problem)
    plain = linear_pixels.settings(learning.settings("bce", config.train))
    fitted, seconds = fit("bce", plain, pixels, config, label=linear_pixels.METHOD)
    made: dict[str, Any] = {"seed": config.seed, "tuned": {}}
    made |= {"train": config.train.model_dump(), "dataset": problem.data.info}
    spent = {"epochs": plain.epochs, "seconds_per_epoch": seconds.epoch}
    what = (["network"], seconds.total(), fitted, made, spent, pixels)
    _save(linear_pixels.METHOD, others / linear_pixels.METHOD, *what)


def _kept(method: Method, settings: Settings, problem: Problem, config: Config) -> Path:
    """Where the checkpoint of a method's networks lies: its name says what they depend on."""
    values = {
        "settings": asdict(settings),
        "cross_fit": config.train.cross_fit,
        "seed": config.seed,
        "threads": torch.get_num_threads(),  # sums are cut up by them, and may round otherwise
    }
    name = identity.key(problem, values, Path(__file__), Path(checkpoints.__file__))
    return paths.CHECKPOINTS / f"{learning.folder_name(method)}-{name}.safetensors"


def fit(
    method: Method,
    settings: Settings,
    problem: Problem,
    config: Config,
    kept: Path | None = None,
    learner: Learner | None = None,
    label: str | None = None,
) -> tuple[Fitted, Seconds]:
    """Fit the members of one method: of all kinds for the product's own, networks for baselines.

    `kept` is where the state of the networks' training is kept, to go on from there; a `learner`
    learns them elsewhere, and keeps nothing before its end. `label` is what the bar calls the
    method, where it is not trained for itself.
    """
    data = problem.data
    rows = data.rows("train", "valid")
    groups = data.examples["group"].to_numpy()[rows]
    # One member, as published, has nobody to leave its examples to.
    cross_fit = config.train.cross_fit and settings.members >= FEWEST
    if cross_fit and (found := len(np.unique(groups))) < settings.members:
        raise DatasetError(
            f"expected at least as many groups of examples in train+valid as train.members, "
            f"{settings.members}, found {found}: each member leaves out groups of its own. Lower "
            "train.members, or set train.cross_fit to false"
        )
    seconds = Seconds()
    kinds = config.train.kinds if method == "weighted" else ["network"]
    others = [_IN_WORDS[kind] for kind in kinds if kind != "network"]
    rest = ", ".join([*others, *(["cuts"] if cross_fit else [])])
    name = method if label is None else label
    with progress.bar(f"training {name}", total=settings.epochs, unit="epoch") as bar:

        def after_epoch(epoch: int, networks: Networks) -> None:
            seconds.mark()
            # What comes behind the last epoch is not counted, and may take a minute.
            more = bool(rest) and epoch >= settings.epochs
            bar.advance(1, note=f"now {rest}" if more else None, more=more)

        def going_on(epoch: int) -> None:
            progress.note(f"{method}: going on after epoch {epoch} of {settings.epochs}")
            bar.advance(epoch)

        keeper = None if kept is None else Kept(kept, settings.epochs, seconds, going_on)

        fitted = fit_members(
            data.features,
            data.labels,
            problem.hierarchy,
            settings,
            kinds=kinds,
            cross_fit=cross_fit,
            groups=groups,
            unknown=problem.unknown,
            seed=config.seed,
            rows=rows,
            judged=judged(problem, rows),
            scored=problem.scored,
            on_epoch=after_epoch,
            keeper=keeper,
            elsewhere=None if learner is None else learner.timed(seconds),
        )
        if learner is not None:
            bar.advance(settings.epochs)
    return fitted, seconds


def judged(problem: Problem, rows: np.ndarray) -> np.ndarray | None:
    """The rows whose labels no encoder has learnt from, where one has from others'."""
    learnt_from = problem.data.info.get("images", {}).get("learnt_from")
    if learnt_from is None:
        return None
    return (problem.data.examples["split"].to_numpy() != learnt_from)[rows]


def _save(
    name: str,
    folder: Path,
    kinds: list[str],
    seconds: float,
    fitted: Fitted,
    made: dict[str, Any],
    spent: dict[str, Any],
    problem: Problem,
) -> None:
    """Write the bundle of some kinds, and what they and their cuts took."""
    started = time.perf_counter()
    ensemble = fitted.ensemble(kinds, beta=made["train"]["beta"], budget=made["train"]["budget"])
    taken = round(seconds + time.perf_counter() - started, 2)
    cost.record_method("train", name, seconds=taken, **spent)
    card = _card(name, ensemble, problem, fitted.settings)
    extra = bundling.extra(problem.data)
    save_bundle(folder, ensemble, config={"method": name} | made, card=card, extra=extra)


_IN_WORDS = {"forest": "forests", "kernel": "kernel regressions", "neighbours": "neighbours"}
_BRING = "The bundle holds the {} of the training examples."
_KINDS = {
    "neighbours": "- As many members that average the labels of an example's nearest training "
    f"examples. {_BRING.format('features and labels')}",
    "kernel": f"- As many kernel ridge regressions of the labels. {_BRING.format('features')}",
    "forest": "- As many forests that average the labels of the training examples in the same "
    f"leaves. {_BRING.format('labels')}",
}


def _which(problem: Problem) -> str:
    """Which examples cuts come from."""
    learnt_from = problem.data.info.get("images", {}).get("learnt_from")
    if learnt_from is None:
        return "these examples"
    return "the validation split, whose labels no encoder learnt from,"


def _of_kernels(ensemble: Ensemble) -> list[str]:
    """Regressions of many nodes are stored as what they come from."""
    kernels = ensemble.members.get("kernel")
    if kernels is None or kernels.options()["solved"]:
        return []
    return ["- The regressions are solved when they are first asked for, from features and labels."]


def _card(name: str, ensemble: Ensemble, problem: Problem, settings: Settings) -> str:
    info, examples = problem.data.info, problem.data.examples
    counts = examples["split"].value_counts()
    lines = [
        f"# {name} on {info['name']}",
        "",
        *([f"**{info['caution']}**", ""] if "caution" in info else []),
        f"- {settings.members} networks of {settings.layers} layers, hidden {settings.hidden}.",
        *(_KINDS[kind] for kind in ensemble.members if kind in _KINDS),
        *_of_kernels(ensemble),
        f"- Nodes: {len(ensemble.hierarchy)}, of which {int(problem.scored.sum())} are scored.",
        f"- Trained on {counts['train'] + counts['valid']} examples (train+valid). "
        + (
            f"The cuts of the decision rules come from scores of {_which(problem)} by the "
            "two members that did not learn from them."
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
