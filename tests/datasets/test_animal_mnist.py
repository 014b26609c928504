"""Animal-MNIST: made up in a wheel, and, where it is, the wheel itself.

`pip download --no-deps animal-mnist==0.4 -d DIR`, and set RARENODE_ANIMAL_MNIST_DIR to DIR.
"""

import os
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import animal_mnist, animal_mnist_files, registry
from pipeline.datasets.animal_mnist import WHEEL, AnimalMnist
from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from pipeline.stages import labelling
from tests.datasets import tiny_images
from tests.datasets.contract import SourceContract
from tests.datasets.tiny_images import TinyAnimals

VARIABLE = "RARENODE_ANIMAL_MNIST_DIR"
IMAGES, LABELS = tiny_images.animals()
PIXELS, NUMBERS = tiny_images.as_numpy_1(IMAGES), tiny_images.as_numpy_1(LABELS)


@pytest.fixture(scope="module", autouse=True)
def count():
    """The wheels here hold fewer images than the published one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(animal_mnist_files, "COUNT", len(LABELS))
        yield


@pytest.fixture(scope="module")
def tiny(count, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_images.write_wheel(tmp_path_factory.mktemp("animals"), PIXELS, NUMBERS)


class TestAnimalMnist(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tiny):
        return TinyAnimals(tiny)


def test_nodes_have_different_leaves_and_every_category_is_one():
    hierarchy = labelling.build(animal_mnist.NODES, animal_mnist.EDGES)
    below = {node: {*hierarchy.descendants(node), node} for node in hierarchy.nodes}
    leaves = {node: below[node] & set(animal_mnist.CATEGORIES) for node in hierarchy.nodes}
    assert len({frozenset(found) for found in leaves.values()}) == len(leaves) == 22
    assert leaves[animal_mnist.ROOT] == set(animal_mnist.CATEGORIES) == set(animal_mnist.TAIL)
    assert leaves["mammal"] == set(animal_mnist.CATEGORIES) - {"bird"}
    assert leaves["livestock"] == {"cow", "horse", "sheep"}


def test_what_is_read_is_what_was_pickled(tiny: Path):
    pixels, labels = animal_mnist_files.read(tiny / WHEEL)
    np.testing.assert_array_equal(pixels[..., 0], IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_the_tail_takes_the_first_images_and_equal_ones_are_a_group(tiny: Path):
    raw = TinyAnimals(tiny).read(tiny)
    found = Counter(label for (label,) in raw.labels)
    expected = [min(round(500 * 0.7**k), tiny_images.ANIMALS) for k in range(10)]
    assert [found[category] for category in animal_mnist.TAIL] == expected
    assert raw.ids[:2] == ("image-00000", "image-00001")
    assert raw.groups[0] == raw.groups[1]
    assert raw.splits is None


# wheels that are others


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "sprung")


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        TinyAnimals(folder).read(folder)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["alone", "before", "after"])
def test_a_trap_is_refused_and_not_sprung(protocol: int, place: str, tmp_path: Path):
    marker = tmp_path / "sprung"
    trap = pickle.dumps(Trap(marker), protocol)
    content = {"alone": trap, "before": trap[:-1] + PIXELS, "after": PIXELS[:-1] + trap}[place]
    refused(tiny_images.write_wheel(tmp_path, content, NUMBERS), "as instruction|in .*_3.gz")
    assert not marker.exists()
    pickle.loads(trap)
    assert marker.exists()  # it is a trap indeed


def numpy_1(array: np.ndarray) -> bytes:
    return tiny_images.as_numpy_1(array)


OTHERS: dict[str, tuple[bytes, bytes, str]] = {
    "another shape": (numpy_1(IMAGES[:, :27]), NUMBERS, r"BININT 28 as instr.*found BININT 27"),
    "flat": (numpy_1(IMAGES.ravel()), NUMBERS, r"BININT 800 as instr.*found BININT 627200"),
    "another type": (PIXELS, numpy_1(LABELS.astype(np.int32)), r"BINUNICODE 'i8' .*found .*'i4'"),
    "Fortran's order": (
        numpy_1(IMAGES).replace(b"\x89B", b"\x88B"),
        NUMBERS,
        r"expected NEWFALSE as instruction .*found NEWTRUE",
    ),
    "fewer values": (
        numpy_1(IMAGES).replace(b"\x1cK\x1c", b"\x1dK\x1c"),
        NUMBERS,
        r"BININT 28 as instr.*found BININT 29",
    ),
    "objects": (numpy_1(np.array([None] * 800)), NUMBERS, r"expected .* as instruction"),
    "no pickle": (b"<html>", NUMBERS, r"expected .*(as instruction|a pickle in)"),
    "nothing": (b"", NUMBERS, r"a pickle in .*data_version_3.gz in .*pickle exhausted"),
    "cut": (PIXELS[:-1], NUMBERS, r"a pickle in .*data_version_3.gz in .*pickle exhausted"),
    "a bomb": (bytes(10_000_000), NUMBERS, r"at most 631,296 bytes in .*found more"),
    "labels": (PIXELS, numpy_1(LABELS + 1), r"labels from 0 to 9 in .*found 1 to 10"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_pickles_that_are_others_are_refused(what: str, tmp_path: Path):
    pixels, labels, message = OTHERS[what]
    refused(tiny_images.write_wheel(tmp_path, pixels, labels), message)


def test_a_buffer_of_another_length_is_refused(tmp_path: Path):
    """The shape is right, the values are not as many."""
    start = PIXELS.index(b"B" + (IMAGES.size).to_bytes(4, "little"))
    end = start + 5 + IMAGES.size
    short = b"B" + (1000).to_bytes(4, "little") + bytes(1000)
    folder = tiny_images.write_wheel(tmp_path, PIXELS[:start] + short + PIXELS[end:], NUMBERS)
    refused(folder, r"627,200 bytes of values in .*found 1,000")


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no archive": (lambda content: b"<html>", "a whole ZIP archive .*found File is not a zip"),
    "cut": (lambda content: content[:-30], "a whole ZIP archive .*found File is not a zip"),
    "a byte": (
        lambda content: content[:2000] + bytes([content[2000] ^ 255]) + content[2001:],
        "a whole ZIP archive .*Bad CRC|whole compressed|a whole ZIP",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_wheel_is_refused(what: str, tiny: Path, tmp_path: Path):
    damage, message = DAMAGES[what]
    (tmp_path / WHEEL).write_bytes(damage((tiny / WHEEL).read_bytes()))
    refused(tmp_path, message)


def test_a_wheel_without_the_files_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("other.txt", "")
    refused(tmp_path, r"animal_data_version_3.gz and .*found There is no item named")


def test_a_wheel_that_is_not_the_published_one_is_never_opened(tiny: Path, monkeypatch):
    monkeypatch.setattr(animal_mnist_files, "read", lambda path: pytest.fail("opened"))
    with pytest.raises(DatasetError, match="expected sha256 aeebf3"):
        AnimalMnist().read(tiny)


def test_how_to_get_the_wheel_is_told():
    with pytest.raises(DatasetError, match=r"--no-deps animal-mnist==0.4 -d DIR.*--from DIR"):
        AnimalMnist().origin()


# the wheel itself


def test_counts_are_those_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not (value := os.environ.get(VARIABLE)):
        pytest.skip(f"set {VARIABLE} to a folder with {WHEEL} to read it")
    monkeypatch.setattr(animal_mnist_files, "COUNT", 10_000)
    source = registry.get("animal_mnist")
    source.fetch(tmp_path / "raw", value)
    raw: RawDataset = source.read(tmp_path / "raw")
    found = Counter(label for (label,) in raw.labels)
    counts = [found[category] for category in animal_mnist.TAIL]
    assert counts == [500, 350, 245, 171, 120, 84, 59, 41, 29, 20]
    assert (len(raw.ids), len(set(raw.groups))) == (1619, 1570)
