import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HierarchyError
from pipeline.stages import labelling
from tests.hml.strategies import dags


@given(dags(), st.data())
def test_reducing_keeps_the_closure_and_nothing_that_it_implies(dag, data):
    nodes = sorted(dag.parents)
    hierarchy = labelling.build(nodes, dag.edges)
    examples = st.lists(st.lists(st.sampled_from(nodes)), min_size=1, max_size=4)
    labels = data.draw(examples)
    matrix = labelling.label_matrix(labels, hierarchy)
    reduced = labelling.most_specific(matrix, hierarchy)
    graph = nx.DiGraph(dag.edges)
    graph.add_nodes_from(nodes)
    for row, given_labels in enumerate(labels):
        kept = {hierarchy.nodes[column] for column in reduced[[row]].indices}
        above = {node: nx.descendants(graph, node) for node in given_labels}  # edges point upward
        assert kept == set(given_labels) - set().union(*above.values())
    np.testing.assert_array_equal(
        hierarchy.close(reduced).toarray(), hierarchy.close(matrix).toarray()
    )


def test_label_matrix_counts_a_repeated_label_once():
    hierarchy = labelling.build(["a", "b"], [("b", "a")])
    matrix = labelling.label_matrix([["b", "b"], []], hierarchy)
    assert matrix.toarray().tolist() == [[False, True], [False, False]]


def test_edge_to_an_unknown_node_is_refused():
    with pytest.raises(HierarchyError, match="known nodes, found 1 unknown: ghost"):
        labelling.build(["x"], [("x", "ghost")])
