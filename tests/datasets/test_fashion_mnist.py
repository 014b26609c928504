"""Fashion-MNIST: made up under its names, and, where they are, the files themselves.

The Debian package dataset-fashion-mnist puts them where they are looked for; elsewhere set
RARENODE_FASHION_MNIST_DIR to a folder that holds them.
"""

import gzip
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import fashion_mnist, registry
from pipeline.datasets import fashion_mnist_nodes as taxonomy
from pipeline.datasets.fashion_mnist import FILES, FashionMnist
from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from pipeline.stages import labelling
from tests.datasets import tiny_images
from tests.datasets.contract import SourceContract
from tests.datasets.tiny_images import TinyFashion

VARIABLE = "RARENODE_FASHION_MNIST_DIR"
LEAVES = {
    "clothing": "t-shirt pullover dress coat shirt sandal ankle-boot",
    "garment": "t-shirt pullover dress coat shirt",
    "footwear": "sandal ankle-boot",
    "cold-weather": "pullover coat ankle-boot",
    "warm-weather": "t-shirt dress sandal",
    "upper-body": "t-shirt pullover coat shirt",
    "long-garment": "dress coat",
    "light-top": "t-shirt shirt",
    "long-sleeved": "pullover coat shirt",
    "warm-layer": "pullover coat",
    "front-fastened": "coat shirt",
}
TRAIN, TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_images.write_fashion(tmp_path_factory.mktemp("fashion"))


@pytest.fixture(scope="module")
def raw(tiny: Path) -> RawDataset:
    return TinyFashion(tiny).read(tiny)


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


class TestFashionMnist(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tiny):
        return TinyFashion(tiny)


def test_nodes_have_the_leaves_that_are_meant_and_no_two_the_same():
    hierarchy = labelling.build(taxonomy.NODES, taxonomy.EDGES)
    found = {
        node: {*hierarchy.descendants(node), node} & set(taxonomy.TARGETS)
        for node in hierarchy.nodes
    }
    assert {node: found[node] for node in LEAVES} == {n: set(t.split()) for n, t in LEAVES.items()}
    assert set(found) == {*LEAVES, *taxonomy.TARGETS}
    assert len({frozenset(leaves) for leaves in found.values()}) == len(found) == 18


def test_every_category_is_a_leaf_or_auxiliary_and_the_leaves_have_a_place_in_the_tail():
    numbers = [*taxonomy.TARGETS.values(), *taxonomy.AUXILIARY.values()]
    assert sorted(numbers) == list(range(10))
    assert sorted(taxonomy.TAIL) == sorted(taxonomy.TARGETS)
    kept = [taxonomy.kept(node, 6000) for node in taxonomy.TAIL]
    assert kept == [6000, 2400, 960, 384, 154, 61, 25]


def test_the_tail_is_that_of_each_file_and_takes_its_first_images(raw: RawDataset, tiny: Path):
    found = Counter(zip(raw.splits or (), (label for (label,) in raw.labels), strict=True))
    for split, prefix in (("train", "train"), ("test", "t10k")):
        counts = [found[split, node] for node in taxonomy.TAIL]
        assert counts == [round(tiny_images.COUNTS[prefix] * 0.4**k) for k in range(7)]
        packed = (tiny / f"{prefix}-labels-idx1-ubyte.gz").read_bytes()
        labels = np.frombuffer(gzip.decompress(packed)[8:], np.uint8)
        first = np.flatnonzero(labels == taxonomy.TARGETS["dress"])[: found[split, "dress"]]
        of_dresses = [
            i for i, label in zip(raw.ids, raw.labels, strict=True) if label == ("dress",)
        ]
        expected = [f"{split}-{row:05d}" for row in first]
        assert [name for name in of_dresses if name.startswith(split)] == expected


def test_images_are_those_of_the_examples(raw: RawDataset, tiny: Path):
    assert raw.images is not None
    packed = {"train": (tiny / TRAIN).read_bytes(), "test": (tiny / TEST).read_bytes()}
    content = {split: gzip.decompress(data)[16:] for split, data in packed.items()}
    for name, image in zip(raw.ids, raw.images.pixels, strict=True):
        split, row = name.split("-")
        assert content[split][int(row) * 784 : (int(row) + 1) * 784] == image.tobytes()
    assert raw.images.names == raw.ids


