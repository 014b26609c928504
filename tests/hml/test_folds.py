"""Who learns from which example: groups stay together, rare positives are spread."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from pipeline.hml.folds import FEWEST, folds, learners


def random_labels(examples: int, supports: list[int], seed: int = 0) -> sparse.csr_array:
    """Labels (example, node) with so many positives of each node."""
    rng = np.random.default_rng(seed)
    y = np.zeros((examples, len(supports)), dtype=bool)
    for node, support in enumerate(supports):
        y[rng.choice(examples, support, replace=False), node] = True
    return sparse.csr_array(y)


@given(
    members=st.integers(FEWEST, 12),
    examples=st.integers(12, 60),
    groups=st.integers(12, 40),
    seed=st.integers(0, 99),
)
def test_each_example_is_left_out_by_two_members_and_each_group_by_the_same_ones(
    members: int, examples: int, groups: int, seed: int
):
    group = np.arange(examples) % min(groups, examples)
    y = random_labels(examples, [examples, examples // 3, 2, 1], seed)
    fold = folds(y, members, groups=group, seed=seed)
    learns = learners(fold, members)
    assert learns.shape == (members, examples)
    assert ((~learns).sum(0) == 2).all()
    for name in np.unique(group):
        assert len(np.unique(fold[group == name])) == 1
    expected = [[h not in (f, (f - 1) % members) for f in fold] for h in range(members)]
    assert learns.tolist() == expected


def test_no_member_misses_every_positive_of_a_rare_node_where_that_can_be_avoided():
    y = random_labels(300, [300, 100, *[2] * 30, *[3] * 20, *[5] * 10])
    learns = learners(folds(y, 10, seed=0), 10)
    left = np.array([y.toarray()[~learnt].sum(0) for learnt in learns])
    support = y.toarray().sum(0)
    assert (left < support).all()
    # By chance, every fourth node with two positives would be missed by some member.
    assert (left[:, 2:32] <= 1).all()
    assert (left[:, 32:52] <= 2).all()


def test_members_learn_from_about_as_many_examples_each():
    y = random_labels(500, [500, 200, 40, 10, 3])
    for labels in (y, sparse.csr_array((500, 3), dtype=bool)):
        sizes = learners(folds(labels, 10, seed=0), 10).sum(1)
        assert sizes.min() >= 0.95 * 400
        assert sizes.max() <= 1.05 * 400


@pytest.mark.parametrize("members", [4, 5, 10])
def test_all_folds_of_the_ring_are_used_alike(members: int):
    # Every other one alone would serve each member as well, but make neighbours in the ring equal.
    for labels in (
        random_labels(600, [600, *np.geomspace(200, 3, 60).astype(int)]),
        sparse.csr_array((600, 3), dtype=bool),
    ):
        fold = folds(labels, members, seed=0)
        sizes = np.bincount(fold, minlength=members)
        assert sizes.min() >= 0.85 * 600 / members
        assert sizes.max() <= 1.15 * 600 / members
        assert len(np.unique(learners(fold, members), axis=0)) == members


def test_however_unequal_the_groups_each_member_learns_from_something():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        group = np.concatenate([np.zeros(200, int), np.arange(1, 8)])
        y = sparse.csr_array(rng.random((len(group), 12)) < 0.1)
        assert learners(folds(y, 4, groups=group, seed=seed), 4).any(1).all()


def test_the_seed_decides_and_the_names_of_the_groups_do_not_matter():
    y = random_labels(80, [80, 20, 4])
    group = np.arange(80) // 2
    first = folds(y, 5, groups=group, seed=3)
    assert np.array_equal(folds(y, 5, groups=group, seed=3), first)
    assert not np.array_equal(folds(y, 5, groups=group, seed=4), first)
    names = np.array([f"group {number:03d}" for number in group])
    assert np.array_equal(folds(y, 5, groups=names, seed=3), first)


def test_too_few_groups_or_members_are_refused():
    y = random_labels(20, [5])
    with pytest.raises(ValueError, match=r"as many groups of examples as folds, 6\. Got 5"):
        folds(y, 6, groups=np.arange(20) % 5, seed=0)
    with pytest.raises(ValueError, match=r"groups must have shape \(20,\)\. Got \(19,\)"):
        folds(y, 4, groups=np.arange(19), seed=0)
    with pytest.raises(ValueError, match=rf"at least {FEWEST} members\. Got 3"):
        learners(folds(y, 3, seed=0), 3)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([*"abcdefgh", None, None], "every example must have a group. Got None in row 8, and 1"),
        ([*"abcdefghi", pd.NA], "every example must have a group. Got <NA> in row 9, and 0"),
        ([*range(9), float("nan")], "every example must have a group. Got nan in row 9, and 0"),
        ([*"abcdefghi", 7], "groups must be of one type. Got int and str"),
    ],
)
def test_groups_that_are_missing_or_cannot_be_ordered_are_refused(
    groups: list[object], message: str
):
    given = np.array(groups, dtype=object)
    with pytest.raises(ValueError, match=message):
        folds(random_labels(10, [5]), 4, groups=given, seed=0)
