"""Training an ensemble of networks."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch.nn import functional

from pipeline.errors import RarenodeError
from pipeline.hml import kernels
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import Kind, Variant, imbalance_weights, scored_nodes
from pipeline.hml.losses import Reduction, weighted_loss
from pipeline.hml.network import Networks
from pipeline.hml.uncertainty import COMPARES_MEMBERS, Mode


class TrainingError(RarenodeError):
    """Training that left the numbers: the loss is not finite any more."""


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes:
        constraint: True for the constraint loss, False for plain binary cross-entropy (`bce`, the
            baseline that is made coherent only at prediction time).
        variant: imbalance weights, or None for none. Needs the constraint, as does `mode`.
        floor: see `imbalance_weights`.
        kind: see `imbalance_weights`.
        mode: uncertainty mode of the focal weight, or None.
        focal_floor: see `weighted_loss`.
        focal_power: see `weighted_loss`.
        reduction: over examples and nodes; members are summed.
    """

    constraint: bool = True
    variant: Variant | None = None
    floor: float = 0.25
    kind: Kind = "node"
    mode: Mode | None = None
    focal_floor: float = 0.25
    focal_power: float = 1.0
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class Settings:
    """The ensemble and its optimiser (Adam with a coupled L2 penalty).

    Attributes:
        members: how many networks.
        hidden: units of each hidden layer.
        layers: linear layers, the output layer included.
        dropout: the share of hidden units that a training step leaves out, in [0, 1).
        batch_size: examples of a step.
        epochs: passes over the examples.
        learning_rate: Adam's.
        weight_decay: factor of the L2 penalty.
        objective: what is minimised.
    """

    members: int = 5
    hidden: int = 256
    layers: int = 2
    dropout: float = 0.5
    batch_size: int = 64
    epochs: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    objective: Objective = field(default_factory=Objective)

    def __post_init__(self) -> None:
        """Raise ValueError for a value out of range, or one member in a mode that compares them."""
        for name in ("members", "hidden", "layers", "batch_size", "epochs"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1. Got {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1. Got {self.dropout}")
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf):
            raise ValueError(
                "learning_rate must be above 0, weight_decay at least 0, both finite. "
                f"Got {self.learning_rate} and {self.weight_decay}"
            )
        mode = self.objective.mode
        if self.members < 2 and mode in COMPARES_MEMBERS:
            raise ValueError(f"mode {mode!r} compares members and needs at least 2. Got 1")


EpochEnd = Callable[[int, Networks], None]


def train(
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    settings: Settings,
    *,
    seed: int,
    scored: np.ndarray | None = None,
    on_epoch: EpochEnd | None = None,
) -> Networks:
    """Train an ensemble; the same arguments on the same machine give the same weights.

    Args:
        features: (example, feature) float32, finite; see `Standardizer`.
        labels: (example, node) boolean CSR. Most specific nodes suffice: each batch is closed
            upward, so no dense (example, node) array is ever needed.
        hierarchy: of these nodes.
        settings: see there.
        seed: of initial weights, dropout and the order of the examples.
        scored: (node,) bool, the nodes that enter the loss; None is all.
        on_epoch: called with the number of finished epochs and the networks (in training mode);
            what it raises ends the training.

    Raises:
        ValueError: shapes do not fit, or one member in a mode that compares members.
        TrainingError: the loss is not finite any more.
    """
    _check(features, labels, hierarchy)
    rows = sparse.csr_array(labels).astype(np.bool_)
    rows.sum_duplicates()
    rows.eliminate_zeros()  # the kernel takes every stored entry for a positive
    loss = _loss(rows, hierarchy, settings.objective, scored)
    order = np.random.default_rng([seed, 1])
    # The networks draw dropout masks from torch's global generator: borrow it, give it back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(order.integers(2**63)))
        sizes = (features.shape[1], *[settings.hidden] * (settings.layers - 1), len(hierarchy))
        networks = Networks(settings.members, sizes, dropout=settings.dropout, seed=seed)
        optimiser = torch.optim.Adam(
            networks.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        for epoch in range(1, settings.epochs + 1):
            total = torch.zeros(())
            networks.train()
            for batch in _batches(order.permutation(len(features)), settings.batch_size):
                y = np.zeros((len(batch), len(hierarchy)), dtype=np.uint8)
                kernels.dense_closed_rows(
                    rows.indptr, rows.indices, batch, hierarchy.child, hierarchy.parent, y
                )
                value = loss(
                    networks(torch.from_numpy(features[batch])), torch.from_numpy(y.view(bool))
                )
                optimiser.zero_grad(set_to_none=True)
                value.backward()
                optimiser.step()
                total += value.detach()
            if not bool(torch.isfinite(total)):
                raise TrainingError(
                    f"expected a finite loss, found {float(total)} in epoch {epoch} with learning "
                    f"rate {settings.learning_rate}, reduction {settings.objective.reduction!r}. "
                    "Lower the learning rate"
                )
            if on_epoch is not None:
                on_epoch(epoch, networks)
    return networks.eval()


@torch.no_grad()
def member_logits(
    networks: Networks, features: Float[np.ndarray, "example feature"]
) -> Float[torch.Tensor, "member example node"]:
    """Logits without dropout; the networks keep the mode they were in."""
    training = networks.training
    try:
        return networks.eval()(torch.from_numpy(np.ascontiguousarray(features)))
    finally:
        networks.train(training)


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _loss(
    rows: sparse.csr_array, hierarchy: Hierarchy, objective: Objective, scored: np.ndarray | None
) -> Loss:
    counted = None if scored is None else torch.tensor(scored_nodes(scored, hierarchy))
    if not objective.constraint:
        return _plain_loss(counted, objective.reduction)
    positive = negative = None
    if objective.variant is not None:
        weights = imbalance_weights(
            hierarchy.support(rows),
            rows.shape[0],
            hierarchy,
            variant=objective.variant,
            floor=objective.floor,
            kind=objective.kind,
            scored=scored,
        )
        positive, negative = (torch.from_numpy(weight).float() for weight in weights)

    def constrained(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return weighted_loss(
            logits,
            y,
            hierarchy,
            positive_weight=positive,
            negative_weight=negative,
            scored=counted,
            mode=objective.mode,
            focal_floor=objective.focal_floor,
            focal_power=objective.focal_power,
            reduction=objective.reduction,
        )

    return constrained


def _plain_loss(counted: torch.Tensor | None, reduction: Literal["mean", "sum"]) -> Loss:
    """Binary cross-entropy of the unconstrained logits: the baseline `bce`."""
    weight = None if counted is None else counted.float()

    def plain(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = functional.binary_cross_entropy_with_logits(
            logits, y.to(logits.dtype).expand_as(logits), weight=weight, reduction="sum"
        )
        nodes = y.shape[1] if weight is None else float(weight.sum())
        return total / (len(y) * max(nodes, 1)) if reduction == "mean" else total

    return plain


def _batches(permutation: np.ndarray, size: int) -> list[np.ndarray]:
    return [permutation[start : start + size] for start in range(0, len(permutation), size)]


def _check(features: np.ndarray, labels: sparse.csr_array, hierarchy: Hierarchy) -> None:
    if features.ndim != 2 or features.dtype != np.float32 or not len(features):
        raise ValueError(
            "features must be float32 of shape (example, feature) with an example. "
            f"Got {features.dtype} of shape {features.shape}"
        )
    if labels.shape != (len(features), len(hierarchy)):
        raise ValueError(
            f"labels must have shape (example, node) = {(len(features), len(hierarchy))}. "
            f"Got {labels.shape}"
        )
