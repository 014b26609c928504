"""F-max and S-min against figures worked out by hand, and against loops over cuts."""

import logging
import sys

import numpy as np
import pytest
from scipy import sparse

from pipeline.benchmark import cafa
from pipeline.errors import WorkspaceError
from pipeline.hml import Hierarchy

# Two namespaces, F and P, below an artificial top; ab has two parents.
EDGES = [
    *(("F", "top"), ("P", "top")),
    *(("a", "F"), ("b", "F"), ("ab", "a"), ("ab", "b")),
    *(("p", "P"), ("q", "p")),
]
NODES = ("top", "F", "P", "a", "b", "p", "ab", "q")
SCORED = np.array([name in {"a", "b", "ab", "p", "q"} for name in NODES])


def labels(*examples: str) -> sparse.csr_array:
    """Each example has the nodes that are named, and those that all have."""
    rows = [{"top", "F", "P", *example.split()} for example in examples]
    return sparse.csr_array(np.array([[name in row for name in NODES] for row in rows]))


# Bits: a is in 4 of 8 examples, 1; b in 2 of 8, 2; ab in 1 of the 2 that have a and b, 1; p in 1 of
# 8, 3; q in none of the 1 that has p, which counts as half a one, 1.
TRAIN = labels("a", "a", "a b ab", "a b", "p", "", "", "")
BITS = {"top": 0, "F": 0, "P": 0, "a": 1, "b": 2, "ab": 1, "p": 3, "q": 1}
TEST = labels("a b ab p q", "a", "b p", "")
P = np.array(
    [
        # top, F, P, a, b, p, ab, q
        [1, 1, 1, 0.805, 0.805, 0.905, 0.605, 0.205],
        [1, 1, 1, 0.305, 0.605, 0.705, 0.105, 0],  # no target in P
        [1, 1, 1, 0.405, 0.405, 0.005, 0.405, 0],
        [1, 1, 1, 0.905, 0, 0, 0, 0],  # no target at all
    ],
    dtype=np.float32,
)


def evaluate(
    p: np.ndarray, test: sparse.csr_array = TEST
) -> dict[str, dict[str, float | int | None]]:
    return cafa.f_max_s_min(NODES, EDGES, TRAIN, test, p, scored=SCORED)


def test_figures_are_those_worked_out_by_hand():
    found = evaluate(P)
    # F, of the first three examples (precision, recall):
    #   cuts   predicted                     precision                 recall       F
    #   - .10  a b ab, a b ab, a b ab        (1 + 1/3 + 1/3) / 3       1            10/14
    #   - .30  a b ab, a b,    a b ab        (1 + 1/2 + 1/3) / 3       1            22/29  the best
    #   - .40  a b ab, b,      a b ab        (1 + 0 + 1/3) / 3         2/3          8/15
    #   - .60  a b ab, b,      nothing       (1 + 0) / 2               1/3          2/5
    #   - .80  a b,    nothing, nothing      1                         2/9          4/11
    # and bits missed and in vain:
    #   - .10  0 and (0 + 3 + 2) / 3;   - .30  0 and (2 + 2) / 3;      - .40  1/3 and (2 + 2) / 3
    #   - .60  (1 + 2) / 3 and 2/3, the best: sqrt(1 + 4/9);           - .80  (1 + 1 + 2) / 3 and 0
    assert found["F"] == {
        "examples": 3,
        "f_max": pytest.approx(22 / 29),
        "f_cut": 0.11,
        "s_min": pytest.approx(np.sqrt(13) / 3),
        "s_cut": 0.41,
    }
    # P, of the first and the third: up to .20 p q and nothing, precision 1, recall 1/2, 3/2 bits
    # missed, none in vain; up to .90 p and nothing, precision 1, recall 1/4, (1 + 3) / 2 missed.
    assert found["P"] == {
        "examples": 2,
        "f_max": pytest.approx(2 / 3),
        "f_cut": 0.01,
        "s_min": pytest.approx(1.5),
        "s_cut": 0.01,
    }


def test_bits_are_those_worked_out_by_hand():
    found = cafa.information_accretion(TRAIN, Hierarchy.from_edges(EDGES))
    assert dict(zip(NODES, found.tolist(), strict=True)) == BITS


def test_a_perfect_predictor_reaches_the_best_figures():
    for space in evaluate(TEST.toarray().astype(np.float32)).values():
        assert (space["f_max"], space["s_min"]) == (1, 0)


def test_without_a_prediction_all_bits_are_missed():
    p = np.zeros_like(P)
    p[:, NODES.index("a")] = 0.5
    assert evaluate(p)["P"] == {
        "examples": 2,
        "f_max": 0,
        "f_cut": None,
        "s_min": (3 + 1 + 3) / 2,
        "s_cut": None,
    }
    assert evaluate(np.zeros_like(P))["F"]["f_max"] == 0


def test_a_namespace_without_a_test_label_is_left_out():
    assert set(evaluate(P, labels("a", "b", "", "a"))) == {"F"}
    assert evaluate(P, labels("", "", "", "")) == {}


