"""What the constraint is compared with computes the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmarks.speed import dense, problems, scatter
from pipeline.hml import Hierarchy, constrained_probability
from pipeline.hml.constraint import hierarchy_maximum

ROWS = 6
Operation = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def hierarchy() -> Hierarchy:
    return problems.synthetic_hierarchy(120)


def distinct(hierarchy: Hierarchy) -> torch.Tensor:
    """Probabilities without ties: at ties the references share a gradient that we do not."""
    order = np.random.default_rng(0).permutation(ROWS * len(hierarchy))
    return torch.from_numpy((order + 1) / (len(order) + 2)).view(ROWS, -1).float()


def value_and_gradient(operation: Operation, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = p.clone().requires_grad_()
    value = operation(leaf)
    gradient = torch.linspace(-1, 1, value.numel()).view(value.shape)
    value.backward(gradient.to(value.dtype))
    assert leaf.grad is not None
    return value.detach().float(), leaf.grad


@pytest.mark.parametrize("name", ["dense", *scatter.FORMS])
def test_reference_has_the_constraint_s_value_and_gradient(name: str, hierarchy: Hierarchy):
    p = distinct(hierarchy)
    below, edges = dense.descendants(hierarchy), scatter.levels(hierarchy)

    def reference(scores: torch.Tensor) -> torch.Tensor:
        if name == "dense":
            return dense.maximum(scores, below)
        return scatter.FORMS[name](scores, edges)

    value, gradient = value_and_gradient(reference, p)
    ours, our_gradient = value_and_gradient(lambda s: hierarchy_maximum(s, None, hierarchy), p)
    assert not torch.equal(ours, p)  # something has been lifted
    torch.testing.assert_close(value, ours, rtol=0, atol=0)
    torch.testing.assert_close(gradient, our_gradient, rtol=0, atol=1e-5)


def test_two_dense_products_are_the_probability_that_the_constraint_loss_judges(
    hierarchy: Hierarchy,
):
    p, below = distinct(hierarchy), dense.descendants(hierarchy)
    y = hierarchy.close(torch.rand(p.shape) < 0.02)
    assert y.any()
    judged = torch.where(y, dense.maximum(y * p, below), dense.maximum(p, below))
    torch.testing.assert_close(judged.float(), constrained_probability(p[None], y, hierarchy)[0])


def test_dense_step_learns(hierarchy: Hierarchy):
    torch.manual_seed(0)
    run = dense.step(hierarchy, 3, 8, dropout=0.0, batch=4)
    losses = [run() for _ in range(60)]
    assert losses[-1] < losses[0]
