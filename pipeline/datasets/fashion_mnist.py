"""Fashion-MNIST: small pictures of clothes, with a hierarchy over its categories and a long tail.

An example is an image of 28 x 28 grey values, a node a kind of clothing; `fashion_mnist_nodes`
declares the nodes and how many images of each category are examples. The files are the original
ones, as Debian's package dataset-fashion-mnist has them.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.datasets import fashion_mnist_nodes as taxonomy
from pipeline.datasets import verified
from pipeline.datasets.source import Features, Images, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError

if TYPE_CHECKING:  # imported where they compute: the command line asks for names only
    import numpy as np

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where the Debian package puts them
FILES = {
    "train-images-idx3-ubyte.gz": (
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"
    ),
    "train-labels-idx1-ubyte.gz": (
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"
    ),
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
PREFIXES = {"train": "train", "test": "t10k"}
SIZE = 28
NOTICE = (
    "Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist, (c) 2017 Zalando SE, MIT "
    "(Expat) licence. Cite Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for "
    "benchmarking machine learning algorithms, arXiv:1708.07747."
)
NOTES = (
    "The hierarchy and the long tail are this project's, not the publication's: figures cannot be "
    "compared with those of Fashion-MNIST.",
    "A node above a category follows from the category alone; nobody looked at the image for it.",
    "Test examples are of the published test file, the others of the training file.",
)


class FashionMnist(Source):
    """Seven categories as leaves; the other three are images to pretrain an encoder on."""

    def files(self) -> tuple[RawFile, ...]:
        """Images and labels, of training and test."""
        return tuple(RawFile(name, name, sha256) for name, sha256 in FILES.items())

    def origin(self) -> Path:
        """The folder of the Debian package.

        Raises:
            DatasetError: the package is not installed.
        """
        if not FOLDER.is_dir():
            raise DatasetError(
                f"expected the files of Fashion-MNIST in {FOLDER}, found none. On Debian and "
                "Ubuntu `apt-get install dataset-fashion-mnist` puts them there; elsewhere "
                "`rarenode data get fashion_mnist --from DIR` takes them from a folder."
            )
        return FOLDER

    def about(self) -> str:
        """In the form that all data sets have: examples -> nodes."""
        return "Images of clothes -> kinds of clothing, long-tailed"

    def flaw(self, path: Path) -> str | None:
        """Where its gzip or IDX stops making sense."""
        from pipeline.datasets import idx

        try:
            idx.read(path, 3 if "images" in path.name else 1)
        except DatasetError as error:
            return str(error)
        return None

    def read(self, folder: Path) -> RawDataset:
        """Read both splits, each in its file's order, training first."""
        import numpy as np
        import pandas as pd

        published = {split: _read_split(folder, split) for split in PREFIXES}
        if wrong := verified.wrong(self.files(), folder):  # last: what is above says where
            raise DatasetError(
                "; ".join(wrong.values()) + ". `rarenode data get fashion_mnist` replaces what is "
                "wrong."
            )
        parts = {split: _examples(images) for split, images in published.items()}
        pixels = np.concatenate([published[split].pixels[rows] for split, rows in parts.items()])
        splits = tuple(split for split, rows in parts.items() for _ in rows)
        ids = tuple(f"{split}-{row:05d}" for split, rows in parts.items() for row in rows)
        numbers = {number: node for node, number in taxonomy.TARGETS.items()}
        digests = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in pixels]
        known = {d for d, s in zip(digests, splits, strict=True) if s == "train"}
        repeated = sum(d in known for d, s in zip(digests, splits, strict=True) if s == "test")
        return RawDataset(
            ids=ids,
            # Equal images of one split belong together. Across splits the publication has its way.
            groups=tuple(f"{s}-{d}" for s, d in zip(splits, digests, strict=True)),
            labels=tuple(
                (numbers[int(published[split].labels[row])],)
                for split, rows in parts.items()
                for row in rows
            ),
            nodes=taxonomy.NODES,
            edges=taxonomy.EDGES,
            attributes=pd.DataFrame(index=range(len(ids))),
            info={
                "source": "Fashion-MNIST, with a hierarchy and a long tail",
                "version": "1 (2017), files of Debian's dataset-fashion-mnist",
                "notice": NOTICE,
                "notes": [
                    *NOTES,
                    _tail(published["train"], published["test"]),
                    f"{repeated} of {splits.count('test'):,} test examples are the very image of a "
                    "training or validation example.",
                ],
            },
            unscored=frozenset({taxonomy.ROOT}),
            splits=splits,
            images=Images(pixels, ids, *_auxiliary(published["train"])),
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """None: what an encoder of images makes of them comes on top."""
        import numpy as np

        return Features(np.empty((len(raw.ids), 0), np.float32), ())


class _Split(NamedTuple):
    """(image, size, size, 1) and (image,), both uint8, as published."""

    pixels: "np.ndarray"
    labels: "np.ndarray"


def _read_split(folder: Path, split: str) -> _Split:
    from pipeline.datasets import idx

    paths = [folder / name for name in FILES if name.startswith(PREFIXES[split])]
    pixels, labels = idx.read(paths[0], 3), idx.read(paths[1], 1)
    if pixels.shape[1:] != (SIZE, SIZE):
        found = " x ".join(map(str, pixels.shape[1:]))
        raise DatasetError(f"expected images of {SIZE} x {SIZE} in {paths[0]}, found {found}")
    if len(pixels) != len(labels):
        raise DatasetError(
            f"expected {len(pixels):,} labels, one per image, in {paths[1]}, found {len(labels):,}"
        )
    most = len(taxonomy.TARGETS) + len(taxonomy.AUXILIARY) - 1
    if labels.max(initial=0) > most:
        raise DatasetError(f"expected labels from 0 to {most} in {paths[1]}, found {labels.max()}")
    return _Split(pixels[..., None], labels)


def _examples(split: _Split) -> "np.ndarray":
    """Rows of the images that are examples: of each category the first ones, sorted."""
    import numpy as np

    found = {node: np.flatnonzero(split.labels == n) for node, n in taxonomy.TARGETS.items()}
    first = [rows[: taxonomy.kept(node, len(rows))] for node, rows in found.items()]
    return np.sort(np.concatenate(first))


def _auxiliary(train: _Split) -> tuple["np.ndarray", "np.ndarray"]:
    """Images of the other categories, and which of them each shows; none of the test file's."""
    import numpy as np

    numbers = list(taxonomy.AUXILIARY.values())
    rows = np.flatnonzero(np.isin(train.labels, numbers))
    return train.pixels[rows], np.searchsorted(numbers, train.labels[rows])


def _tail(train: _Split, test: _Split) -> str:
    """The note that says what was left out."""
    counts = ", ".join(
        f"{taxonomy.NODES[node]} "
        + " and ".join(
            f"{taxonomy.kept(node, int((split.labels == taxonomy.TARGETS[node]).sum())):,}"
            for split in (train, test)
        )
        for node in taxonomy.TAIL
    )
    return (
        f"The long tail is made: of the k-th category, from 0, {taxonomy.SHARE}**k of the images "
        f"are examples, the first ones of each file (training and test: {counts}). The rest, and "
        f"the test images of {', '.join(taxonomy.AUXILIARY)}, are not used."
    )
