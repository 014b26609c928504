"""Hypothesis strategies: random hierarchies, logits with ties, labels that are closed upward."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.hml import Hierarchy

from .reference import Dag

# What real taxonomies hold, and what breaks file formats, regular expressions and sorting.
ODD_NAMES = (
    "NA", "nan", "None", "", " ", "01/01/03", "10", "9", "HP:0000478", "a", "A", "ä", "a b", "a,b",
    'quote"d', "per%cent", "line\nbreak", "tab\t", "日本", "🦠", "e\u0301", "é", "@", "-1", "\\",
)  # fmt: skip

GRID = (-40.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 40.0)  # few values: ties are the rule

SHAPES = (
    Dag((), ("only",)),
    Dag((), ("b", "a", "c")),  # nothing but isolated nodes
    Dag((("c", "b"), ("b", "a"))),  # a chain, against the alphabet's order
    Dag((("a", "b"), ("b", "c"))),
    Dag((("l", "t"), ("r", "t"), ("d", "l"), ("d", "r"))),  # a diamond
    Dag((("d", "z"), ("d", "y"), ("d", "x"))),  # several roots, one child
    Dag((("c", "b"), ("b", "a"), ("c", "a"))),  # a short cut: the longest path counts
    Dag((("x", "r"), ("y", "r"), ("z", "r")), ("lone",)),
    Dag((("1", "0"), ("2", "0"), ("3", "1"), ("3", "2"), ("4", "3"), ("4", "0"), ("9", "8"))),
)


@st.composite
def random_dags(draw: st.DrawFn, max_nodes: int = 8) -> Dag:
    """Any DAG: isolated nodes, several roots, several parents, names in any order."""
    size = draw(st.integers(1, max_nodes))
    any_name = st.sampled_from(ODD_NAMES) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=3
    )
    names = draw(st.lists(any_name, min_size=size, max_size=size, unique=True))
    edges = []
    for child in range(1, size):
        parents = draw(st.sets(st.integers(0, child - 1), max_size=3))
        edges += [(names[child], names[parent]) for parent in sorted(parents)]
    linked = {name for edge in edges for name in edge}
    alone = [name for name in names if name not in linked]
    return Dag(tuple(draw(st.permutations(edges))), tuple(draw(st.permutations(alone))))


def dags(max_nodes: int = 8) -> st.SearchStrategy[Dag]:
    return st.sampled_from(SHAPES) | random_dags(max_nodes)


def build(dag: Dag) -> Hierarchy:
    return Hierarchy.from_edges(dag.edges, nodes=dag.nodes)


@dataclass(frozen=True)
class Case:
    """A hierarchy, logits (member, example, node) and closed labels (example, node)."""

    dag: Dag
    logits: np.ndarray
    y: np.ndarray

    @property
    def hierarchy(self) -> Hierarchy:
        return build(self.dag)

    @property
    def p(self) -> np.ndarray:
        return torch.sigmoid(torch.from_numpy(self.logits)).numpy()

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.logits.shape

    @property
    def labels(self) -> torch.Tensor:
        return torch.from_numpy(self.y)


@st.composite
def closed_labels(draw: st.DrawFn, dag: Dag, examples: int) -> np.ndarray:
    return dag.close(draw(hnp.arrays(np.bool_, (examples, len(dag.order)))))


@st.composite
def cases(
    draw: st.DrawFn,
    min_members: int = 1,
    max_members: int = 3,
    max_nodes: int = 8,
    grid: tuple[float, ...] = GRID,
) -> Case:
    dag = draw(dags(max_nodes))
    members, examples = draw(st.integers(min_members, max_members)), draw(st.integers(1, 3))
    shape = (members, examples, len(dag.order))
    logits = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from(grid)))
    return Case(dag, logits, draw(closed_labels(dag, examples)))
