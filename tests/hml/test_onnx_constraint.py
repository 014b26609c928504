"""The constraint as ONNX operators: equal to the reference, in time and space of the edges."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, checker, helper, numpy_helper

from pipeline.hml import Hierarchy, onnx_constraint
from pipeline.hml import coherent as ours
from pipeline.hml.onnx_graph import Graph

from .reference import coherent as reference
from .strategies import Case, cases


def built(hierarchy: Hierarchy) -> tuple[Graph, Any]:
    """The graph and a model of the constraint alone; the input `p` is (member, node, example)."""
    graph = Graph()
    levels = onnx_constraint.families(hierarchy)
    order = onnx_constraint.order(levels)
    result = onnx_constraint.coherent(graph, graph.take("p", order, axis=1), levels)
    graph.add("Identity", graph.take(result, np.argsort(order), axis=1), to="coherent")
    shape = ["member", len(hierarchy), "example"]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("p", "coherent")
    ]
    constants = [*graph.constants.values()]
    model = helper.make_model(
        helper.make_graph(graph.operators, "constraint", ends[:1], ends[1:], constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    checker.check_model(model, full_check=True)
    return graph, model


def run(model: Any, p: np.ndarray, threads: int = 1) -> np.ndarray:
    """The constraint in onnxruntime; p and the result are (member, example, node)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"p": np.ascontiguousarray(p.transpose(0, 2, 1))})
    return np.asarray(result).transpose(0, 2, 1)


def entries(graph: Graph) -> int:
    """How many entries of an example are gathered."""
    return sum(
        numpy_helper.to_array(constant).size
        for name, constant in graph.constants.items()
        if name.startswith("entries/")
    )


def chain(nodes: int) -> Hierarchy:
    return Hierarchy.from_edges([(f"{i + 1:05}", f"{i:05}") for i in range(nodes - 1)])


def star(children: int) -> Hierarchy:
    return Hierarchy.from_edges([(str(i), "root") for i in range(children)])


@given(cases(max_nodes=10))
def test_it_is_the_reference_to_the_last_bit(case: Case):
    p = case.p.astype(np.float32)
    expected = reference(torch.from_numpy(p), case.dag).numpy()
    assert np.array_equal(run(built(case.hierarchy)[1], p), expected)


@pytest.mark.parametrize("children", [1, 2, 3, 4, 5, 8, 9, 1000])
def test_a_parent_of_any_number_of_children_takes_the_greatest_of_all(children: int):
    # Each child is the greatest once.
    p = np.tile(np.float32(0.1), (1, children, children + 1))
    hierarchy = star(children)
    columns = [hierarchy.index[str(i)] for i in range(children)]
    p[0, np.arange(children), columns] = 0.9
    lifted = run(built(hierarchy)[1], p)[0, :, hierarchy.index["root"]]
    assert (lifted == np.float32(0.9)).all()


def test_a_deep_chain_and_a_wide_dag_are_exact():
    rng = np.random.default_rng(0)
    # Three full layers, and short cuts past the middle one.
    wide = [(f"b{i}", f"a{j}") for i in range(40) for j in range(30)]
    wide += [(f"c{i}", f"b{j}") for i in range(50) for j in range(40) if (i + j) % 3]
    wide += [(f"c{i}", f"a{i % 30}") for i in range(50)]
    for hierarchy in (chain(300), Hierarchy.from_edges(wide)):
        p = rng.random((2, 7, len(hierarchy)), dtype=np.float32)
        assert np.array_equal(run(built(hierarchy)[1], p), ours(p, hierarchy))


def test_threads_do_not_race_for_a_parent():
    # Where children are scattered into their parent, half of these are wrong in onnxruntime.
    rng = np.random.default_rng(0)
    hierarchy = star(3999)
    _, model = built(hierarchy)
    for _ in range(5):
        p = rng.random((4, 64, len(hierarchy)), dtype=np.float32)
        assert np.array_equal(run(model, p, threads=2), ours(p, hierarchy))


@given(cases(max_nodes=10))
def test_what_is_gathered_grows_with_the_edges(case: Case):
    graph, _ = built(case.hierarchy)
    nodes, edges = len(case.hierarchy), case.hierarchy.edge_index.shape[1]
    orders = 2 * nodes  # into the constraint's order and back, not part of it
    assert entries(graph) <= 3 * edges + orders
    assert sum(operator.op_type == "Max" for operator in graph.operators) <= min(nodes, edges)


@pytest.mark.parametrize("make", [chain, star])
def test_twice_the_nodes_are_twice_the_model(make: Any):
    small, large = (built(make(nodes)) for nodes in (200, 400))
    assert entries(large[0]) < 2.6 * entries(small[0])
    assert large[1].ByteSize() < 2.6 * small[1].ByteSize()


def test_a_dag_of_4000_nodes_is_a_small_model():
    rng = np.random.default_rng(0)
    depth = np.sort(np.append(np.arange(14), rng.integers(1, 14, 3986)))
    first = np.searchsorted(depth, np.arange(15))
    edges: list[tuple[str, str]] = []
    for node in range(1, 4000):
        above = depth[node] - 1
        parents = {rng.integers(first[above], first[above + 1])}
        parents |= {*rng.integers(0, first[depth[node]], rng.poisson(1.0)).tolist()}
        edges += [(str(node), str(parent)) for parent in parents]
    hierarchy = Hierarchy.from_edges(edges)
    assert (len(hierarchy), hierarchy.depth.max()) == (4000, 13)
    graph, model = built(hierarchy)
    assert model.ByteSize() < 200_000  # one pair of nodes per bit would be 2 MB
    assert len(graph.operators) < 500
    p = rng.random((2, 3, 4000), dtype=np.float32)
    assert np.array_equal(run(model, p), ours(p, hierarchy))


@given(st.integers(1, 5))
def test_isolated_nodes_need_no_operator(nodes: int):
    hierarchy = Hierarchy.from_edges([], nodes=[str(i) for i in range(nodes)])
    graph = Graph()
    levels = onnx_constraint.families(hierarchy)
    assert onnx_constraint.coherent(graph, "p", levels) == "p"
    assert graph.operators == []
