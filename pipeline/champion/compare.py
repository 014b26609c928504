"""Champion and challenger on the same holdout; `python -m pipeline.champion.compare` in a worktree.

The holdout is the challenger's test split without every example that the champion has learnt from,
itself or anything of its group. Nodes are those that both have. Labels are closed upward; what the
champion's data hold, too, has the labels that were accepted with them: held against labels that
were spoilt since, the better model would look the worse. Differences are paired by group.
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from pipeline import config as configs
from pipeline import progress
from pipeline.artifacts import files, paths, prepared
from pipeline.artifacts.prepared import Prepared
from pipeline.champion import learnt
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.datasets.tables import frames
from pipeline.datasets.tables.encoder import FILES
from pipeline.datasets.tables.files import several
from pipeline.errors import ArtifactError, DatasetError, RarenodeError
from pipeline.hml import Ensemble, load_bundle
from pipeline.hml.bundle import read_extra
from pipeline.hml.evaluation import Evaluation, evaluate, row_weights
from pipeline.hml.predictions import Predictions
from pipeline.hml.slices import RARITY_BINS, rarity_bins
from pipeline.prediction import model as models
from pipeline.prediction.model import Model
from pipeline.stages import learning
from pipeline.stages.learning import Problem

SCHEMA = 1


class Incomparable(Exception):
    """Why the two cannot be held against each other."""


def compare(champion: Path, config: Config, accepted: Path | None = None) -> dict[str, Any]:
    """Hold the bundle of this worktree against a champion's.

    Args:
        champion: the folder of its bundle.
        config: params.yaml of the worktree.
        accepted: the champion's prepared data, if its labels count; see above.

    Returns:
        `schema`; `reason`, why nothing could be compared, or None; `holdout`: how many `examples`,
        `groups`, examples with `accepted` labels, `nodes`, nodes `with_positive`, and test examples
        that are `left_out`; `figures`:
        `name`, `nodes`, `challenger`, `champion`, `difference` and `ci95`, None where a figure is
        not defined.

    Raises:
        RarenodeError: the worktree's own artifacts are missing or damaged.
    """
    problem, challenger = learning.read_problem(), load_bundle(paths.BUNDLE)
    try:
        known = _learnt(champion, config)
        found = models.load(champion)
        return _compared(problem, challenger, found, champion, known, config, accepted)
    except (Incomparable, ArtifactError) as error:
        return {"schema": SCHEMA, "reason": str(error), "holdout": None, "figures": []}


def _learnt(champion: Path, config: Config) -> np.ndarray:
    own = config.tables if config.dataset not in registry.names() else None
    if own is not None and own.features.id is None and own.features.group is None:
        raise Incomparable(
            "rows are numbered, so nobody can tell which ones the champion has learnt from: name a "
            "column of ids or of groups (tables.features)"
        )
    content = read_extra(champion).get(learnt.FILE)
    if content is None:
        raise Incomparable(f"the champion does not say what it has learnt from ({learnt.FILE})")
    return learnt.from_bytes(content)


def _compared(
    problem: Problem,
    challenger: Ensemble,
    found: Model,
    folder: Path,
    known: np.ndarray,
    config: Config,
    accepted: Path | None,
) -> dict[str, Any]:
    data = problem.data
    test = data.rows("test")
    ids, groups = (data.examples[name].to_numpy()[test] for name in ("id", "group"))
    fresh = learnt.fresh(known, ids, groups)
    rows, groups = test[fresh], groups[fresh]
    ours, theirs = _common(problem, found.ensemble)
    labels, unknown, old = _labels(problem, rows, ours, found.ensemble, theirs, accepted)
    positive = np.asarray(labels.sum(axis=0, dtype=np.int64))
    holdout = {
        "examples": len(rows),
        "groups": len(set(groups)),
        "accepted": old,
        "nodes": len(ours),
        "with_positive": int((positive > 0).sum()),
        "left_out": len(test) - len(rows),
    }
    result: dict[str, Any] = {"schema": SCHEMA, "reason": None, "holdout": holdout, "figures": []}
    if not len(rows) or not (positive > 0).any():
        return result
    rule = "tuned" if {"tuned"} <= {*challenger.cuts} & {*found.ensemble.cuts} else "half"
    weights = row_weights(groups, config.retrain.replicates, seed=config.seed)
    support = problem.support()[ours]
    judged = (labels, unknown, support, weights, rule)
    with progress.bar("comparing", total=2, unit="model") as bar:
        first = _evaluated(challenger, np.asarray(data.features[rows]), ours, *judged)
        bar.advance(note="challenger")
        features = _encoded(found, folder, data, rows, config)
        second = _evaluated(found.ensemble, features, theirs, *judged)
        bar.advance(note="champion")
    bins = rarity_bins(support)
    nodes = {f"macro_ap/rarity={name}": int((bins == name).sum()) for name in RARITY_BINS}
    names = ["micro_ap", "macro_ap", f"macro_f1/{rule}", *(n for n, some in nodes.items() if some)]
    result["figures"] = [
        {"name": name, "nodes": nodes.get(name, len(ours)), **_difference(first, second, name)}
        for name in names
    ]
    return result


def _common(problem: Problem, champion: Ensemble) -> tuple[np.ndarray, np.ndarray]:
    """The scored nodes that both have: their places in either hierarchy."""
    index = champion.hierarchy.index
    ours = [
        place
        for place, node in enumerate(problem.hierarchy.nodes)
        if problem.scored[place] and node in index
    ]
    if not ours:
        raise Incomparable("champion and challenger have no scored node in common")
    theirs = [index[problem.hierarchy.nodes[place]] for place in ours]
    return np.array(ours), np.array(theirs)


def _labels(
    problem: Problem,
    rows: np.ndarray,
    ours: np.ndarray,
    champion: Ensemble,
    theirs: np.ndarray,
    accepted: Path | None,
) -> tuple[sparse.csr_array, sparse.csr_array | None, int]:
    """Positives and unknown labels (example, common node), and how many examples have old ones."""
    labels = sparse.csr_array(problem.labels[rows][:, ours])
    unknown = problem.unknown_of(rows)
    unknown = None if unknown is None else sparse.csr_array(unknown[:, ours])
    if accepted is None:
        return labels, unknown, 0
    before = learning.problem(prepared.read(accepted))
    if before.hierarchy.nodes != champion.hierarchy.nodes:
        raise Incomparable("the champion's data have other nodes than the champion")
    place = {name: row for row, name in enumerate(before.data.examples["id"])}
    names = problem.data.examples["id"].to_numpy()[rows]
    then = np.array([place.get(name, -1) for name in names])
    known = np.flatnonzero(then >= 0)
    kept = np.flatnonzero(then < 0)
    order = np.argsort(np.concatenate([kept, known]))

    def joined(now: sparse.csr_array | None, old: sparse.csr_array | None) -> sparse.csr_array:
        shape = (len(rows), len(ours))
        now = sparse.csr_array(shape, dtype=np.bool_) if now is None else now
        mine = sparse.csr_array((len(known), len(ours)), dtype=np.bool_)
        mine = mine if old is None else old[then[known]][:, theirs]
        return sparse.csr_array(sparse.vstack([now[kept], mine], format="csr")[order])

    old = before.unknown
    if unknown is not None or old is not None:
        unknown = joined(unknown, old)
    return joined(labels, before.labels), unknown, len(known)


def _evaluated(
    ensemble: Ensemble,
    features: np.ndarray,
    nodes: np.ndarray,
    labels: sparse.csr_array,
    unknown: sparse.csr_array | None,
    support: np.ndarray,
    weights: np.ndarray,
    rule: str,
) -> Evaluation:
    """Figures of one of the two; all but the common nodes are passed over.

    Args:
        ensemble: the one.
        features: (example, feature) as it takes them.
        nodes: (common node,) their places in its hierarchy.
        labels: (example, common node).
        unknown: the same.
        support: (common node,) positives that the challenger has learnt from.
        weights: see `row_weights`.
        rule: that decides.
    """
    scored = np.zeros(len(ensemble.hierarchy), np.bool_)
    scored[nodes] = True
    bins = rarity_bins(support[np.argsort(nodes)])
    predictions = Predictions(
        _placed(labels, nodes, len(scored)),
        lambda rows: ensemble.predict_proba(features[rows]),
        scored,
        None if unknown is None else _placed(unknown, nodes, len(scored)),
    )
    return evaluate(
        predictions,
        {rule: partial(ensemble.decide, rule=rule)},
        ensemble.share,
        weights,
        {f"rarity={name}": bins == name for name in RARITY_BINS if (bins == name).any()},
    )


def _placed(labels: sparse.csr_array, nodes: np.ndarray, width: int) -> sparse.csr_array:
    """Labels (example, common node) in a hierarchy's own columns."""
    found = labels.tocoo()
    values = np.ones(found.nnz, np.bool_)
    return sparse.csr_array((values, (found.row, nodes[found.col])), (labels.shape[0], width))


