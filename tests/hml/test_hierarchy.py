"""Hierarchy against sets and longest paths that are found by walking every path."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from pipeline.errors import HierarchyError
from pipeline.hml import Hierarchy

from .reference import Dag
from .strategies import build, dags

DIAMOND = Hierarchy.from_edges([("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")])


@given(dags())
def test_nodes_are_ordered_by_longest_depth_and_then_by_name(dag: Dag):
    hierarchy = build(dag)
    assert tuple(hierarchy.nodes) == dag.order
    assert np.asarray(hierarchy.depth).tolist() == [dag.depth_of(name) for name in dag.order]
    assert np.issubdtype(np.asarray(hierarchy.depth).dtype, np.integer)


@given(dags())
def test_index_gives_the_column_of_a_name(dag: Dag):
    hierarchy = build(dag)
    assert dict(hierarchy.index) == {name: column for column, name in enumerate(dag.order)}


@given(dags())
def test_ancestors_and_descendants_hold_the_node_itself(dag: Dag):
    hierarchy = build(dag)
    for name in dag.order:
        assert hierarchy.ancestors(name) == dag.ancestors(name)
        assert hierarchy.descendants(name) == dag.descendants(name)
        assert isinstance(hierarchy.ancestors(name), frozenset)
        assert isinstance(hierarchy.descendants(name), frozenset)


@given(dags())
def test_edge_index_holds_child_and_parent_columns_of_each_edge_once(dag: Dag):
    hierarchy = build(dag)
    index = np.asarray(hierarchy.edge_index)
    assert index.shape == (2, len(dag.edges))
    assert np.issubdtype(index.dtype, np.integer)
    found = [(dag.order[child], dag.order[parent]) for child, parent in index.T]
    assert sorted(found) == sorted(dag.edges)


@given(dags(), st.randoms(use_true_random=False))
def test_order_and_repetition_of_edges_do_not_matter(dag: Dag, rng: random.Random):
    edges = [*dag.edges, *rng.choices(dag.edges, k=3)] if dag.edges else []
    rng.shuffle(edges)
    again = Hierarchy.from_edges(iter(edges), nodes=[*reversed(dag.nodes), *dag.order])
    plain = build(dag)
    assert again.nodes == plain.nodes
    assert np.array_equal(again.depth, plain.depth)
    assert sorted(np.asarray(again.edge_index).T.tolist()) == sorted(
        np.asarray(plain.edge_index).T.tolist()
    )


@given(dags(), st.data())
def test_close_makes_ancestors_of_positive_nodes_positive(dag: Dag, data: st.DataObject):
    y = data.draw(hnp.arrays(np.bool_, (3, len(dag.order))))
    closed = build(dag).close(y)
    assert isinstance(closed, np.ndarray)
    assert closed.dtype == y.dtype
    assert np.array_equal(closed, dag.close(y))


@given(dags(), st.data())
def test_close_is_idempotent_and_leaves_its_input_alone(dag: Dag, data: st.DataObject):
    hierarchy = build(dag)
    y = data.draw(hnp.arrays(np.bool_, (3, len(dag.order))))
    before = y.copy()
    closed = hierarchy.close(y)
    assert np.array_equal(y, before)
    assert np.array_equal(hierarchy.close(closed), closed)


@given(dags(), st.data())
def test_close_gives_torch_for_torch_and_sparse_for_sparse(dag: Dag, data: st.DataObject):
    hierarchy = build(dag)
    y = data.draw(hnp.arrays(np.bool_, (3, len(dag.order))))
    of_tensor = hierarchy.close(torch.from_numpy(y))
    assert isinstance(of_tensor, torch.Tensor)
    assert np.array_equal(of_tensor.numpy() != 0, dag.close(y))
    of_sparse = hierarchy.close(sparse.csr_array(y))
    assert sparse.issparse(of_sparse)
    assert np.array_equal(of_sparse.toarray() != 0, dag.close(y))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32, np.float64])
def test_closed_labels_stay_zero_or_one_in_every_dtype(dtype: type):
    # The diamond's bottom reaches its top by two ways, which must not count twice.
    bottom = np.zeros((1, 4), dtype=dtype)
    bottom[0, DIAMOND.index["d"]] = 1
    closed = (
        DIAMOND.close(bottom),
        DIAMOND.close(torch.from_numpy(bottom)).numpy(),
        DIAMOND.close(sparse.csr_array(bottom)).toarray(),
    )
    for result in closed:
        assert result.astype(float).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("suffix", ["array", "matrix"])
def test_every_kind_of_sparse_labels_closes_and_keeps_its_kind(kind: str, suffix: str):
    # scikit-learn's MultiLabelBinarizer still gives a csr_matrix.
    y = np.zeros((2, 4), dtype=np.int64)
    y[1, DIAMOND.index["l"]] = 1
    labels = getattr(sparse, f"{kind}_{suffix}")(y)
    closed = DIAMOND.close(labels)
    assert sparse.issparse(closed)
    assert (closed.format, closed.dtype) == (labels.format, labels.dtype)
    assert closed.toarray().tolist() == [[0, 0, 0, 0], [1, 1, 0, 0]]


def test_sparse_labels_with_explicit_zeros_close_like_dense_ones():
    zeros = sparse.csr_array((np.zeros(1), ([0], [DIAMOND.index["d"]])), shape=(1, 4))
    assert not DIAMOND.close(zeros).toarray().any()


def test_cycle_is_refused_and_its_nodes_are_named():
    edges = [("lion", "cat"), ("cat", "animal"), ("animal", "lion"), ("elsewhere", "cat")]
    with pytest.raises(HierarchyError) as error:
        Hierarchy.from_edges(edges)
    for name in ("lion", "cat", "animal"):
        assert name in str(error.value)
    assert "elsewhere" not in str(error.value)  # it leads into the cycle but is not part of it


@given(dags(), st.data())
def test_an_edge_back_to_a_descendant_is_always_refused(dag: Dag, data: st.DataObject):
    top = data.draw(st.sampled_from(dag.order))
    below = data.draw(st.sampled_from(sorted(dag.descendants(top))))
    with pytest.raises(HierarchyError):
        Hierarchy.from_edges([*dag.edges, (top, below)], nodes=dag.nodes)


def test_self_loop_is_refused_and_its_node_is_named():
    with pytest.raises(HierarchyError, match="narcissus"):
        Hierarchy.from_edges([("leaf", "root"), ("narcissus", "narcissus")])


@pytest.mark.parametrize("relation", ["ancestors", "descendants"])
def test_unknown_name_is_refused_and_named(relation: str):
    with pytest.raises(HierarchyError, match="unicorn"):
        getattr(DIAMOND, relation)("unicorn")


@pytest.mark.usefixtures("as_users_call_it")
def test_names_that_are_no_text_and_edges_that_are_no_pairs_are_refused():
    for edges in ([(1, 2)], [("a", None)], ["ab"], [("a", "b", "c")], [("a",)]):
        with pytest.raises(HierarchyError, match="expected"):
            Hierarchy.from_edges(edges)


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize("columns", [3, 5])
def test_labels_with_another_number_of_nodes_are_refused_in_every_container(columns: int):
    y = np.zeros((2, columns), dtype=bool)
    for wrong in (y, torch.from_numpy(y), sparse.csr_array(y)):
        with pytest.raises(ValueError, match=rf"4[\s\S]*{columns}"):
            DIAMOND.close(wrong)


def test_deep_chain_needs_no_recursion():
    names = [f"{level:05d}" for level in range(3000)]
    hierarchy = Hierarchy.from_edges(list(zip(names[1:], names[:-1], strict=True)))
    assert hierarchy.depth[-1] == 2999
    assert len(hierarchy.ancestors(names[-1])) == 3000
    y = np.zeros((1, 3000), dtype=bool)
    y[0, -1] = True
    assert hierarchy.close(y).all()


def test_equal_hierarchies_built_in_another_order_give_the_same_columns():
    edges = [("l", "t"), ("r", "t"), ("d", "l"), ("d", "r")]
    assert Hierarchy.from_edges(reversed(edges)).nodes == DIAMOND.nodes == ("t", "l", "r", "d")
