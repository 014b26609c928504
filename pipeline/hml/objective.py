"""What a training minimises, as settings and as a function of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import Kind, Variant, imbalance_weights, scored_nodes
from pipeline.hml.losses import Reduction, check_options, constraint_loss
from pipeline.hml.uncertainty import Mode


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

    def __post_init__(self) -> None:
        """Raise ValueError for an option that is out of range."""
        check_options(self.focal_floor, self.focal_power, self.reduction)


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_of(
    rows: sparse.csr_array,
    hierarchy: Hierarchy,
    objective: Objective,
    scored: np.ndarray | None,
    device: torch.device,
) -> Loss:
    """The loss of an objective, whose weights come from the examples that are learnt from.

    Args:
        rows: (example, node) boolean CSR of these examples; most specific nodes suffice.
        hierarchy: of the nodes.
        objective: see there.
        scored: (node,) bool, the nodes that enter; None is all.
        device: of the logits.

    Raises:
        ValueError: `scored` is not a mask over the nodes, or a name or range is wrong.
    """
    counted = None
    if scored is not None and not scored_nodes(scored, hierarchy).all():
        counted = torch.tensor(scored, device=device)
    if not objective.constraint:
        return plain_loss(counted, objective.reduction)
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
        positive, negative = (torch.from_numpy(weight).float().to(device) for weight in weights)

    def constrained(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return constraint_loss(
            logits,
            y,
            hierarchy,
            positive=positive,
            negative=negative,
            known=counted,
            mode=objective.mode,
            focal_floor=objective.focal_floor,
            focal_power=objective.focal_power,
            reduction=objective.reduction,
        )

    return constrained


def plain_loss(counted: torch.Tensor | None, reduction: Literal["mean", "sum"]) -> Loss:
    """Binary cross-entropy of the unconstrained logits: the baseline `bce`.

    Args:
        counted: (node,) bool, the nodes that enter; None is all.
        reduction: over examples and nodes; members are summed.
    """
    weight = None if counted is None else counted.float()
    nodes = None if weight is None else float(weight.sum())

    def plain(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = functional.binary_cross_entropy_with_logits(
            logits, y.to(logits.dtype).expand_as(logits), weight=weight, reduction="sum"
        )
        return (
            total / (len(y) * max(y.shape[1] if nodes is None else nodes, 1))
            if reduction == "mean"
            else total
        )

    return plain
