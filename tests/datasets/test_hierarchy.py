import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets import hierarchy
from pipeline.errors import HierarchyError
from tests.datasets.toy import EDGES


@st.composite
def dags(draw):
    """Nodes in a shuffled naming, edges from later to earlier ones; isolated nodes happen."""
    names = draw(st.permutations([f"n{number}" for number in range(draw(st.integers(1, 9)))]))
    pairs = [(c, p) for i, c in enumerate(names) for p in names[:i]]
    return names, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


def test_depth_is_the_longest_path_and_ties_go_by_id():
    ordered = hierarchy.order(["d", "c", "b", "a", "root"], EDGES)
    assert ordered.nodes == ("root", "a", "b", "c", "d")
    assert ordered.depth.tolist() == [0, 1, 1, 2, 3]


@given(dags())
def test_order_is_topological_and_ancestors_are_those_of_networkx(dag):
    nodes, edges = dag
    ordered = hierarchy.order(nodes, edges)
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(nodes)
    assert sorted(ordered.nodes) == sorted(nodes)
    place = {node: number for number, node in enumerate(ordered.nodes)}
    assert all(place[parent] < place[child] for child, parent in edges)
    for row, node in enumerate(ordered.nodes):
        found = {ordered.nodes[column] for column in ordered.ancestors[[row]].indices}
        assert found == nx.descendants(graph, node)  # edges point upward


@given(dags(), st.data())
def test_reducing_keeps_the_closure_and_nothing_that_it_implies(dag, data):
    nodes, edges = dag
    ordered = hierarchy.order(nodes, edges)
    labels = data.draw(st.lists(st.lists(st.sampled_from(nodes)), min_size=1, max_size=4))
    matrix = hierarchy.label_matrix(labels, ordered.nodes)
    closed = hierarchy.close(matrix, ordered.ancestors)
    reduced = hierarchy.most_specific(matrix, ordered.ancestors)
    dense, above = reduced.toarray(), ordered.ancestors.toarray()
    np.testing.assert_array_equal(
        hierarchy.close(reduced, ordered.ancestors).toarray(), closed.toarray()
    )
    assert not (dense & (dense.astype(int) @ above.astype(int) > 0)).any()


@pytest.mark.parametrize("edges", [[("x", "x")], [("x", "y"), ("y", "z"), ("z", "x"), ("x", "w")]])
def test_cycle_is_refused_and_its_nodes_are_named(edges):
    with pytest.raises(HierarchyError) as caught:
        hierarchy.order(["x", "y", "z", "w"], edges)
    message = str(caught.value)
    cycle = {end for edge in edges for end in edge} - {"w"}
    assert all(node in message for node in cycle)
    assert "w" not in message.partition("found")[2].partition("(")[0]


def test_edge_to_an_unknown_node_is_refused():
    with pytest.raises(HierarchyError, match="known nodes, found 1 unknown: ghost"):
        hierarchy.order(["x"], [("x", "ghost")])