def test_auxiliary_images_are_of_no_target_and_of_training_alone(raw: RawDataset):
    assert raw.images is not None
    assert raw.images.auxiliary is not None
    assert raw.images.auxiliary_classes is not None
    assert np.bincount(raw.images.auxiliary_classes).tolist() == [tiny_images.COUNTS["train"]] * 3
    # A picture's square tells what it shows.
    for image, found in zip(raw.images.auxiliary, raw.images.auxiliary_classes, strict=True):
        number = [*taxonomy.AUXILIARY.values()][found]
        assert image[2 + 12 * (number % 2), 1 + 5 * (number // 2), 0] == 200


def test_equal_images_are_a_group_and_what_test_has_of_train_is_counted(raw, copy):
    assert len(set(raw.groups)) == len(raw.ids) - 2
    assert raw.info["notes"][-1].startswith("0 of ")
    shutil.copy(copy / TRAIN, copy / TEST)
    shutil.copy(copy / LABELS, copy / "t10k-labels-idx1-ubyte.gz")
    again = TinyFashion(copy).read(copy)
    count = (again.splits or ()).count("test")
    assert again.info["notes"][-1].startswith(f"{count} of {count} test")


def test_the_notice_names_whom_the_licence_names(raw: RawDataset):
    assert "(c) 2017 Zalando SE, MIT" in raw.info["notice"]


def packed(array: np.ndarray) -> bytes:
    return gzip.compress(tiny_images.idx(array), 1)


BROKEN = {
    "other size": (TRAIN, packed(np.zeros((5, 27, 28))), r"28 x 28 in .*train-im.*found 27 x 28"),
    "fewer labels": (LABELS, packed(np.zeros(5)), r"2,500 labels, one per image, .*found 5$"),
    "label": (LABELS, packed(np.arange(2500) % 11), r"from 0 to 9 in .*train-labels.*found 10"),
    "no gzip": (TEST, b"<html>", r"a whole gzip file in .*t10k-images.*found Not a gzipped"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_fit_is_refused_with_the_file(what: str, copy: Path):
    name, content, message = BROKEN[what]
    (copy / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        FashionMnist().read(copy)


def test_files_that_can_be_read_and_are_others_are_refused(tiny: Path):
    with pytest.raises(DatasetError, match=r"expected sha256 b0564c.*`rarenode data get fashion"):
        FashionMnist().read(tiny)


def test_a_truncated_file_is_refused_with_what_is_wrong_and_nothing_is_left(copy, tmp_path):
    source, file = TinyFashion(copy), copy / TRAIN
    files = source.files()
    file.write_bytes(file.read_bytes()[:-100])
    source.files = lambda: files
    with pytest.raises(DatasetError, match=r"wrong with it: expected a whole gzip file in .*ended"):
        source.fetch(tmp_path / "raw", copy)
    assert not (tmp_path / "raw").exists()


def test_where_the_package_is_not_two_ways_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "FOLDER", tmp_path / "none")
    with pytest.raises(DatasetError, match=r"apt-get install dataset-fashion-mnist.*--from DIR"):
        FashionMnist().origin()
    (tmp_path / "none").mkdir()
    assert FashionMnist().origin() == tmp_path / "none"


# the files themselves


@pytest.fixture(scope="module")
def published() -> Path:
    if value := os.environ.get(VARIABLE):
        folder = Path(value)
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            pytest.fail(f"{VARIABLE} is {value}, and there is no {', '.join(missing)}")
        return folder
    if not fashion_mnist.FOLDER.is_dir():
        pytest.skip(
            f"install the Debian package dataset-fashion-mnist, or set {VARIABLE} to a folder with "
            "its files, to read them"
        )
    return fashion_mnist.FOLDER


def test_counts_are_those_declared_and_no_image_comes_twice(published: Path, tmp_path: Path):
    source = registry.get("fashion_mnist")
    source.fetch(tmp_path / "raw", published)
    raw = source.read(tmp_path / "raw")
    found = Counter(zip(raw.splits or (), (label for (label,) in raw.labels), strict=True))
    assert [found["train", n] for n in taxonomy.TAIL] == [6000, 2400, 960, 384, 154, 61, 25]
    assert [found["test", n] for n in taxonomy.TAIL] == [1000, 400, 160, 64, 26, 10, 4]
    assert len(set(raw.groups)) == len(raw.ids) == 11_648
    assert raw.images is not None
    assert raw.images.pixels.shape == (11_648, 28, 28, 1)
    assert raw.images.auxiliary is not None
    images = {image.tobytes() for image in (*raw.images.pixels, *raw.images.auxiliary)}
    assert len(images) == 11_648 + 18_000
