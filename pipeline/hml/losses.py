"""The weighted loss, the heart of the product (docs/method.md, section 3 and 6)."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Shaped
from torch.autograd.function import once_differentiable
from torch.nn import functional

from pipeline.hml.constraint import checked_labels, maximum, scatter_add
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

    Examples:
        A dog, of which a network says with certainty that it is a cat. Dogs weigh 5, and what is
        said of cats does not answer for the animal:

        >>> import torch
        >>> from pipeline.hml import Hierarchy, weighted_loss
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> logits = torch.tensor([[[0.0, 3.0, 0.0]]], requires_grad=True)  # animal, cat, dog
        >>> options = {"positive_weight": [1.0, 1.0, 5.0], "reduction": "sum"}
        >>> weighted_loss(logits, [[1, 0, 1]], hierarchy, **options).backward()
        >>> logits.grad
        tensor([[[-0.5000,  0.9526, -2.5000]]])
    """
    if logits.ndim != 3 or logits.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            "logits must be float32 or float64 of shape (member, example, node). "
            f"Got {logits.dtype} of shape {tuple(logits.shape)}"
        )
    check_options(focal_floor, focal_power, reduction)
    labels = checked_labels(y, logits, hierarchy)
    members, examples, nodes = logits.shape
    known = None if mask is None else _boolean(mask, "mask", (examples, nodes), logits)
    if scored is not None:
        counted = _boolean(scored, "scored", (nodes,), logits)
        known = counted if known is None else known & counted
    learns = None
    if member_mask is not None:
        learns = _boolean(member_mask, "member_mask", (members, examples), logits)
    return constraint_loss(
        logits,
        labels,
        hierarchy,
        positive=None if positive_weight is None else _weight(positive_weight, "positive", logits),
        negative=None if negative_weight is None else _weight(negative_weight, "negative", logits),
        known=known,
        learns=learns,
        mode=mode,
        focal_floor=focal_floor,
        focal_power=focal_power,
        reduction=reduction,
    )


def constraint_loss(
    logits: Float[torch.Tensor, "member example node"],
    labels: Bool[torch.Tensor, "example node"],
    hierarchy: Hierarchy,
    *,
    positive: Float[torch.Tensor, " node"] | None = None,
    negative: Float[torch.Tensor, " node"] | None = None,
    known: Bool[torch.Tensor, "*example node"] | None = None,
    learns: Shaped[torch.Tensor, "member example"] | None = None,
    mode: Mode | None = None,
    focal_floor: float = 0.25,
    focal_power: float = 1.0,
    reduction: Reduction = "mean",
) -> Float[torch.Tensor, ""]:
    """`weighted_loss` without its checks, for callers whose tensors are as they must be.

    `known` unites `mask` and `scored`; nothing waits for the device. `learns` is `member_mask`, or
    says what an example counts in a member's loss: 0 not at all, and a mean divides by the number
    of those that do.
    """
    one = torch.ones((), dtype=logits.dtype, device=logits.device)
    positive, negative = (one if weight is None else weight for weight in (positive, negative))
    weight = torch.where(labels, positive, negative)  # (example, node), shared by the members
    if mode is not None:
        doubt = node_uncertainty(logits.detach().sigmoid(), mode)
        if focal_power != 1:
            doubt = doubt**focal_power
        weight = weight * (doubt + focal_floor)
    share = None  # (member, example): what a row counts, where rows do not count the same
    entries: Any = max(logits[0].numel(), 1)
    if known is not None:
        known = known.expand_as(labels)
        weight = torch.where(known, weight, 0)
        entries = known.sum().clamp(min=1)
    if learns is not None:
        share = learns.to(logits.dtype)
        per_example = labels.shape[1] if known is None else known.sum(1)
        entries = (learns.bool() * per_example).sum(1, keepdim=True).clamp(min=1)
    if reduction == "mean" and share is None:
        weight = weight / entries
    elif reduction == "mean":
        share = share / entries
    loss: Any = _ConstraintLoss.apply(logits, labels, hierarchy, weight, share, known)
    return loss


class _ConstraintLoss(torch.autograd.Function):
    """The sum over members, examples and nodes of share * weight * bce, in few passes.

    With z the logit of the constrained probability, s = -1 for a positive and 1 for a negative
    label, bce = softplus(s z), and its derivative in z is s sigmoid(s z). The derivative goes to
    the arg-max that z was taken from. Written out, because autograd's own chain makes twice as many
    passes over (member, example, node), and these passes are what the loss costs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: torch.Tensor,
        labels: torch.Tensor,
        hierarchy: Hierarchy,
        weight: torch.Tensor,
        share: torch.Tensor | None,
        known: torch.Tensor | None,
    ) -> torch.Tensor:
        margin, argument = maximum(logits, labels, hierarchy)
        sign = 1 - 2 * labels.to(logits.dtype)
        margin *= sign
        if known is not None:
            margin.masked_fill_(~known, 0)  # it may be infinite, and 0 times that is not 0
        if share is not None:
            margin.masked_fill_((share == 0)[:, :, None], 0)
        ctx.save_for_backward(margin, argument, weight * sign, share)
        per_row = functional.softplus(margin, threshold=40).mul_(weight).sum(2)
        return per_row.sum() if share is None else (per_row * share).sum()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Any
    ) -> tuple[torch.Tensor, None, None, None, None, None]:
        margin, argument, signed_weight, share = ctx.saved_tensors
        slope = margin.sigmoid().mul_(signed_weight * gradients[0])
        if share is not None:
            slope *= share[:, :, None]
        return scatter_add(slope, argument), None, None, None, None, None


def check_options(focal_floor: float, focal_power: float, reduction: Any) -> None:
    """Raise ValueError for an option of the loss that is out of range."""
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be one of mean, sum. Got {reduction!r}")
    if not (focal_floor >= 0 and focal_power > 0):
        raise ValueError(
            "focal_floor must be at least 0 and focal_power above 0. "
            f"Got {focal_floor} and {focal_power}"
        )


def _weight(value: Any, what: str, logits: torch.Tensor) -> torch.Tensor:
    nodes = logits.shape[2]
    weight = torch.as_tensor(value, dtype=logits.dtype, device=logits.device)
    if weight.shape != (nodes,):
        raise ValueError(
            f"{what}_weight must have shape ({nodes},), one per node. Got {tuple(weight.shape)}"
        )
    wrong = weight[~((weight >= 0) & weight.isfinite())]
    if len(wrong):
        raise ValueError(f"{what}_weight must be finite and not negative. Got {float(wrong[0])}")
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
