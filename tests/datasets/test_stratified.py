"""Splits with rare nodes on both sides."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.datasets import splits, stratified
from pipeline.errors import DatasetError

SHARES = {"train": 0.65, "valid": 0.15, "test": 0.2}


def assigned(groups: list[str], labels: np.ndarray, seed: int = 0) -> np.ndarray:
    return stratified.assign(groups, sparse.csr_array(labels.astype(bool)), SHARES, seed=seed)


def sides(groups: list[str], labels: np.ndarray, split: np.ndarray) -> dict[int, set[bool]]:
    """Node -> on which sides of the test split it has positives."""
    found: dict[int, set[bool]] = defaultdict(set)
    for row, node in zip(*np.nonzero(labels), strict=True):
        found[int(node)].add(bool(split[row] == "test"))
    return found


def long_tail(examples: int, nodes: int, seed: int) -> np.ndarray:
    """Labels of which most nodes have a handful."""
    draw = np.random.default_rng(seed)
    share = 0.3 / np.arange(1, nodes + 1) ** 1.2
    labels = draw.random((examples, nodes)) < share
    labels[:, 0] = True  # a root
    return labels


def test_rare_nodes_are_on_both_sides_where_a_hash_leaves_many_on_one():
    labels = long_tail(1500, 200, seed=1)
    groups = [f"g{number}" for number in range(1500)]
    can = {node for node in range(200) if labels[:, node].sum() >= 2}
    split = assigned(groups, labels)
    both = {node for node, found in sides(groups, labels, split).items() if len(found) == 2}
    hashed = splits.assign(groups, valid_share=0.15, test_share=0.2)
    by_hash = {node for node, found in sides(groups, labels, hashed).items() if len(found) == 2}
    assert both == can
    assert len(by_hash) < len(can) - 20


@settings(deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(0, 3))
def test_a_node_of_two_groups_is_on_both_sides_whatever_the_sizes(nodes: list[int], seed: int):
    labels = np.eye(8, dtype=bool)[nodes]
    groups = [f"g{number}" for number in range(len(nodes))]
    split = assigned(groups, labels, seed)
    found = sides(groups, labels, split)
    assert all(len(found[node]) == 2 for node in set(nodes) if nodes.count(node) >= 2)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 80), st.integers(1, 12))
def test_groups_stay_whole_and_every_example_has_a_split(seed: int, examples: int, nodes: int):
    draw = np.random.default_rng(seed)
    labels = draw.random((examples, nodes)) < 0.2
    groups = [f"g{number}" for number in draw.integers(0, max(1, examples // 3), examples)]
    split = assigned(groups, labels, seed)
    assert set(split) <= set(SHARES)
    assert all(len(set(split[np.array(groups) == group])) == 1 for group in groups)
    np.testing.assert_array_equal(split, assigned(groups, labels, seed))


def test_shares_are_met_over_all_and_for_common_nodes():
    labels = long_tail(4000, 50, seed=2)
    split = assigned([f"g{number // 2}" for number in range(4000)], labels)
    for name, share in SHARES.items():
        assert (split == name).mean() == pytest.approx(share, abs=0.02)
        for node in range(5):
            assert (split[labels[:, node]] == name).mean() == pytest.approx(share, abs=0.02)


def test_another_seed_draws_another_split():
    labels = long_tail(300, 20, seed=3)
    groups = [f"g{number}" for number in range(300)]
    assert (assigned(groups, labels, 0) != assigned(groups, labels, 1)).any()


def test_the_latest_groups_are_the_test():
    groups = ["a", "a", "b", "c", "d", "e", "f", "g", "h", "i"]
    moments = [0.0, 9.5, 1, 2, 3, 4, 5, 6, 7, 8]
    split = splits.by_time(groups, moments, valid_share=0.2, test_share=0.2)
    # Group a has the latest example, so both of its examples are of the test.
    assert split.tolist() == ["test", "test", *["train"] * 6, "valid", "valid"]


def test_moments_that_are_equal_are_in_one_split():
    split = splits.by_time(
        list("abcdefghij"), [1.0] * 4 + [2.0] * 2 + [3.0] * 4, valid_share=0.2, test_share=0.3
    )
    assert split.tolist() == ["train"] * 4 + ["valid"] * 2 + ["test"] * 4


@pytest.mark.parametrize(
    ("groups", "moments", "empty", "why"),
    [
        (
            "aabbcc",
            [1, 9, 2, 9, 3, 9],
            "train and valid",
            "6 examples from 1 to 9 (dates: days since 1970) are in 3 groups, whose latest "
            "examples are at 9 alone. Other shares",
        ),
        (
            "abcdef",
            [20000.5] * 6,
            "train and valid",
            "in 6 groups, whose latest examples are at 20000.5 alone",
        ),
        ("abcdefgh", [1] * 4 + [2] * 4, "valid", "2 moments from 1 to 2"),
        ("abcdefgh", [1] * 6 + [1700000000, 1700000001], "train", "3 moments from 1 to"),
    ],
)
def test_splits_by_time_of_which_one_would_be_empty_are_refused(
    groups: str, moments: list[float], empty: str, why: str
):
    with pytest.raises(DatasetError) as error:
        splits.by_time(list(groups), moments, valid_share=0.2, test_share=0.2)
    message = str(error.value)
    assert message.startswith("prepare.split_by: expected moments that leave each of train, valid ")
    assert f"for 'time', found none for {empty}. A group belongs to its latest" in message
    assert why in message
