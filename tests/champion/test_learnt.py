import numpy as np
import pytest

from pipeline.champion import learnt
from pipeline.errors import ArtifactError


def test_neither_an_example_nor_its_group_is_fresh_once_it_was_learnt_from():
    known = learnt.hashes(["a", "b"], ["one", "two"])
    ids = ["a", "c", "d", "e"]
    groups = ["other", "two", "three", "a"]  # an id that is now a group is not the group
    assert learnt.fresh(known, ids, groups).tolist() == [False, False, True, True]


def test_no_name_stands_in_the_hashes_and_they_come_back_as_they_were():
    known = learnt.hashes(["Ann", "Bob"], ["Ann", "Ann"])
    content = learnt.to_bytes(known)
    assert b"Ann" not in content
    assert known.dtype == np.uint64
    assert len(known) == 3
    np.testing.assert_array_equal(learnt.from_bytes(content), known)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", learnt.to_bytes(np.zeros((2, 2), np.uint64))]
)
def test_what_is_no_array_of_hashes_is_refused(content: bytes):
    with pytest.raises(ArtifactError, match=r"in learnt\.npy, found"):
        learnt.from_bytes(content)


def test_pickle_is_not_read():
    import io

    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match=r"expected an array in learnt\.npy"):
        learnt.from_bytes(stream.getvalue())
