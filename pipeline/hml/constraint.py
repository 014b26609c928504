"""The coherent constraint: a node is at least as probable as each of its descendants.

Giunchiglia & Lukasiewicz, "Coherent Hierarchical Multi-Label Classification Networks", NeurIPS
2020.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch.autograd.function import once_differentiable

from pipeline.hml import kernels, levels, threads
from pipeline.hml.hierarchy import Hierarchy

Scores = TypeVar("Scores", np.ndarray, torch.Tensor)


def coherent(p: Scores, hierarchy: Hierarchy) -> Scores:
    """The maximum over each node and its descendants (docs/method.md, section 2).

    Coherent, idempotent, and never below `p`. The subgradient goes to one arg-max: the node itself
    if it is one, else the first in node order. The maximum commutes with the sigmoid, so logits may
    be given as well.

    Args:
        p: (…, node) float32 or float64, torch (differentiable once) or numpy.
        hierarchy: of these nodes.

    Returns:
        The same shape, type and dtype.

    Raises:
        ValueError: the last axis is not the nodes, or the dtype is another one.

    Examples:
        Of an animal, a cat and a dog: the cat lifts the animal, and the gradient of both goes to
        the cat.

        >>> import torch
        >>> from pipeline.hml import Hierarchy, coherent
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> p = torch.tensor([[0.25, 0.5, 0.125]], requires_grad=True)
        >>> coherent(p, hierarchy).tolist()
        [[0.5, 0.5, 0.125]]
        >>> coherent(p, hierarchy).sum().backward()
        >>> p.grad.tolist()
        [[0.0, 2.0, 1.0]]
    """
    hierarchy.check_nodes(p.shape, "p")
    result: Any = hierarchy_maximum(_floating(p, "p"), None, hierarchy)
    return result.numpy() if isinstance(p, np.ndarray) else result


def constrained_probability(p: Scores, y: Any, hierarchy: Hierarchy) -> Scores:
    """The probability that the constraint loss judges at each entry (docs/method.md, section 3).

    Where y = 1, the maximum of p over the node's *positive* descendants (itself included); where
    y = 0, over all of its descendants.

    Args:
        p: (member, example, node) float32 or float64, torch (differentiable once) or numpy. Logits
            may be given as well.
        y: (example, node) zeros and ones, closed upward.
        hierarchy: of these nodes.

    Returns:
        As p.

    Raises:
        ValueError: shapes or dtypes do not fit, y holds something else than 0 and 1, or y is not
            closed upward.

    Examples:
        One member, two examples. Of a dog, the animal is judged by what the dog says; the cat's 0.6
        is wrong and must not answer for it. Of neither, everything that lifts the animal is wrong:

        >>> import numpy as np
        >>> from pipeline.hml import Hierarchy, constrained_probability
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> p = np.array([[[0.3, 0.6, 0.4], [0.3, 0.6, 0.4]]])
        >>> constrained_probability(p, [[1, 0, 1], [0, 0, 0]], hierarchy).tolist()
        [[[0.4, 0.6, 0.4], [0.6, 0.6, 0.4]]]
    """
    scores = _floating(p, "p")
    labels = checked_labels(y, scores, hierarchy)
    result: Any = hierarchy_maximum(scores, labels, hierarchy)
    return result.numpy() if isinstance(p, np.ndarray) else result


def checked_labels(
    y: Any, scores: Float[torch.Tensor, "... node"], hierarchy: Hierarchy
) -> Bool[torch.Tensor, "example node"]:
    """Labels as booleans that fit scores (…, example, node); ValueError says what does not fit."""
    hierarchy.check_nodes(tuple(scores.shape), "scores")
    labels = torch.as_tensor(y)
    if scores.ndim < 2 or labels.shape != scores.shape[-2:]:
        raise ValueError(
            "y must have shape (example, node), the last two axes of the (member, example, node) "
            f"scores {tuple(scores.shape)}. Got {tuple(labels.shape)}"
        )
    if labels.dtype != torch.bool:
        wrong = labels[(labels != 0) & (labels != 1)]
        if len(wrong):
            raise ValueError(f"y must hold zeros and ones only. Got {wrong[0].item()}")
        labels = labels != 0
    hierarchy.check_closed(kernels.as_labels(labels.detach().cpu().numpy()))
    return labels.to(scores.device)


def hierarchy_maximum(
    scores: Float[torch.Tensor, "*rows node"],
    labels: Bool[torch.Tensor, "example node"] | None,
    hierarchy: Hierarchy,
) -> Float[torch.Tensor, "*rows node"]:
    """The two maxima above without their checks, for callers that have made them."""
    return _HierarchyMaximum.apply(scores, labels, hierarchy)  # pyright: ignore[reportReturnType]


class _HierarchyMaximum(torch.autograd.Function):
    """Forward keeps the arg-max; backward is one scatter-add."""

    @staticmethod
    def forward(
        ctx: Any, scores: torch.Tensor, labels: torch.Tensor | None, hierarchy: Hierarchy
    ) -> torch.Tensor:
        value, ctx.argument = maximum(scores, labels, hierarchy)
        return value

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Any
    ) -> tuple[torch.Tensor, None, None]:
        return scatter_add(gradients[0], ctx.argument), None, None


# Where the arg-max is: int32 from the kernels, int64 from the tensor operations, as scatter_add_
# wants it.
Columns = Shaped[torch.Tensor, "*rows node"]


def maximum(
    scores: Float[torch.Tensor, "*rows node"],
    labels: Bool[torch.Tensor, "example node"] | None,
    hierarchy: Hierarchy,
) -> tuple[Float[torch.Tensor, "*rows node"], Columns]:
    """The maxima and their arg-max columns: compiled on the CPU, level by level elsewhere."""
    scores = scores.detach()
    if scores.device.type != "cpu":
        return levels.maximum(scores, labels, hierarchy)
    value = torch.empty(scores.shape, dtype=scores.dtype)
    argument = torch.empty(scores.shape, dtype=torch.int32)
    score, best, where = _rows(scores), _rows(value), _rows(argument)
    edges = hierarchy.start, hierarchy.parent
    lengths = *score.shape, len(hierarchy.parent)
    arrays = score, *edges, best, where
    threads.over_rows(kernels.maximum, kernels.maximum_in_team, arrays, *lengths)
    if labels is not None:
        label = kernels.as_labels(labels.numpy())
        arrays = score, label, *edges, best, where
        body = kernels.restrict_in_team
        threads.over_rows(kernels.restrict_to_positives, body, arrays, len(label), *lengths)
    return value, argument


def scatter_add(
    gradient: Float[torch.Tensor, "*rows node"], argument: Columns
) -> Float[torch.Tensor, "*rows node"]:
    """What flows back through `maximum`: each entry goes to its arg-max column."""
    if gradient.device.type != "cpu":
        return torch.zeros_like(gradient).scatter_add_(-1, argument, gradient)
    out = torch.zeros(gradient.shape, dtype=gradient.dtype)
    arrays = _rows(gradient), _rows(argument), _rows(out)
    threads.over_rows(kernels.scatter_add, kernels.scatter_in_team, arrays, *arrays[0].shape)
    return out


def _rows(tensor: torch.Tensor) -> np.ndarray:
    """(row, node), contiguous: of a contiguous tensor the same memory."""
    return tensor.contiguous().numpy().reshape(-1, tensor.shape[-1])


def _floating(p: Shaped[Any, "..."], what: str) -> torch.Tensor:
    tensor = (
        torch.from_numpy(np.require(p, requirements=["C", "W"])) if isinstance(p, np.ndarray) else p
    )
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{what} must be float32 or float64. Got {tensor.dtype}")
    return tensor
