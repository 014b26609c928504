"""The weighted loss, the heart of the product (docs/method.md, section 3 and 6)."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch.nn import functional

from pipeline.hml.constraint import checked_labels, hierarchy_maximum
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.uncertainty import Mode, node_uncertainty

Reduction = Literal["mean", "sum"]


def weighted_loss(
    logits: Float[torch.Tensor, "member example node"],
    y: Any,
    hierarchy: Hierarchy,
    *,
    positive_weight: Any = None,
    negative_weight: Any = None,
    scored: Any = None,
    mask: Any = None,
    member_mask: Any = None,
    mode: Mode | None = None,
    focal_floor: float = 0.25,
    focal_power: float = 1.0,
    reduction: Reduction = "mean",
) -> Float[torch.Tensor, ""]:
    """Constraint loss, weighted per node by rarity and per entry by the ensemble's uncertainty.

        loss = sum over members of R( focal * w * bce ),   focal = floor + uncertainty ** power

    bce is the binary cross-entropy of the constrained probability (docs/method.md, section 3),
    computed on logits, where a wrong logit of any size keeps its gradient. w is the node's positive
    weight where y = 1, its negative weight where y = 0. The uncertainty (section 5) comes from the
    unconstrained probabilities, and no gradient flows through it. R is the sum, or the mean, over
    the entries that a member learns from, so a member's gradient does not depend on how many
    members there are.

    Without weights and mode this is MCLoss (Giunchiglia & Lukasiewicz, NeurIPS 2020); the weights
    are those of Xu et al., TMLR 2026.

    Args:
        logits: (member, example, node) float32 or float64.
        y: (example, node) zeros and ones, closed upward.
        hierarchy: of these nodes.
        positive_weight: (node,), see `imbalance_weights`; None is 1.
        negative_weight: (node,); None is 1.
        scored: (node,) bool, the nodes that enter the loss; None is all. A node that does not
            enter still lifts its ancestors.
        mask: (example, node) bool, the known labels; None is all.
        member_mask: (member, example) bool, which member learns from which example; None is all.
        mode: uncertainty mode, or None for a focal weight of 1.
        focal_floor: at least 0.
        focal_power: above 0.
        reduction: R, "mean" or "sum". A member without an entry adds 0.

    Returns:
        A scalar, differentiable in the logits.

    Raises:
        ValueError: a shape, dtype, range or name is wrong, y is not closed upward, or one member in
            a mode that compares members.
    """
    if logits.ndim != 3 or logits.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            "logits must be float32 or float64 of shape (member, example, node). "
            f"Got {logits.dtype} of shape {tuple(logits.shape)}"
        )
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be one of mean, sum. Got {reduction!r}")
    if not (focal_floor >= 0 and focal_power > 0):
        raise ValueError(
            "focal_floor must be at least 0 and focal_power above 0. "
            f"Got {focal_floor} and {focal_power}"
        )
    labels = checked_labels(y, logits, hierarchy)
    members, examples, nodes = logits.shape

    judged = hierarchy_maximum(logits, labels, hierarchy)
    bce = functional.softplus(torch.where(labels, -judged, judged))

    weight = torch.ones(examples, nodes, dtype=logits.dtype, device=logits.device)
    if positive_weight is not None or negative_weight is not None:
        positive = _weight(positive_weight, "positive_weight", logits)
        negative = _weight(negative_weight, "negative_weight", logits)
        weight = torch.where(labels, positive, negative)
    if mode is not None:
        doubt = node_uncertainty(logits.detach().sigmoid(), mode)
        weight = weight * (focal_floor + doubt**focal_power)

    known = torch.ones(examples, nodes, dtype=torch.bool, device=logits.device)
    if mask is not None:
        known = _boolean(mask, "mask", (examples, nodes), logits)
    if scored is not None:
        known = known & _boolean(scored, "scored", (nodes,), logits)
    if member_mask is not None:
        learns = _boolean(member_mask, "member_mask", (members, examples), logits)
        known = known & learns[:, :, None]
    # Chosen, not multiplied by 0: an entry that is left out may have an infinite loss.
    per_member = torch.where(known, bce * weight, 0).sum((1, 2))
    if reduction == "mean":
        per_member = per_member / known.sum((-2, -1)).clamp(min=1)
    return per_member.sum()


def _weight(value: Any, what: str, logits: torch.Tensor) -> torch.Tensor:
    nodes = logits.shape[2]
    if value is None:
        return torch.ones(nodes, dtype=logits.dtype, device=logits.device)
    weight = torch.as_tensor(value, dtype=logits.dtype, device=logits.device)
    if weight.shape != (nodes,):
        raise ValueError(
            f"{what} must have shape ({nodes},), one per node. Got {tuple(weight.shape)}"
        )
    wrong = weight[~((weight >= 0) & weight.isfinite())]
    if len(wrong):
        raise ValueError(f"{what} must be finite and not negative. Got {float(wrong[0])}")
    return weight


def _boolean(value: Any, what: str, shape: tuple[int, ...], logits: torch.Tensor) -> torch.Tensor:
    mask = torch.as_tensor(value, device=logits.device)
    if mask.shape != shape:
        raise ValueError(f"{what} must have shape {shape}. Got {tuple(mask.shape)}")
    if mask.dtype != torch.bool:
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError(f"{what} must hold zeros and ones, or booleans. Got {mask.dtype}")
        mask = mask != 0
    return mask
