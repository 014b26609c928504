"""A small problem that can be learnt, for tests of training and of what comes after it."""

import numpy as np
from scipy import sparse

from pipeline.hml import Hierarchy

from .reference import Dag

# A diamond, a short cut, a second root, a node alone and one that is never positive.
DAG = Dag(
    (("l", "t"), ("r", "t"), ("d", "l"), ("d", "r"), ("e", "d"), ("e", "t"), ("m", "s")),
    ("alone", "never"),
)
HIERARCHY = Hierarchy.from_edges(DAG.edges, nodes=DAG.nodes)
FEATURES = 6


def problem(
    examples: int = 96, *, seed: int = 0, noise: float = 0.3
) -> tuple[np.ndarray, sparse.csr_array]:
    """Features (example, feature) float32 and the most specific nodes' labels, as stages hold them.

    A node is positive where a linear score of its own exceeds a limit; the limits differ, so that
    rare nodes are among them. The directions are the same for each seed.
    """
    directions = np.random.default_rng(99).normal(size=(FEATURES, len(HIERARCHY)))
    directions /= np.linalg.norm(directions, axis=0)
    limits = np.linspace(0.6, 1.8, len(HIERARCHY))
    limits[HIERARCHY.index["never"]] = np.inf
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, FEATURES))
    y = x @ directions + noise * rng.normal(size=(examples, len(HIERARCHY))) > limits
    return x.astype(np.float32), sparse.csr_array(y)
