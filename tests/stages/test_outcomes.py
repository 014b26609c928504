"""What became of each node, against what is counted one by one."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipeline.hml import Hierarchy
from pipeline.hml import predictions as blocks
from pipeline.stages import outcomes

H = Hierarchy.from_edges([("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("e", "c"), ("f", "a")])
EXAMPLES = 200
RNG = np.random.default_rng(1)
SPECIFIC = RNG.random((EXAMPLES, len(H))) < 0.15
Y = np.asarray(H.close(sparse.csr_array(SPECIFIC)).toarray(), bool)
BELOW = np.zeros((len(H), len(H)), bool)
BELOW[H.edge_index[1], H.edge_index[0]] = True  # (parent, child)
P = np.asarray(RNG.integers(0, 20, Y.shape) / 20, np.float32)  # with ties
CUT = 0.6


def most_specific(labels: np.ndarray) -> np.ndarray:
    return labels & ~((labels.astype(int) @ BELOW.T.astype(int)) > 0)


def problem(unknown: np.ndarray | None) -> Any:
    given = None if unknown is None else sparse.csr_array(unknown)
    data = SimpleNamespace(
        rows=lambda split: np.arange(EXAMPLES),
        labels=sparse.csr_array(most_specific(Y)),
        examples=pd.DataFrame({"id": [f"x{row}" for row in range(EXAMPLES)]}),
    )
    return SimpleNamespace(
        data=data,
        labels=sparse.csr_array(Y),
        hierarchy=H,
        scored=np.array([name != "a" for name in H.nodes]),
        unknown_of=lambda rows: given,
    )


def written(folder: Path, unknown: np.ndarray | None = None, **cuts: float) -> dict[str, Any]:
    values = cuts or {"half": 0.5, "tuned": CUT}
    ensemble: Any = SimpleNamespace(
        cuts={name: np.full(len(H), cut) for name, cut in values.items()},
        decide=lambda p, rule: np.asarray(H.close(sparse.csr_array(p >= values[rule])).toarray()),
    )
    support = np.arange(len(H)) + 1
    found = outcomes.Outcomes(ensemble, problem(unknown), support)
    for rows, p in blocks.Predictions(sparse.csr_array(Y), lambda rows: P[rows]):
        found.add(rows, p)
    return json.loads(json.dumps(found.result(), allow_nan=False))


@pytest.mark.parametrize("block", [blocks.BLOCK, 6 * 17])
@pytest.mark.parametrize("hide", [False, True])
def test_counts_and_examples_are_those_of_a_loop(
    tmp_path: Path, hide: bool, block: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(blocks, "BLOCK", block)
    unknown = (RNG.random(Y.shape) < 0.3) & ~Y if hide else None
    found = written(tmp_path, unknown)
    assert found["rule"] == "tuned"
    decided = np.asarray(H.close(sparse.csr_array(P >= CUT)).toarray(), bool)
    known = np.ones(Y.shape, bool) if unknown is None else ~unknown
    specific, lowest = most_specific(Y), most_specific(decided)
    assert list(found["nodes"]) == [name for name in H.nodes if name != "a"]
    for name, node in found["nodes"].items():
        n = H.index[name]
        sorts = {
            "found": Y[:, n] & decided[:, n],
            "missed": Y[:, n] & ~decided[:, n],
            "wrong": ~Y[:, n] & decided[:, n] & known[:, n],
        }
        assert node["cut"] == CUT
        for sort, rows in sorts.items():
            there = np.flatnonzero(rows)
            assert node[sort] == len(there)
            sign = 1 if sort == "missed" else -1
            first = sorted(there, key=lambda row: (sign * P[row, n], row))[: outcomes.SHOWN]
            expected = [[f"x{row}", pytest.approx(P[row, n], rel=1e-2)] for row in first]
            assert node["examples"][sort] == expected
        given = lowest & ~Y & known
        for key, rows, labels in (
            ("wrong_with", sorts["wrong"], specific),
            ("missed_as", sorts["missed"], given),
        ):
            counts = labels[rows].sum(axis=0)
            order = sorted(np.flatnonzero(counts), key=lambda other: (-counts[other], other))
            most = [[H.nodes[other], int(counts[other])] for other in order]
            assert node[key] == most[: outcomes.CONFUSED]


def test_of_too_many_pairs_no_count_is_too_high(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "BLOCK", 6 * 17)
    exact = written(tmp_path)["nodes"]
    monkeypatch.setattr(outcomes, "PAIRS", 20)
    found = written(tmp_path)["nodes"]
    assert found != exact  # else this tests nothing
    for node, one in found.items():
        for key in ("wrong_with", "missed_as"):
            true, told = dict(exact[node][key]), dict(one.pop(key))
            assert all(0 < told[name] <= true[name] for name in told.keys() & true.keys())
            assert len(told) == len(true)
            del exact[node][key]
    assert found == exact


def test_the_most_frequent_pairs_of_each_node_are_kept(monkeypatch: pytest.MonkeyPatch):
    counts = np.random.default_rng(0).integers(0, 9, (6, 50))
    counts[2, 4:] = 0
    monkeypatch.setattr(
        outcomes, "PAIRS", 120
    )  # 10 of each node, and as many again until next time
    kept = outcomes._frequent(sparse.csr_array(counts)).toarray()
    for before, after in zip(counts, kept, strict=True):
        first = np.argsort(-before, kind="stable")[:10]
        expected = np.zeros_like(before)
        expected[first] = before[first]
        assert after.tolist() == expected.tolist()


def test_without_tuned_cuts_half_decides(tmp_path: Path):
    assert written(tmp_path, half=0.5)["rule"] == "half"


def test_a_cut_that_nothing_reaches_is_none(tmp_path: Path):
    found = written(tmp_path, half=np.inf)
    assert {node["cut"] for node in found["nodes"].values()} == {None}
    assert {node["found"] for node in found["nodes"].values()} == {0}


def test_of_many_nodes_the_rarest_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outcomes, "NODES", 2)
    assert list(written(tmp_path)["nodes"]) == list(H.nodes[1:3])
