import dataclasses

import networkx as nx
import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from pipeline.artifacts.prepared import Prepared
from pipeline.validation import facts
from tests.hml.reference import Dag
from tests.hml.strategies import dags

DIAMOND = Dag((("l", "t"), ("r", "t"), ("d", "l"), ("d", "r"), ("e", "d")))


def data(dag: Dag, labels: np.ndarray, split: list[str]) -> Prepared:
    n = len(labels)
    nodes = pd.DataFrame({"id": dag.order, "name": dag.order, "depth": 0, "scored": True})
    return Prepared(
        features=np.zeros((n, 0), np.float32),
        feature_names=(),
        labels=sparse.csr_array(labels),
        examples=pd.DataFrame({"id": [str(row) for row in range(n)], "split": split, "group": "g"}),
        nodes=nodes,
        edges=pd.DataFrame(list(dag.edges), columns=["child", "parent"], dtype="str"),
        info={},
    )


@given(dags(), st.data())
def test_implied_labels_and_positives_are_those_of_a_walk_through_the_graph(dag, draw):
    labels = draw.draw(hnp.arrays(np.bool_, (4, len(dag.order))))
    found = data(dag, labels, ["train", "valid", "test", "train"])
    graph = nx.DiGraph(dag.edges)
    graph.add_nodes_from(dag.order)
    own = [{dag.order[column] for column in np.flatnonzero(row)} for row in labels]
    above = [set().union(*(nx.descendants(graph, node) for node in given)) for given in own]
    table = facts.examples(found)
    assert table["implied"].tolist() == [
        len(mine & higher) for mine, higher in zip(own, above, strict=True)
    ]
    assert table["labels"].tolist() == [len(mine) for mine in own]
    closed = [mine | higher for mine, higher in zip(own, above, strict=True)]
    learnt = (closed[0], closed[1], closed[3])
    assert facts.nodes(found)["positives"].tolist() == [
        sum(node in positives for positives in learnt) for node in dag.order
    ]


def test_a_cycle_and_an_unknown_end_do_not_keep_the_other_facts_from_being_found():
    labels = np.eye(len(DIAMOND.order), dtype=bool)[[DIAMOND.order.index("e")]]
    broken = dataclasses.replace(
        data(DIAMOND, labels, ["train"]),
        edges=pd.DataFrame(
            [("d", "l"), ("l", "d"), ("e", "d"), ("e", "ghost"), ("phantom", "t")],
            columns=["child", "parent"],
        ),
    )
    edges = facts.edges(broken)
    assert edges["cycle"].tolist() == [1, 1, 0, 0, 0]
    assert edges["unknown_parent"].tolist() == [0, 0, 0, 1, 0]
    assert edges["unknown_child"].tolist() == [0, 0, 0, 0, 1]
    positives = facts.nodes(broken).set_index("id")["positives"]
    assert positives[positives > 0].index.tolist() == [
        node for node in DIAMOND.order if node in ("d", "e", "l")
    ]
