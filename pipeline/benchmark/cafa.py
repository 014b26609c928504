"""F-max and S-min of gene functions, by the CAFA challenge's evaluator, the package `cafaeval`.

F-max is the greatest harmonic mean, over cuts, of precision, averaged over examples that have a
prediction, and recall, averaged over examples that have a label. S-min is the least distance, over
cuts, from the truth: the root of ru² + mi², with ru the bits of an example's nodes that were
missed, and mi those of nodes predicted in vain, both averaged over examples that have a label
(Clark and Radivojac, Bioinformatics 29(13), 2013).
"""

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.errors import WorkspaceError, absent
from pipeline.hml import Hierarchy

_STEP = 0.01  # between cuts, and the first of them: the challenge's own


def f_max_s_min(
    nodes: Sequence[str],
    edges: Iterable[tuple[str, str]],
    train_labels: sparse.csr_array,
    test_labels: sparse.csr_array,
    probability: Float[np.ndarray, "example node"],
    *,
    scored: Bool[np.ndarray, " node"],
) -> dict[str, dict[str, float | int | None]]:
    """Evaluate coherent probabilities in each namespace that a test example has a label in.

    A namespace is what is scored below a node that is not: GO0008150, "process", for example. Cuts
    are 0.01, 0.02, … 0.99; those at which nothing is predicted are passed over, for S-min as well.

    Args:
        nodes: names, in node order.
        edges: (child, parent) names.
        train_labels: (example, node) boolean CSR, closed upward; nodes have their bits from it.
        test_labels: the same of test examples.
        probability: of test examples.
        scored: the nodes that are judged.

    Returns:
        The node above a namespace -> "examples", those with a scored label there; "f_max" and
        "s_min", in bits; "f_cut" and "s_cut", the least cuts that have them. Where no probability
        reaches a cut, there is no cut, and the figures are those of no prediction.

    Raises:
        WorkspaceError: `cafaeval` is not installed.
        ValueError: shapes do not fit, a probability is NaN, or a scored node is in no namespace or
            in several.
    """
    hierarchy = Hierarchy.from_edges(edges, nodes=nodes)
    if hierarchy.nodes != tuple(nodes):
        raise ValueError("nodes must be in node order (by depth, ties by name)")
    hierarchy.check_nodes(train_labels.shape, "train_labels")
    hierarchy.check_nodes(test_labels.shape, "test_labels")
    if probability.shape != test_labels.shape or np.isnan(probability).any():
        raise ValueError(
            f"probability must have shape {test_labels.shape}, without NaN. Got {probability.shape}"
        )
    above = _namespaces(hierarchy, scored)
    bits = information_accretion(train_labels, hierarchy)
    example, node = test_labels.nonzero()
    truth = example[scored[node]], node[scored[node]]
    tables = _tables(hierarchy, above, bits, truth, np.where(scored, probability, 0))
    result: dict[str, dict[str, float | int | None]] = {}
    for root in map(int, np.unique(above[truth[1]])):
        example, node = (column[above[truth[1]] == root] for column in truth)
        examples = len(np.unique(example))
        found: dict[str, float | None]
        if root in tables:
            found = _best(tables[root])
        else:
            missed = float(bits[node].sum()) / examples
            found = {"f_max": 0.0, "f_cut": None, "s_min": missed, "s_cut": None}
        result[nodes[root]] = {"examples": examples, **found}
    return result


def _best(table: pd.DataFrame) -> dict[str, float | None]:
    # `cafaeval` has a best S of its own, but without the bits.
    f, s, cuts = table["f"].to_numpy(), table["s_w"].to_numpy(), table.index.to_numpy()
    return {
        "f_max": float(f.max()),
        "f_cut": round(float(cuts[f.argmax()]), 2),
        "s_min": float(s.min()),
        "s_cut": round(float(cuts[s.argmin()]), 2),
    }


