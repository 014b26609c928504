"""Members of each kind, learnt from one problem."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from pipeline.hml.checkpoint import Keeper
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members import (
    ForestMembers,
    KernelMembers,
    Members,
    NeighbourMembers,
    NetworkMembers,
)
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import EpochEnd, Settings, train
from pipeline.hml.unknown import Unknown


@dataclass(frozen=True)
class Problem:
    """What members are fitted on; see `fit_members`.

    Attributes:
        features: (example, feature).
        rows: (row,) the examples that are learnt from.
        labels: (example, node) boolean CSR.
        closed: (row, node) boolean CSR, closed upward.
        hierarchy: of the nodes.
        settings: of the networks.
        learns: (member, row) bool, or None: all from all.
        preprocessing: what features go through.
        scored: (node,) bool, or None: all.
        weight: (row,) float64 above 0, what each row counts, or None: 1.
        unknown: (row, node), see `unknown`, or None: everything is known.
        seed: of everything.
    """

    features: np.ndarray
    rows: np.ndarray
    labels: sparse.csr_array
    closed: sparse.csr_array
    hierarchy: Hierarchy
    settings: Settings
    learns: np.ndarray | None
    preprocessing: Standardizer
    scored: np.ndarray | None
    weight: np.ndarray | None
    unknown: Unknown | None
    seed: int

    def learnt_labels(self) -> sparse.csr_array:
        """(row, node) boolean CSR, as given."""
        return sparse.csr_array(sparse.csr_array(self.labels)[self.rows])

    def standardised(self, rows: slice = slice(None)) -> np.ndarray:
        """(row, feature) float32 of some of the rows."""
        return self.preprocessing.transform(np.asarray(self.features[self.rows[rows]]))


def _networks(problem: Problem, on_epoch: EpochEnd | None, keeper: Keeper | None) -> Members:
    networks = train(
        problem.features,
        problem.labels,
        problem.hierarchy,
        problem.settings,
        seed=problem.seed,
        rows=problem.rows,
        learns=problem.learns,
        preprocessing=problem.preprocessing,
        scored=problem.scored,
        unknown=problem.unknown,
        weight=problem.weight,
        on_epoch=on_epoch,
        keeper=keeper,
    )
    return NetworkMembers(networks, problem.hierarchy)


def _neighbours(problem: Problem, on_epoch: EpochEnd | None, keeper: Keeper | None) -> Members:
    assert problem.learns is not None
    features, labels = problem.standardised(), problem.learnt_labels()
    return NeighbourMembers(
        features,
        labels,
        problem.hierarchy,
        problem.learns,
        weight=problem.weight,
        unknown=problem.unknown,
    )


def _kernel(problem: Problem, on_epoch: EpochEnd | None, keeper: Keeper | None) -> Members:
    assert problem.learns is not None
    features, labels = problem.standardised(), problem.learnt_labels()
    return KernelMembers(
        features,
        labels,
        problem.hierarchy,
        problem.learns,
        weight=problem.weight,
        unknown=problem.unknown,
    )


def _forest(problem: Problem, on_epoch: EpochEnd | None, keeper: Keeper | None) -> Members:
    assert problem.learns is not None
    return ForestMembers.grow(
        problem.standardised(),
        problem.learnt_labels(),
        problem.hierarchy,
        problem.learns,
        weight=problem.weight,
        unknown=problem.unknown,
        seed=problem.seed,
        threads=torch.get_num_threads(),
    )


LEARN: dict[str, Callable[[Problem, EpochEnd | None, Keeper | None], Members]] = {
    "network": _networks,
    "neighbours": _neighbours,
    "forest": _forest,
    "kernel": _kernel,
}
