"""The passes of `kernels` as tensor operations, level by level, for accelerators.

Parents are taken from the deepest level to the roots. Node depth is the length of the longest path,
so all children of a level lie below it and are complete when it is reached: there are as many steps
as levels, whatever the number of nodes. Results are those of the kernels, bit for bit where nothing
is summed. Nothing here waits for the device.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from pipeline.hml.hierarchy import Hierarchy

Scores = Float[torch.Tensor, "*rows node"]
Columns = Int64[torch.Tensor, "*rows node"]


@dataclass(frozen=True)
class Level:
    """The edges into the parents of one depth, and these parents, as tensors on one device."""

    child: Int64[torch.Tensor, " edge"]
    parent: Int64[torch.Tensor, " edge"]
    parents: Int64[torch.Tensor, " node"]


_LEVELS: "WeakKeyDictionary[Hierarchy, dict[torch.device, tuple[Level, ...]]]" = WeakKeyDictionary()


def levels(hierarchy: Hierarchy, device: torch.device) -> tuple[Level, ...]:
    """The levels that have children, deepest first; they are copied to a device once."""
    known = _LEVELS.setdefault(hierarchy, {})
    if device not in known:
        child, parent = hierarchy.edge_index
        depth = hierarchy.depth[parent]
        known[device] = tuple(
            Level(
                *(
                    torch.tensor(columns, device=device)
                    for columns in (child[here], parent[here], np.unique(parent[here]))
                )
            )
            for value in np.unique(depth)[::-1]
            for here in [depth == value]
        )
    return known[device]


def maximum(
    scores: Scores, labels: Bool[torch.Tensor, "example node"] | None, hierarchy: Hierarchy
) -> tuple[Scores, Columns]:
    """Maximum over each node and its descendants, with the first arg-max in node order.

    Args:
        scores: (…, node); (…, example, node) with labels.
        labels: closed upward. Where they are given, a positive node counts positive children only.
        hierarchy: of these nodes.

    Returns:
        The maxima and the arg-max columns, as scores.
    """
    value = scores.clone()
    own = torch.arange(len(hierarchy), device=scores.device)
    argument = own.expand(scores.shape).clone()
    nobody = len(hierarchy)
    for level in levels(hierarchy, scores.device):
        below = value[..., level.child]
        lifts = ~below.isnan()
        if labels is not None:
            lifts = lifts & ~(labels[..., level.parent] & ~labels[..., level.child])
        below = torch.where(lifts, below, -torch.inf)
        into = level.parent.expand(below.shape)
        value.scatter_reduce_(-1, into, below, "amax")
        highest = value[..., level.parents]
        itself = ~(highest > scores[..., level.parents])  # true for NaN as well
        argument[..., level.parents] = torch.where(itself, level.parents, nobody)
        reaches = lifts & (below == value[..., level.parent])
        first = torch.where(reaches, argument[..., level.child], nobody)
        argument.scatter_reduce_(-1, into, first, "amin")
    return value, argument


def close_upward(labels: torch.Tensor, hierarchy: Hierarchy) -> None:
    """Make every ancestor of a positive node positive, in place; labels (row, node) uint8."""
    for level in levels(hierarchy, labels.device):
        below = labels[:, level.child]
        labels.scatter_reduce_(1, level.parent.expand(below.shape), below, "amax")
