"""The raw files of the image sets, made up: a few images each, in the formats of the real ones."""

import gzip
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from pipeline.datasets import animal_mnist_files
from pipeline.datasets.animal_mnist import WHEEL, AnimalMnist
from pipeline.datasets.fashion_mnist import FILES, FashionMnist
from pipeline.datasets.verified import RawFile, sha256_of

SIZE = 28
COUNTS = {"train": 250, "t10k": 100}  # of each category
ANIMALS = 80  # of each


class TinyFashion(FashionMnist):
    """Fashion-MNIST of a folder, whatever its files are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> tuple[RawFile, ...]:
        return tuple(RawFile(name, name, sha256_of(self.folder / name)) for name in FILES)

    def origin(self) -> Path:
        return self.folder


class TinyAnimals(AnimalMnist):
    """Animal-MNIST of a folder, whatever its wheel is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> tuple[RawFile, ...]:
        return (RawFile(WHEEL, WHEEL, sha256_of(self.folder / WHEEL)),)

    def origin(self) -> Path:
        return self.folder


def pictures(labels: np.ndarray, seed: int) -> np.ndarray:
    """(image, size, size) uint8: a square whose place tells the label, and a little noise."""
    rng = np.random.default_rng(seed)
    images = np.zeros((len(labels), SIZE, SIZE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = 2 + 12 * (label % 2), 1 + 5 * (label // 2)
        image[top : top + 10, left : left + 5] = 200
        image[13] = rng.integers(0, 50, SIZE)
    return images


def idx(array: np.ndarray) -> bytes:
    """An IDX file that is not compressed yet."""
    return (
        bytes((0, 0, 8, array.ndim))
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


def write_fashion(folder: Path) -> Path:
    """The four files; the second training image of category 0 is the first one again."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (prefix, count) in enumerate(COUNTS.items()):
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(10), count))
        images = pictures(labels, seed)
        first, second = np.flatnonzero(labels == 0)[:2]
        images[second] = images[first]
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = gzip.compress(idx(array), 1, mtime=0)
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(content)
    return folder


def as_numpy_1(array: np.ndarray) -> bytes:
    """A pickle of an array like those in the wheel; numpy 2 calls a module otherwise."""
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    content = pickle.dumps(np.ascontiguousarray(array), 4)
    return content.replace(bytes([len(new)]) + new, bytes([len(old)]) + old)


def animals() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels; the second bear is the first one again."""
    labels = np.repeat(np.arange(10), ANIMALS)
    images = pictures(labels, 0)
    images[1] = images[0]
    return images, labels


def write_wheel(folder: Path, pixels: bytes, labels: bytes) -> Path:
    """A wheel whose gzip files hold these bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr(animal_mnist_files.PIXELS, gzip.compress(pixels, 1, mtime=0))
        archive.writestr(animal_mnist_files.LABELS, gzip.compress(labels, 1, mtime=0))
    return folder
