"""Subsets of the training examples are nested, balanced, and leave every node a positive."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.benchmark import subsets
from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from tests.datasets.tiny_images import TinyFashion, write_fashion


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    folder = write_fashion(tmp_path_factory.mktemp("fashion"))
    return TinyFashion(folder).read(folder)


def left(part: RawDataset) -> list[str]:
    """Names of the training examples."""
    assert part.splits is not None
    return [name for name, split in zip(part.ids, part.splits, strict=True) if split == "train"]


def test_subsets_are_nested_and_the_test_split_stays(raw: RawDataset):
    before: set[str] = set()
    for share in (0.05, 0.2, 0.5, 1.0):
        part = subsets.thinned(raw, share, 3)
        names = {*left(part)}
        assert len(names) == round(share * len(left(raw)))
        assert before < names
        before = names
        assert len(part.ids) - len(names) == len(raw.ids) - len(left(raw))
    assert subsets.thinned(raw, 1.0, 3).ids == raw.ids


def test_every_part_of_an_example_comes_along(raw: RawDataset):
    part = subsets.thinned(raw, 0.1, 0)
    place = [raw.ids.index(name) for name in part.ids]
    assert place == sorted(place)
    assert part.images is not None
    assert raw.images is not None
    np.testing.assert_array_equal(part.images.pixels, raw.images.pixels[place])
    assert part.images.names == part.ids
    assert part.labels == tuple(raw.labels[row] for row in place)
    assert part.groups == tuple(raw.groups[row] for row in place)
    assert len(part.attributes) == len(place)
    assert part.images.auxiliary is raw.images.auxiliary


@pytest.mark.parametrize("seed", range(5))
def test_every_node_keeps_a_positive_and_each_category_its_share(raw: RawDataset, seed: int):
    whole = Counter(raw.labels[row] for row, s in enumerate(raw.splits or ()) if s == "train")
    for share in (0.05, 0.3):
        part = subsets.thinned(raw, share, seed)
        found = Counter(part.labels[row] for row, s in enumerate(part.splits or ()) if s == "train")
        assert {*found} == {*whole}
        # Rare ones are there first, which costs the others one each at most.
        assert all(abs(found[key] - share * whole[key]) <= 3 for key in whole)


def test_too_few_examples_hold_the_rarest_nodes(raw: RawDataset):
    part = subsets.thinned(raw, 2 / len(left(raw)), 0)
    train = [part.labels[row] for row, s in enumerate(part.splits or ()) if s == "train"]
    assert sorted(train) == [("coat",), ("shirt",)]


def test_another_seed_leaves_others(raw: RawDataset):
    one, same, other = (subsets.thinned(raw, 0.2, seed).ids for seed in (0, 0, 1))
    assert one == same != other


def test_a_drawn_test_split_is_refused(raw: RawDataset):
    with pytest.raises(DatasetError, match="comes with a test split"):
        subsets.thinned(replace(raw, splits=None), 0.5, 0)
