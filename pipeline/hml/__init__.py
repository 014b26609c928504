"""The core: hierarchies, the weighted loss, ensembles of networks, decisions and metrics.

A library that knows nothing of files (its bundle aside), command lines or orchestration. What is
exported here is the contract; `metrics`, `decisions` and `slices` are modules of plain functions.
"""

from typing import TYPE_CHECKING, Any

from pipeline.hml import bootstrap, decisions, metrics, slices
from pipeline.hml.bundle import load_bundle, save_bundle
from pipeline.hml.constraint import coherent, constrained_probability
from pipeline.hml.ensemble import Ensemble
from pipeline.hml.fitting import fit_members
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import imbalance_weights
from pipeline.hml.losses import weighted_loss
from pipeline.hml.objective import Objective
from pipeline.hml.training import Settings, train
from pipeline.hml.uncertainty import uncertainty

if TYPE_CHECKING:
    from pipeline.hml.classifier import RareNodeClassifier

__all__ = [
    "Ensemble",
    "Hierarchy",
    "Objective",
    "RareNodeClassifier",
    "Settings",
    "bootstrap",
    "coherent",
    "constrained_probability",
    "decisions",
    "fit_members",
    "imbalance_weights",
    "load_bundle",
    "metrics",
    "save_bundle",
    "slices",
    "train",
    "uncertainty",
    "weighted_loss",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes longer to import than all the rest, and most stages do not need it.
    if name == "RareNodeClassifier":
        from pipeline.hml.classifier import RareNodeClassifier

        return RareNodeClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
