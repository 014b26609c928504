"""The core: hierarchies, the weighted loss, ensembles of networks, decisions and metrics.

A library that knows nothing of files (its bundle aside), command lines or orchestration. What is
exported here is the contract; `metrics`, `decisions` and `slices` are modules of plain functions.
"""

from pipeline.hml import bootstrap, decisions, metrics, slices
from pipeline.hml.bundle import load_bundle, save_bundle
from pipeline.hml.classifier import RareNodeClassifier
from pipeline.hml.constraint import coherent, constrained_probability
from pipeline.hml.ensemble import Ensemble
from pipeline.hml.fitting import fit_ensemble
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import imbalance_weights
from pipeline.hml.losses import weighted_loss
from pipeline.hml.training import Objective, Settings, train
from pipeline.hml.uncertainty import uncertainty

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
    "fit_ensemble",
    "imbalance_weights",
    "load_bundle",
    "metrics",
    "save_bundle",
    "slices",
    "train",
    "uncertainty",
    "weighted_loss",
]