def loops(
    hierarchy: Hierarchy, train: np.ndarray, test: np.ndarray, p: np.ndarray, inside: list[int]
) -> tuple[float, float, float, float]:
    """F-max, its cut, S-min and its cut of the nodes of one namespace."""
    child, parent = hierarchy.edge_index
    bits = np.zeros(len(hierarchy))
    for node in inside:
        have = np.all([train[:, above] for above in parent[child == node]], axis=0)
        bits[node] = np.log2(max(have.sum(), 0.5) / max(train[:, node].sum(), 0.5))
    f, s = {}, {}
    for cut in np.arange(1, 100) / 100:
        precision, recall, missed, vain = [], [], [], []
        for true, scores in zip(test, p, strict=True):
            wanted = {node for node in inside if true[node]}
            said = {node for node in inside if scores[node] >= cut}
            if not wanted:
                continue
            if said:
                precision.append(len(wanted & said) / len(said))
            recall.append(len(wanted & said) / len(wanted))
            missed.append(sum(bits[node] for node in wanted - said))
            vain.append(sum(bits[node] for node in said - wanted))
        if precision:
            pr, rc = np.mean(precision), np.mean(recall)
            f[cut] = 2 * pr * rc / (pr + rc) if pr + rc else 0.0
            s[cut] = np.hypot(np.mean(missed), np.mean(vain))
    best, least = max(f, key=lambda cut: f[cut]), min(s, key=lambda cut: s[cut])
    return f[best], best, s[least], least


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_loops_over_cuts(seed: int):
    rng = np.random.default_rng(seed)
    edges = [("X", "top"), ("Y", "top")]
    for root, size in (("X", 25), ("Y", 12)):
        names = [root] + [f"{root} {number}" for number in range(size)]  # a name may hold a blank
        for number in range(1, size + 1):
            above = rng.choice(number, size=min(number, rng.integers(1, 4)), replace=False)
            edges += [(names[number], names[other]) for other in above]
    hierarchy = Hierarchy.from_edges(edges)
    scored = np.array([" " in name for name in hierarchy.nodes])
    train, test = (
        hierarchy.close(rng.random((rows, len(hierarchy))) < 0.03) | ~scored for rows in (60, 40)
    )
    # Scores lie between cuts, with many ties; lifting them at positives makes them say something.
    raw = rng.beta(0.5, 2, test.shape) * np.where(test, 1, 0.5)
    raw[:5] = 0
    best = np.max(
        np.where(hierarchy.ancestor_matrix.toarray(), raw[:, :, None], 0), axis=1
    )  # of all descendants
    p = ((np.floor(best * 99) + 0.5) / 100).astype(np.float32)
    found = cafa.f_max_s_min(
        hierarchy.nodes,
        edges,
        sparse.csr_array(train),
        sparse.csr_array(test),
        p,
        scored=scored,
    )
    assert set(found) == {"X", "Y"}
    for root, figures in found.items():
        inside = [hierarchy.index[name] for name in hierarchy.descendants(root) - {root}]
        f_max, f_cut, s_min, s_cut = loops(hierarchy, train, test, p, inside)
        assert figures == {
            "examples": test[:, inside].any(axis=1).sum(),
            "f_max": pytest.approx(f_max),
            "f_cut": pytest.approx(f_cut),
            "s_min": pytest.approx(s_min),
            "s_cut": pytest.approx(s_cut),
        }


def test_nothing_is_said_and_logging_is_left_as_it_was(capfd: pytest.CaptureFixture[str]):
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    evaluate(P)
    evaluate(np.zeros_like(P))
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.manager.disable) == (handlers, disabled)


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cafaeval.evaluation", None)
    with pytest.raises(WorkspaceError, match=r"cafaeval.*`make install`.*\[go\]"):
        evaluate(P)


class TestWrongInputIsRefused:
    def test_other_shapes_and_nan(self):
        with pytest.raises(ValueError, match=r"\(4, 8\).*\(4, 7\)"):
            evaluate(P[:, :-1])
        with pytest.raises(ValueError, match="NaN"):
            evaluate(np.full_like(P, np.nan))
        with pytest.raises(ValueError, match="test_labels"):
            evaluate(P, TEST[:, :-1])

    def test_nodes_in_another_order(self):
        with pytest.raises(ValueError, match="node order"):
            cafa.f_max_s_min(NODES[::-1], EDGES, TRAIN, TEST, P, scored=SCORED)

    def test_a_node_in_two_namespaces_in_none_or_not_scored_within_one(self):
        for edges, scored in (
            ([*EDGES, ("q", "F")], SCORED),
            (EDGES, np.ones(len(NODES), dtype=bool)),
            (EDGES, SCORED & (np.array(NODES) != "ab")),
        ):
            nodes = Hierarchy.from_edges(edges).nodes
            assert nodes == NODES
            with pytest.raises(ValueError, match="below exactly one node that is not"):
                cafa.f_max_s_min(nodes, edges, TRAIN, TEST, P, scored=scored)