def _difference(challenger: Evaluation, champion: Evaluation, name: str) -> dict[str, Any]:
    gap, (low, high) = challenger.difference(champion, name)
    known = not math.isnan(low)
    return {
        "challenger": _number(challenger.point(name)),
        "champion": _number(champion.point(name)),
        "difference": _number(gap),
        "ci95": [_number(low), _number(high)] if known else None,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.6g}")


def _encoded(
    found: Model, folder: Path, data: Prepared, rows: np.ndarray, config: Config
) -> np.ndarray:
    """(row, feature) as the champion takes them: by its own encoder where it has one."""
    if config.tables is not None and any(name in read_extra(folder) for name in FILES):
        return _from_table(found, data, rows, config)
    if (seen := _seen(found, data, rows)) is not None:  # of a data set of ours
        return seen
    place = {name: column for column, name in enumerate(data.feature_names)}
    if missing := [name for name in found.features if name not in place]:
        raise Incomparable(
            f"the champion takes features that the data no longer have: {several(missing)}"
        )
    return np.asarray(data.features[rows])[:, [place[name] for name in found.features]]


def _seen(found: Model, data: Prepared, rows: np.ndarray) -> np.ndarray | None:
    """(row, feature) of images, where the champion looks at them."""
    if found.looker is None:
        return None
    if data.images is None or data.images.pixels.shape[1:] != found.looker.shape:
        shape = "none" if data.images is None else f"images of {data.images.pixels.shape[1:]}"
        raise Incomparable(
            f"the champion takes images of {found.looker.shape} (height, width, channels), the "
            f"data have {shape}"
        )
    return found.looker.features(np.asarray(data.images.pixels[rows]))


