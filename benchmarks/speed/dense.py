"""The published constraint as its formula reads: a dense product in float64 (docs/method.md, 2).

Written from the formula alone. It is what the bounds measure our constraint against.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

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
