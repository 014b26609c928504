from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets import splits

SHARES = {"valid_share": 0.15, "test_share": 0.2}
GOLDEN = "test train train test test valid test test train valid train train"


def test_shares_are_about_kept():
    counts = Counter(splits.assign([f"group {number}" for number in range(10_000)], **SHARES))
    assert counts["test"] == pytest.approx(2000, abs=150)
    assert counts["valid"] == pytest.approx(1500, abs=150)


@given(st.lists(st.text(), min_size=1), st.lists(st.text()))
def test_groups_keep_their_split_when_data_grows(groups, more):
    before = splits.assign(groups, **SHARES).tolist()
    assert splits.assign([*groups, *more], **SHARES).tolist()[: len(groups)] == before


def test_split_of_known_groups_never_changes():
    """Golden: another hash would move examples from test to train in every workspace."""
    found = [splits.split_of(f"OMIM:{number}", **SHARES) for number in range(100100, 100112)]
    assert " ".join(found) == GOLDEN


def test_another_valid_share_moves_nothing_into_or_out_of_test():
    groups = [f"group {number}" for number in range(500)]
    one = splits.assign(groups, valid_share=0.1, test_share=0.2) == "test"
    other = splits.assign(groups, valid_share=0.3, test_share=0.2) == "test"
    assert (one == other).all()