def _from_table(found: Model, data: Prepared, rows: np.ndarray, config: Config) -> np.ndarray:
    """From the raw rows of the challenger's table, a block at a time."""
    table = paths.raw(config.dataset) / registry.of(config).files()[0].name
    wanted = np.zeros(len(data.examples), np.bool_)
    wanted[rows] = True
    parts: list[np.ndarray] = []
    done = 0
    try:
        there = set(frames.names(table))
        found.plan.check(frames.names(table), table, needless=found.needless, ignore_unknown=True)
        columns = [name for name in found.plan.names if name in there]
        for block in frames.blocks(table, columns):
            frame = found.frame(block, table)
            mine = wanted[done : done + len(frame)]
            if mine.any():
                seen = _seen(found, data, done + np.flatnonzero(mine))
                parts.append(found.encoded(frame[mine], seen))
            done += len(frame)
    except DatasetError as error:
        raise Incomparable(f"the champion cannot read the challenger's table: {error}") from None
    return np.concatenate(parts)


def main() -> int:
    """Compare; return 0, or 2 if the user can fix what stopped it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.champion.compare")
    parser.add_argument("champion", type=Path, help="the folder of its bundle")
    parser.add_argument("output", type=Path, help="JSON")
    parser.add_argument("--accepted", type=Path, help="the folder of its prepared data")
    asked = parser.parse_args()
    try:
        found = compare(asked.champion, configs.load(), asked.accepted)
        files.write_json(asked.output, found)
    except RarenodeError as error:
        progress.refuse(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
