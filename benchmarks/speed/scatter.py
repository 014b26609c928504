"""The constraint in plain torch operations: an edge-wise scatter-max, level by level.

Out of place, because autograd needs what a level started from. `PLAIN` takes the tensor as it is.
The others, the fastest that we found, put nodes first, so that an edge moves a whole line.
"""

import warnings

import torch

from pipeline.hml import Hierarchy

Levels = list[tuple[torch.Tensor, torch.Tensor]]


def levels(hierarchy: Hierarchy) -> Levels:
    """The (child, parent) columns of the edges by the child's depth, deepest first."""
    child, parent = torch.tensor(hierarchy.edge_index)
    depth = torch.tensor(hierarchy.depth)[child]
    return [(child[depth == d], parent[depth == d]) for d in range(int(depth.max()), 0, -1)]


def on_rows(scores: torch.Tensor, edges: Levels) -> torch.Tensor:
    """Scores (row, node) -> the maximum over each node and its descendants; ties share gradient."""
    best = scores
    for child, parent in edges:
        target = parent.expand(len(scores), -1)
        best = best.scatter_reduce(1, target, best.index_select(1, child), "amax")
    return best


def by_scatter_reduce(scores: torch.Tensor, edges: Levels) -> torch.Tensor:
    """The same, nodes first."""
    best = scores.T.contiguous()
    for child, parent in edges:
        target = parent[:, None].expand(-1, len(scores))
        best = best.scatter_reduce(0, target, best.index_select(0, child), "amax")
    return best.T


def by_index_reduce(scores: torch.Tensor, edges: Levels) -> torch.Tensor:
    """Nodes first by `index_reduce`, which torch calls beta, and whose backward is quicker."""
    best = scores.T.contiguous()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"index_reduce\(\) is in beta")
        for child, parent in edges:
            best = best.index_reduce(0, parent, best.index_select(0, child), "amax")
    return best.T


PLAIN = "as it is"
FORMS = {
    PLAIN: on_rows,
    "nodes first": by_scatter_reduce,
    "nodes first, index_reduce": by_index_reduce,
}
