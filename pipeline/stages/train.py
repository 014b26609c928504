"""Train the ensemble and its baselines on train+valid, with the same members and the tuned values.

Each example is left out by two members of each kind, whose scores place the cuts and combine the
kinds. Without `cross_fit` all members learn from everything, and decide at 0.5 alone.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import progress
from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.errors import DatasetError
from pipeline.hml import Ensemble, Settings, save_bundle
from pipeline.hml.fitting import Fitted, fit_members
from pipeline.hml.folds import FEWEST
from pipeline.hml.network import Networks
from pipeline.hml.timing import step_ratio
from pipeline.stages import bundling, elsewhere, learning
from pipeline.stages.elsewhere import Learner
from pipeline.stages.learning import Method, Problem


def run(config: Config) -> list[Path]:
    """Write models/bundle and one bundle per trained baseline into models/baselines."""
    problem = learning.read_problem()
    tuned = learning.tuned_values()
    methods = learning.methods(config.train)
    # Both at the end or neither: the baselines of one run do not belong beside another's bundle.
    with (
        files.whole_folder(paths.BUNDLE) as bundle,
        files.whole_folder(paths.BASELINES) as others,
        elsewhere.learner() as learner,
    ):

        def fit_one(method: Method) -> tuple[Fitted, Seconds]:
            settings = learning.settings(method, config.train, tuned[method])
            return fit(method, settings, problem, config, learner)

        for method, (fitted, seconds) in elsewhere.each(methods, fit_one, at_once=bool(learner)):
            settings = learning.settings(method, config.train, tuned[method])
            name = learning.full_name(method, tuned[method])
            whole = seconds.total()
            made: dict[str, Any] = {"seed": config.seed, "tuned": tuned[method]}
            made |= {"train": config.train.model_dump(), "dataset": problem.data.info}
            spent = {"epochs": settings.epochs, "seconds_per_epoch": seconds.epoch}
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
    return [paths.BUNDLE, paths.BASELINES]


class Seconds:
    """What a fit takes, from its start."""

    def __init__(self) -> None:
        self._marks = [time.perf_counter()]
        self._cpu = [time.process_time()]

    def mark(self) -> None:
        """An epoch has ended."""
        self._marks.append(time.perf_counter())
        self._cpu.append(time.process_time())

    @property
    def networks(self) -> float:
        """Until the last epoch."""
        return round(self._marks[-1] - self._marks[0], 2)

    @property
    def epoch(self) -> float:
        """The median of an epoch."""
        return round(float(statistics.median(np.diff(self._marks))), 4)

    @property
    def cpu_networks(self) -> float:
        """Seconds of all cores together until the last epoch."""
        return round(self._cpu[-1] - self._cpu[0], 2)

    @property
    def cpu_epoch(self) -> float:
        """The median of an epoch, seconds of all cores together."""
        return round(float(statistics.median(np.diff(self._cpu))), 4)

    def total(self) -> float:
        """Until now."""
        return round(time.perf_counter() - self._marks[0], 2)

    def cpu_total(self) -> float:
        """Until now, seconds of all cores together."""
        return round(time.process_time() - self._cpu[0], 2)


def fit(
    method: Method,
    settings: Settings,
    problem: Problem,
    config: Config,
    learner: Learner | None = None,
) -> tuple[Fitted, Seconds]:
    """Fit the members of one method: of all kinds for the product's own, networks for baselines.

    With a `learner` they are learnt elsewhere.
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
    with progress.bar(f"training {method}", total=settings.epochs, unit="epoch") as bar:

        def after_epoch(epoch: int, networks: Networks) -> None:
            seconds.mark()
            bar.advance(1)

        fitted = fit_members(
            data.features,
            data.labels,
            problem.hierarchy,
            settings,
            kinds=config.train.kinds if method == "weighted" else ["network"],
            cross_fit=cross_fit,
            groups=groups,
            unknown=problem.unknown,
            seed=config.seed,
            rows=rows,
            scored=problem.scored,
            on_epoch=after_epoch,
            elsewhere=learner,
        )
        if learner is not None:
            seconds.mark()
            bar.advance(settings.epochs)
    return fitted, seconds


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


_BRING = "The bundle holds the {} of the training examples."
_KINDS = {
    "neighbours": "- As many members that average the labels of an example's nearest training "
    f"examples. {_BRING.format('features and labels')}",
    "kernel": f"- As many kernel ridge regressions of the labels. {_BRING.format('features')}",
    "forest": "- As many forests that average the labels of the training examples in the same "
    f"leaves. {_BRING.format('labels')}",
}


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
            "The cuts of the decision rules come from scores of these examples by the two members "
            "that did not learn from them."
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
