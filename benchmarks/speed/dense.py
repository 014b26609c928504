"""The published constraint as its formula reads: a dense product in float64 (docs/method.md, 2).

Written from the formula alone. It is what the bounds measure our constraint against, each time in a
process of its own: what we ask of the allocator (pipeline/hml/memory.py) must not speed it up.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from benchmarks.speed import clock
from pipeline.hml import Hierarchy


def descendants(hierarchy: Hierarchy) -> torch.Tensor:
    """(1, node, node) float64: 1 where the column is the row's node or a descendant of it."""
    below = hierarchy.ancestor_matrix.T.toarray()
    return torch.from_numpy(below).double()[None]


def maximum(p: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """The maximum of p (example, node), not negative, over each node and its descendants."""
    expanded = p.double()[:, None, :].expand(-1, below.shape[1], -1)
    return (below * expanded).max(dim=2).values


def step(
    hierarchy: Hierarchy, features: int, hidden: int, *, dropout: float, batch: int
) -> Callable[[], float]:
    """One published training step: a network of three layers, two dense products, BCE and Adam.

    The examples are random; each call of what comes back makes a step and returns the loss.
    """
    nodes = len(hierarchy)
    network = nn.Sequential(
        *[nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout)],
        *[nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)],
        *[nn.Linear(hidden, nodes), nn.Sigmoid()],
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    below = descendants(hierarchy)
    x = torch.randn(batch, features)
    y = torch.from_numpy(hierarchy.close((torch.rand(batch, nodes) < 2 / nodes).double().numpy()))

    def run() -> float:
        optimiser.zero_grad()
        p = network(x)
        judged = (1 - y) * maximum(p, below) + y * maximum(y * p, below)
        loss = functional.binary_cross_entropy(judged, y)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return run


def product_seconds(hierarchy: Hierarchy, batch: int, rounds: int) -> float:
    """Median of the maximum, forward and backward."""
    below = descendants(hierarchy)
    p = torch.rand(batch, len(hierarchy))

    def run() -> None:
        leaf = p.clone().requires_grad_()
        value = maximum(leaf, below)
        value.backward(torch.ones_like(value))

    return clock.median(run, rounds=rounds)


def step_seconds(
    hierarchy: Hierarchy, features: int, hidden: int, dropout: float, batch: int, rounds: int
) -> float:
    """Median of a step."""
    action = step(hierarchy, features, hidden, dropout=dropout, batch=batch)
    return clock.median(action, rounds=rounds)
