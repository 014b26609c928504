import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.validation import copies
from tests.validation.tiny import tiny

SPLIT = ["train", "train", "test", "valid", "test", "train"]


def test_equal_features_in_another_split_are_counted_and_grouped():
    found = copies.copies(tiny([[1, 2], [1, 2], [1, 2], [3, 4], [1, 2], [3, 5]], split=SPLIT))
    assert found["elsewhere"].tolist() == [2, 2, 2, 0, 2, 0]
    total, (group,) = copies.groups(found, 5)
    assert total == 1
    assert [(one["id"], one["split"]) for one in group["examples"]] == [
        ("e0", "train"), ("e1", "train"), ("e2", "test"), ("e4", "test"),
    ]  # fmt: skip


def test_copies_within_one_split_are_no_finding():
    found = copies.copies(tiny([[1], [1], [2], [3], [4], [5]], split=SPLIT))
    assert found["elsewhere"].sum() == 0
    assert copies.groups(found, 5) == (0, [])


def test_whether_copies_have_equal_labels_is_said():
    labels = [[1, 0], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0]]
    x = [[1], [2], [1], [3], [3], [4]]
    _, found = copies.groups(copies.copies(tiny(x, labels=labels, split=SPLIT)), 5)
    assert [group["same_labels"] for group in found] == [True, False]


def test_minus_zero_equals_zero_and_every_missing_value_equals_every_other():
    other_nan = np.array([0xFFC00001], dtype=np.uint32).view(np.float32)[0]
    assert np.isnan(other_nan)
    x = np.array([[0.0, np.nan], [1, 1], [-0.0, other_nan]], dtype=np.float32)
    found = copies.copies(tiny(x, split=["train", "train", "test"]))
    assert found["elsewhere"].tolist() == [1, 0, 1]


def test_examples_without_any_value_are_no_copies():
    x = np.full((2, 3), np.nan)
    assert copies.copies(tiny(x, split=["train", "test"]))["elsewhere"].tolist() == [0, 0]


def test_without_features_nothing_is_a_copy():
    found = copies.copies(tiny(np.zeros((2, 0)), split=["train", "test"]))
    assert found["elsewhere"].tolist() == [0, 0]


def test_of_many_groups_the_first_are_listed_with_some_of_their_examples():
    x, split = [*np.arange(30).repeat(2), *[99] * 50], ["train", "test"] * 55
    total, found = copies.groups(copies.copies(tiny(x, split=split)), 3)
    assert total == 31
    assert [group["examples"][0]["id"] for group in found] == ["e0", "e2", "e4"]
    total, found = copies.groups(copies.copies(tiny(x, split=split)), 31)
    assert (len(found[-1]["examples"]), found[-1]["total"]) == (20, 50)


@given(
    hnp.arrays(np.float32, (7, 2), elements=st.sampled_from([0.0, -0.0, 1.0, np.nan])),
    st.lists(st.sampled_from(["train", "valid", "test"]), min_size=7, max_size=7),
    st.integers(1, 5),
)
def test_blocks_of_any_size_find_what_comparing_all_pairs_finds(x, split, values):
    data = tiny(x, split=split)
    same = ((x[:, None] == x[None]) | (np.isnan(x[:, None]) & np.isnan(x[None]))).all(axis=2)
    known = ~np.isnan(x).all(axis=1)
    apart = np.array(split)[:, None] != np.array(split)[None]
    expected = (same & apart & known[:, None]).sum(axis=1)
    before, copies._VALUES = copies._VALUES, values
    try:
        assert copies.copies(data)["elsewhere"].tolist() == expected.tolist()
    finally:
        copies._VALUES = before
