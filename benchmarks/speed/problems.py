"""What is measured: hierarchies of any size, and the two benchmarks that the bounds speak of."""

import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import sparse

from pipeline.benchmark.study import Grid, Method, Study
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.hml import Hierarchy, Settings
from pipeline.hml.preprocessing import Standardizer
from pipeline.stages import learning, prepare

HMC_DIR = "RARENODE_HMC_DIR"  # the folder with the published files, where there is one

# The share of the nodes on each level below the root: as in GO, most are in the middle.
_LEVELS = np.array([0.005, 0.03, 0.09, 0.17, 0.24, 0.22, 0.14, 0.07, 0.025, 0.01])
_SECOND_PARENT = 0.1
_LABELS = 5  # most specific nodes of an example
# features, nodes, examples of train+valid: what to imitate where there are no published files
_SHAPES = {"cellcycle_FUN": (77, 499, 2476), "cellcycle_GO": (77, 4126, 2473)}


@dataclass(frozen=True)
class Problem:
    """A training problem in memory.

    Attributes:
        name: for people; says "synthetic" where it is.
        features: (example, feature) float32, standardised.
        labels: (example, node) boolean CSR.
        hierarchy: of the nodes.
        scored: (node,) bool.
    """

    name: str
    features: np.ndarray
    labels: sparse.csr_array
    hierarchy: Hierarchy
    scored: np.ndarray


@lru_cache(maxsize=4)
def synthetic_hierarchy(nodes: int) -> Hierarchy:
    """A DAG of at most ten levels below one root; one node in ten has a second parent.

    The first parent lies on the level above and few nodes get most children, as in GO. The same
    number of nodes gives the same DAG.
    """
    random = np.random.default_rng(nodes)
    sizes = np.maximum(1, np.floor(_LEVELS * (nodes - 1)).astype(int))
    sizes[4] += nodes - 1 - sizes.sum()  # what rounding left over
    starts = np.concatenate([[0, 1], 1 + np.cumsum(sizes)])
    edges: list[tuple[str, str]] = []
    for level in range(1, len(starts) - 1):
        children = np.arange(starts[level], starts[level + 1])
        above = starts[level] - starts[level - 1]
        parents = starts[level - 1] + (random.random(len(children)) ** 2 * above).astype(int)
        second = random.random(len(children)) < _SECOND_PARENT
        others = (random.random(len(children)) * starts[level]).astype(int)
        edges += zip(map(str, children), map(str, parents), strict=True)
        edges += zip(map(str, children[second]), map(str, others[second]), strict=True)
    return Hierarchy.from_edges(edges)


def synthetic_problem(nodes: int, examples: int, features: int, *, name: str = "") -> Problem:
    """A problem on a synthetic hierarchy: few labels per example, few nodes with most of them."""
    random = np.random.default_rng([nodes, examples])
    hierarchy = synthetic_hierarchy(nodes)
    columns = (random.random(examples * _LABELS) ** 2 * nodes).astype(np.int32)
    rows = np.repeat(np.arange(examples), _LABELS)
    ones = np.ones(len(rows), dtype=bool)
    labels = sparse.csr_array((ones, (rows, columns)), shape=(examples, nodes))
    return Problem(
        name=name or f"synthetic, {nodes} nodes",
        features=random.standard_normal((examples, features), dtype=np.float32),
        labels=labels,
        hierarchy=hierarchy,
        scored=hierarchy.depth > 0,
    )


@lru_cache(maxsize=2)
def benchmark(name: str) -> Problem:
    """Train+valid of a published data set; a synthetic one of its shape where the files are not."""
    folder = os.environ.get(HMC_DIR)
    if not folder:
        features, nodes, examples = _SHAPES[name]
        return synthetic_problem(nodes, examples, features, name=f"{name} (synthetic)")
    source = registry.get(name)
    with tempfile.TemporaryDirectory() as raw:
        source.fetch(Path(raw), folder)
        data = prepare.prepare(source.read(Path(raw)), source, _config(name, "mcloss_1", 5))
    problem = learning.problem(data)
    rows = data.rows("train", "valid")
    features = np.asarray(data.features[rows])
    return Problem(
        name=name,
        features=Standardizer.fit(features).transform(features),
        labels=data.labels[rows],
        hierarchy=problem.hierarchy,
        scored=problem.scored,
    )


def settings(name: str, *, weighted: bool) -> Settings:
    """As published: the weighted loss as released with five members, or MCLoss with one."""
    chosen: tuple[Method, int] = ("weighted-released", 5) if weighted else ("mcloss", 1)
    config = _config(name, *chosen)
    return learning.settings("weighted" if weighted else "mcloss", config.train)


def _config(name: str, method: Method, members: int) -> Config:
    grid = Grid(datasets=[name], methods=[method], seeds=[0])
    study = Study(profile="published", members=members, page="", grids={"one": grid})
    (cell,) = study.cells.values()
    return study.config(cell, seed=0)