def information_accretion(
    labels: sparse.csr_array, hierarchy: Hierarchy
) -> Float[np.ndarray, " node"]:
    """Bits that a node adds to what its parents say: -log2 P(node | all of its parents).

    P is the node's share among the examples (labels closed upward) that have all of its parents. A
    count of none is taken for one half: a node without an example has 1 + log2(examples with its
    parents) bits, and no bits if there are none of these, either.
    """
    child, parent = hierarchy.edge_index
    edges = (np.ones(len(child), np.int32), (parent, child))
    up = sparse.csr_array(edges, shape=(len(hierarchy), len(hierarchy)))
    held = sparse.csr_array(labels.astype(np.int32) @ up)  # (example, node): parents that it has
    parents = np.bincount(child, minlength=len(hierarchy))
    whole = held.indices[held.data == parents[held.indices]]
    among = np.where(parents, np.bincount(whole, minlength=len(hierarchy)), labels.shape[0])
    own = np.asarray(labels.sum(axis=0, dtype=np.int64))
    return np.log2(np.maximum(among, 0.5) / np.maximum(own, 0.5))


def _namespaces(hierarchy: Hierarchy, scored: np.ndarray) -> np.ndarray:
    """(node,) the column of the node above its namespace, which has its own; -1 for others."""
    child, parent = hierarchy.edge_index
    roots = np.unique(parent[scored[child] & ~scored[parent]])
    below = hierarchy.ancestor_matrix[:, roots].toarray()
    wanted = scored.astype(np.int64)
    wanted[roots] = 1
    if len(odd := np.flatnonzero(below.sum(axis=1) != wanted)):
        raise ValueError(
            "expected each scored node, and nothing else, below exactly one node that is not "
            f"scored and has scored children, found {hierarchy.nodes[odd[0]]!r}"
        )
    return np.where(wanted, roots[below.argmax(axis=1)], -1) if len(roots) else wanted - 1


def _tables(
    hierarchy: Hierarchy,
    above: np.ndarray,
    bits: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray],
    probability: np.ndarray,
) -> dict[int, pd.DataFrame]:
    """What `cafaeval` finds in each namespace with a prediction, by cut."""
    try:
        from cafaeval.evaluation import cafa_eval
    except ImportError:
        raise WorkspaceError(absent("cafaeval", "which computes F-max and S-min", "go")) from None
    evaluator: Any = cafa_eval  # its types say that it never returns
    example, node = np.nonzero(probability >= _STEP)
    with tempfile.TemporaryDirectory() as name, _silent():
        folder = Path(name)
        (folder / "predictions").mkdir()
        _write(folder / "predictions" / "all", example, node, probability[example, node])
        _write(folder / "truth", *truth)
        _write(folder / "bits", np.arange(len(bits)), bits)
        (folder / "obo").write_text(_obo(hierarchy, above))
        obo, predicted, true, ia = (
            str(folder / f) for f in ("obo", "predictions", "truth", "bits")
        )
        # Without orphans: what is above a namespace is in none of its figures.
        table, _ = evaluator(obo, predicted, true, ia=ia, no_orphans=True, th_step=_STEP, n_cpu=1)
    if table is None or table.empty:
        return {}
    by_namespace = table.loc["all"].groupby(level="ns")
    return {int(str(root)): part.droplevel("ns") for root, part in by_namespace}


def _obo(hierarchy: Hierarchy, above: np.ndarray) -> str:
    """The namespaces as OBO; their names, and those of nodes, are columns."""
    terms = {
        node: f"[Term]\nid: {node}\nname: {node}\nnamespace: {root}\n"
        for node, root in enumerate(above.tolist())
        if root >= 0
    }
    for child, parent in hierarchy.edge_index.T.tolist():
        if parent in terms:
            terms[child] += f"is_a: {parent}\n"
    return "\n".join(terms.values())


def _write(path: Path, *columns: np.ndarray) -> None:
    pd.DataFrame(dict(enumerate(columns))).to_csv(path, sep="\t", header=False, index=False)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what `cafaeval` logs, and a warning that it causes, from the user."""
    nowhere, before = logging.NullHandler(), logging.root.manager.disable
    logging.root.addHandler(nowhere)  # without a handler, logging would set one up for good
    logging.disable()
    try:
        with warnings.catch_warnings():
            # pandas is about to drop this keyword; the pinned cafaeval still uses it.
            warnings.filterwarnings("ignore", "The inplace keyword in DataFrame.set_index")
            yield
    finally:
        logging.disable(before)
        logging.root.removeHandler(nowhere)
