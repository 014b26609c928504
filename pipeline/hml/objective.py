"""What a training minimises, as settings and as a function of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

from pipeline.hml import baselines, example_weights
from pipeline.hml.baselines import UNCONSTRAINED, Baseline
from pipeline.hml.example_weights import Weight
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.imbalance import Kind, Variant, imbalance_weights, scored_nodes
from pipeline.hml.losses import Reduction, check_options, constraint_loss
from pipeline.hml.uncertainty import Mode
from pipeline.hml.unknown import Unknown
from pipeline.hml.unknown import known as known_weight


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
        baseline: a method of others (see `baselines` and `resampling`) in the place of `variant`
            and `mode`, or None. "focal", "asymmetric" and "class_balanced" are made coherent only
            at prediction time and need `constraint` to be False; "observation_weighted" and
            "oversampling" are the constraint loss of weighted or resampled examples.

    Examples:
        A baseline is a method as its authors have it, so nothing goes beside it:

        >>> from pipeline.hml import Objective
        >>> Objective(baseline="oversampling", variant="paper")
        Traceback (most recent call last):
        ValueError: variant and mode must be None with baseline 'oversampling'. Got 'paper' and None
    """

    constraint: bool = True
    variant: Variant | None = None
    floor: float = 0.25
    kind: Kind = "node"
    mode: Mode | None = None
    focal_floor: float = 0.25
    focal_power: float = 1.0
    reduction: Reduction = "mean"
    baseline: Baseline | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an option that is out of range, or at odds with the baseline."""
        check_options(self.focal_floor, self.focal_power, self.reduction)
        if self.baseline is None:
            return
        if self.baseline not in get_args(Baseline):
            raise ValueError(
                f"baseline must be one of {', '.join(get_args(Baseline))}. Got {self.baseline!r}"
            )
        if self.variant is not None or self.mode is not None:
            raise ValueError(
                f"variant and mode must be None with baseline {self.baseline!r}. "
                f"Got {self.variant!r} and {self.mode!r}"
            )
        if self.constraint == (self.baseline in UNCONSTRAINED):
            raise ValueError(
                f"constraint must be {not self.constraint} with baseline {self.baseline!r}. "
                f"Got {self.constraint}"
            )


# Of logits (member, example, node), closed labels (example, node), which member learns from which
# example, (member, example) or None: bool, or what the example counts in the member's loss, and
# which labels are known, (example, node) bool or None: all.
Loss = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None], torch.Tensor
]
# Of logits (member, example, node) and closed labels (example, node): (member, example, node).
EntryLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Of closed labels (example, node): (example,).
ExampleWeight = Callable[[torch.Tensor], torch.Tensor]


def loss_of(
    rows: sparse.csr_array,
    hierarchy: Hierarchy,
    objective: Objective,
    scored: np.ndarray | None,
    device: torch.device,
    weight: Weight | None = None,
    unknown: Unknown | None = None,
) -> Loss:
    """The loss of an objective, whose weights come from the examples that are learnt from.

    That of "oversampling" is the constraint loss: which examples are drawn is the training's part.

    Args:
        rows: (example, node) boolean CSR of these examples; most specific nodes suffice.
        hierarchy: of the nodes.
        objective: see there.
        scored: (node,) bool, the nodes that enter; None is all.
        device: of the logits.
        weight: (example,) what each counts for the weights of nodes; None is 1.
        unknown: (example, node), which does not count for them; None: everything is known.

    Raises:
        ValueError: `scored` is not a mask over the nodes, a name or range is wrong, or a baseline
            is to learn from weighted examples.
    """
    if weight is not None and objective.baseline is not None:
        raise ValueError(
            f"sample_weight must be None with baseline {objective.baseline!r}, whose authors say "
            "nothing of it"
        )
    counted = None
    if scored is not None and not scored_nodes(scored, hierarchy).all():
        counted = torch.tensor(scored, device=device)
    reduction = objective.reduction
    if objective.baseline == "focal":
        return entrywise_loss(baselines.focal_loss, counted, reduction)
    if objective.baseline == "asymmetric":
        return entrywise_loss(baselines.asymmetric_loss, counted, reduction)
    if objective.baseline == "class_balanced":
        support = hierarchy.support(rows)
        weight = baselines.class_balanced_weights(support, hierarchy, scored=scored)
        return plain_loss(counted, reduction, torch.from_numpy(weight).float().to(device))
    if objective.baseline == "observation_weighted":
        return _observation_weighted(rows, hierarchy, scored, counted, reduction, device)
    if not objective.constraint:
        return plain_loss(counted, reduction)
    positive = negative = None
    if objective.variant is not None:
        closed = sparse.csr_array(hierarchy.close(rows))
        weights = imbalance_weights(
            example_weights.support(closed, weight),
            known_weight(closed, unknown, weight),
            hierarchy,
            variant=objective.variant,
            floor=objective.floor,
            kind=objective.kind,
            scored=scored,
        )
        positive, negative = (torch.from_numpy(weight).float().to(device) for weight in weights)

    def constrained(
        logits: torch.Tensor,
        y: torch.Tensor,
        learns: torch.Tensor | None,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return constraint_loss(
            logits,
            y,
            hierarchy,
            positive=positive,
            negative=negative,
            known=counted if known is None else _entering(known, counted),
            learns=learns,
            mode=objective.mode,
            focal_floor=objective.focal_floor,
            focal_power=objective.focal_power,
            reduction=reduction,
        )

    return constrained


def _observation_weighted(
    rows: sparse.csr_array,
    hierarchy: Hierarchy,
    scored: np.ndarray | None,
    counted: torch.Tensor | None,
    reduction: Reduction,
    device: torch.device,
) -> Loss:
    """The constraint loss of weighted examples."""
    rarest, least = baselines.rarest_node_weights(rows, hierarchy, scored=scored)
    weight = torch.from_numpy(rarest).float().to(device)

    def each(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return baselines.constrained_cross_entropy(logits, y, hierarchy)

    def of_examples(y: torch.Tensor) -> torch.Tensor:
        return baselines.observation_weights(y, weight, least)

    return entrywise_loss(each, counted, reduction, of_examples)


def plain_loss(
    counted: torch.Tensor | None,
    reduction: Literal["mean", "sum"],
    balanced: torch.Tensor | None = None,
) -> Loss:
    """Binary cross-entropy of the unconstrained logits: the baseline `bce`.

    Args:
        counted: (node,) bool, the nodes that enter; None is all.
        reduction: over examples and nodes; members are summed.
        balanced: (node,) weights of the nodes' entries, which a mean does not divide by; None is 1.
    """
    weight = None if counted is None else counted.float()
    nodes = None if weight is None else float(weight.sum())
    if balanced is not None:
        weight = balanced if weight is None else weight * balanced

    def plain(
        logits: torch.Tensor,
        y: torch.Tensor,
        learns: torch.Tensor | None,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        target = y.to(logits.dtype).expand_as(logits)
        size = max(y.shape[1] if nodes is None else nodes, 1)
        if learns is None and known is None:
            total = functional.binary_cross_entropy_with_logits(
                logits, target, weight=weight, reduction="sum"
            )
            return total / (len(y) * size) if reduction == "mean" else total
        each = functional.binary_cross_entropy_with_logits(
            logits, target, weight=weight, reduction="none"
        )
        if (enters := _entering(known, counted)) is not None:
            return _over_known(each.where(enters, 0).sum(2), learns, enters, reduction)
        return _over_examples(each.sum(2), learns, float(size), reduction)

    return plain


def entrywise_loss(
    each: EntryLoss,
    counted: torch.Tensor | None,
    reduction: Literal["mean", "sum"],
    example_weight: ExampleWeight | None = None,
) -> Loss:
    """Any loss that says what an entry costs, over the entries that each member learns from.

    Args:
        each: of logits and labels, the cost of each entry.
        counted: (node,) bool, the nodes that enter; None is all.
        reduction: over examples and nodes; members are summed.
        example_weight: of labels, a factor for each example, which a mean does not divide by; None
            is 1.
    """
    nodes = None if counted is None else float(counted.sum())

    def loss(
        logits: torch.Tensor,
        y: torch.Tensor,
        learns: torch.Tensor | None,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        entries = each(logits, y)
        if (enters := _entering(known, counted)) is not None:
            rows = entries.where(enters, 0).sum(2)
        else:
            rows = entries.sum(2) if counted is None else entries @ counted.to(entries.dtype)
        if example_weight is not None:
            rows = rows * example_weight(y)
        if enters is not None:
            return _over_known(rows, learns, enters, reduction)
        size = max(y.shape[1] if nodes is None else nodes, 1)
        return _over_examples(rows, learns, float(size), reduction)

    return loss


def _entering(known: torch.Tensor | None, counted: torch.Tensor | None) -> torch.Tensor | None:
    """(example, node) the known labels of the nodes that count; None where all are known."""
    return known if known is None or counted is None else known & counted


def _over_known(
    rows: torch.Tensor, learns: torch.Tensor | None, known: torch.Tensor, reduction: Reduction
) -> torch.Tensor:
    """As `_over_examples`, where examples (member, example) have their own numbers of labels."""
    per_example = known.sum(1)
    seen = torch.ones_like(rows, dtype=torch.bool) if learns is None else learns.bool()
    rows = torch.where(seen, rows, 0)
    if learns is not None and learns.is_floating_point():
        rows = rows * learns
    if reduction == "mean":
        rows = rows / (seen * per_example).sum(1, keepdim=True).clamp(min=1)
    return rows.sum()


def _over_examples(
    rows: torch.Tensor, learns: torch.Tensor | None, nodes: float, reduction: Reduction
) -> torch.Tensor:
    """The sum over members of the reduction of (member, example) sums over so many nodes."""
    if learns is None:
        return rows.sum() / (rows.shape[1] * nodes) if reduction == "mean" else rows.sum()
    seen = learns.bool()
    rows = torch.where(seen, rows, 0)
    if learns.is_floating_point():
        rows = rows * learns
    if reduction == "mean":
        rows = rows / (nodes * seen.sum(1, keepdim=True).clamp(min=1))
    return rows.sum()
