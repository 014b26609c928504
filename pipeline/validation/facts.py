"""Facts about prepared data, as small tables that the stage `validate` judges.

Worked out from the tables alone and not with the code that prepared them, which could be wrong in
the same way twice.
"""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from scipy import sparse

from pipeline.artifacts.prepared import SPLITS, Prepared


def shapes(data: Prepared) -> pd.DataFrame:
    """`table`, `size`, `wanted`: counts that have to agree before anything else can be asked.

    Missing values too: an expectation on a column would pass them over.
    """
    examples = len(data.examples)
    rows = [
        ("rows of features", data.features.shape[0], examples),
        ("columns of features", data.features.shape[1], len(data.feature_names)),
        ("rows of labels", data.labels.shape[0], examples),
        ("columns of labels", data.labels.shape[1], len(data.nodes)),
        *(
            [
                ("rows of unknown labels", data.unknown.shape[0], examples),
                ("columns of unknown labels", data.unknown.shape[1], len(data.nodes)),
            ]
            if data.unknown is not None
            else []
        ),
        ("missing values of examples", int(data.examples.isna().to_numpy().sum()), 0),
        ("missing values of nodes", int(data.nodes.isna().to_numpy().sum()), 0),
        ("missing values of edges", int(data.edges.isna().to_numpy().sum()), 0),
    ]
    return pd.DataFrame(rows, columns=["table", "size", "wanted"])


def splits(data: Prepared) -> pd.DataFrame:
    """`split`, `examples`: the size of each split."""
    sizes = [int((data.examples["split"] == split).sum()) for split in SPLITS]
    return pd.DataFrame({"split": SPLITS, "examples": sizes})


def examples(data: Prepared) -> pd.DataFrame:
    """The examples with `labels`, how many there are, and `implied`, how many lie above another."""
    labels: Any = data.labels.astype(np.int64)
    implied = labels.multiply(_above(data)).sum(axis=1)
    return data.examples.assign(labels=np.diff(data.labels.indptr), implied=implied)


def groups(data: Prepared) -> pd.DataFrame:
    """`group`, `splits`: in how many splits a group has examples."""
    counts = data.examples.groupby("group", sort=True)["split"].nunique()
    return pd.DataFrame({"group": counts.index, "splits": counts.to_numpy()})


def nodes(data: Prepared) -> pd.DataFrame:
    """The nodes with `longest_path`, `rank` (place by depth and id), `place`, and `positives`.

    `longest_path` is -1 where edges form a cycle. `positives` counts train+valid with labels closed
    upward; it is missing where a node is not scored.
    """
    graph = _graph(data)
    ids = data.nodes["id"].tolist()
    longest = _longest_paths(graph)
    keys = list(zip(data.nodes["depth"].tolist(), ids, strict=True))
    rank = {key: place for place, key in enumerate(sorted(set(keys)))}
    return data.nodes.assign(
        longest_path=[longest.get(node, -1) for node in ids],
        place=range(len(ids)),
        rank=[rank[key] for key in keys],
        positives=np.where(data.nodes["scored"], _support(data), np.nan),
    )


def edges(data: Prepared) -> pd.DataFrame:
    """`edge` for people, `child`, `parent`, `unknown_child`, `unknown_parent`, and `cycle`.

    The last three are 0 or 1: an end that is no node, an edge that lies on a cycle.
    """
    pairs = list(zip(data.edges["child"], data.edges["parent"], strict=True))
    graph: nx.DiGraph = nx.DiGraph(pairs)
    component = {
        node: number
        for number, members in enumerate(nx.strongly_connected_components(graph))
        for node in members
    }
    known = set(data.nodes["id"])
    return data.edges.assign(
        edge=[f"{child} -> {parent}" for child, parent in pairs],
        unknown_child=[int(child not in known) for child, _ in pairs],
        unknown_parent=[int(parent not in known) for _, parent in pairs],
        cycle=[int(component[child] == component[parent]) for child, parent in pairs],
    )


def features(data: Prepared) -> pd.DataFrame:
    """`feature`; in train+valid `known`, `missing` (a share), `constant`; anywhere `infinite`."""
    count = data.features.shape[1]
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    known, infinite = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    fitted = data.examples["split"].isin(["train", "valid"]).to_numpy()
    for start in range(0, len(fitted), 4096):  # features are memory-mapped
        rows = slice(start, start + 4096)
        block = np.asarray(data.features[rows])
        infinite += np.isinf(block).sum(axis=0)
        block = block[fitted[rows]]
        known += (~np.isnan(block)).sum(axis=0)
        low = np.fmin(low, np.fmin.reduce(block, axis=0, initial=np.inf))
        high = np.fmax(high, np.fmax.reduce(block, axis=0, initial=-np.inf))
    return pd.DataFrame(
        {
            "feature": list(data.feature_names),
            "known": known,
            "missing": 1 - known / max(int(fitted.sum()), 1),
            "constant": ((known > 0) & (low == high)).astype(int),
            "infinite": infinite,
        }
    )


def closed(data: Prepared) -> Any:
    """(example, node) integer CSR: 1 where the node or one below it is a label of the example."""
    return (data.labels.astype(np.bool_) + _above(data)).astype(np.int64)


def _graph(data: Prepared) -> nx.DiGraph:
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(data.nodes["id"])
    graph.add_edges_from(zip(data.edges["child"], data.edges["parent"], strict=True))
    return graph


def _longest_paths(graph: nx.DiGraph) -> dict[str, int]:
    """Edges on the longest path from a root to each node; nothing if there is a cycle."""
    longest: dict[str, int] = {}
    if nx.is_directed_acyclic_graph(graph):
        for node in nx.topological_sort(graph.reverse(copy=False)):
            longest[node] = max((longest[parent] + 1 for parent in graph[node]), default=0)
    return longest


def _above(data: Prepared) -> sparse.csr_array:
    """(example, node) True where a node lies above a label of the example, by one edge or more."""
    parents = _parent_matrix(data)
    above: Any = data.labels.astype(np.bool_) @ parents
    reached = -1
    while above.nnz > reached:  # one edge further each time; it ends on a cycle too
        reached = above.nnz
        above = above + above @ parents
    return above


def _parent_matrix(data: Prepared) -> sparse.csr_array:
    """(node, node) True where the column is a parent of the row; unknown nodes are left out."""
    column = {node: number for number, node in enumerate(data.nodes["id"])}
    pairs = [
        (column[child], column[parent])
        for child, parent in zip(data.edges["child"], data.edges["parent"], strict=True)
        if child in column and parent in column
    ]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    shape = (len(data.nodes), len(data.nodes))
    return sparse.csr_array((np.ones(len(pairs), np.bool_), (rows, columns)), shape=shape)


def _support(data: Prepared) -> np.ndarray:
    """(node,) positives in train+valid after closing upward."""
    return closed(data)[data.rows("train", "valid")].sum(axis=0)
