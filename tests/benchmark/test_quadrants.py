"""The quarters, against loops that count one example and one node at a time."""

import dataclasses
import math
import statistics
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score

from pipeline.benchmark import quadrants
from pipeline.hml import decisions
from pipeline.stages import learning
from pipeline.stages.learning import Problem
from tests.hml import reference
from tests.stages.problem import HIERARCHY, prepared_problem


def drawn(examples: int = 300) -> Problem:
    """The nodes and edges of the small problem, and a rare node in common and in rare examples.

    Nearly half of the examples have the nodes `l`, `r` and `d`, with `e` as a rare one: on average
    these are common. `alone` and `s` are rarer, `s` by a little, and some of its examples have `m`.
    """
    rng = np.random.default_rng(1)
    kind = rng.choice(["d", "alone", "s"], size=examples, p=[0.47, 0.29, 0.24])
    rare = {"d": "e", "alone": "alone", "s": "m"}
    y = np.zeros((examples, len(HIERARCHY)), bool)
    for row, node in enumerate(kind):
        y[row, HIERARCHY.index[rare[node] if rng.random() < 0.2 else node]] = True
    labels = sparse.csr_array(y)
    return learning.problem(dataclasses.replace(prepared_problem(examples), labels=labels))


PROBLEM = drawn()
TEST = PROBLEM.data.rows("test")
TRAINED = PROBLEM.data.rows("train", "valid")
Y = PROBLEM.labels.toarray()
SCORED = [node for node in range(len(HIERARCHY)) if PROBLEM.scored[node]]
SUPPORT = {node: int(Y[TRAINED, node].sum()) for node in range(len(HIERARCHY))}
CUTS = {"half": np.full(len(HIERARCHY), 0.5), "tuned": np.full(len(HIERARCHY), 0.3)}


class Model:
    """Half and a lower cut, whatever the probabilities."""

    share = Y[TRAINED].mean(0)
    cuts = CUTS

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        raise AssertionError("the probabilities are given")

    def decide(self, p: Any, rule: str) -> np.ndarray:
        return decisions.decide(p, self.cuts[rule], HIERARCHY)


def probabilities() -> np.ndarray:
    """Better than chance, and a node's never above its parents'."""
    rng = np.random.default_rng(3)
    p = 0.4 * Y[TEST] + 0.6 * rng.random((len(TEST), len(HIERARCHY)))
    for child, parent in HIERARCHY.edge_index.T.tolist()[::-1]:
        p[:, parent] = np.maximum(p[:, parent], p[:, child])
    return p


def information(example: int) -> float:
    """Bits per node of an example of the test split."""
    bits = [
        -math.log2(max(SUPPORT[node], 0.5) / len(TRAINED))
        for node in SCORED
        if Y[TEST[example], node]
    ]
    return sum(bits) / len(bits) if bits else 0.0


def test_each_quarter_is_judged_by_itself():
    p = probabilities()
    found = quadrants.measure(Model(), p, PROBLEM)
    bits = [information(example) for example in range(len(TEST))]
    middle = statistics.median(bits)
    halves = {
        "rare": [example for example, value in enumerate(bits) if value > middle],
        "common": [example for example, value in enumerate(bits) if value <= middle],
    }
    quarters = {
        "rare": [node for node in SCORED if 0 < SUPPORT[node] < 30],
        "common": [node for node in SCORED if SUPPORT[node] >= 30],
    }
    assert all(len(nodes) > 1 for nodes in quarters.values())
    assert bits.count(middle) > 1  # they are common
    assert [*found] == ["rare", "common"]
    for seen, examples in halves.items():
        y, scores = Y[TEST][examples], p[examples]
        assert found[seen].pop("examples") == len(examples) > 10
        for name, nodes in quarters.items():
            quarter = found[seen].pop(name)
            each = [
                average_precision_score(y[:, node], scores[:, node])
                for node in nodes
                if y[:, node].any()
            ]
            assert quarter.pop("with_positive") == len(each)
            assert quarter.pop("macro_ap") == pytest.approx(np.mean(each), rel=1e-5)
            positive = [node for node in nodes if y[:, node].any()]
            chosen = np.isin(np.arange(len(HIERARCHY)), positive)
            for rule in CUTS:
                expected = reference.rule_scores(y, Model().decide(scores, rule), chosen)
                found_recall = quarter.pop(f"recall/{rule}")
                assert found_recall == pytest.approx(expected["macro_recall"], rel=1e-5)
            assert quarter == {}
        assert found[seen] == {}


def test_a_node_without_a_training_positive_is_in_no_quarter():
    p = probabilities()
    before = quadrants.measure(Model(), p, PROBLEM)
    never = HIERARCHY.index["never"]
    assert SUPPORT[never] == 0
    p[:, never] = 1 - p[:, never]
    assert quadrants.measure(Model(), p, PROBLEM) == before


def test_nodes_that_are_not_scored_make_no_example_rare():
    p, top = probabilities(), HIERARCHY.index["t"]
    assert not PROBLEM.scored[top]
    before = quadrants.measure(Model(), p, PROBLEM)
    labels = PROBLEM.labels.tolil()
    labels[TEST, top] = ~labels[TEST, top].toarray()
    changed = Problem(PROBLEM.data, HIERARCHY, labels.tocsr(), PROBLEM.scored)
    assert quadrants.measure(Model(), p, changed) == before
