"""Silhouettes of animals: a small set of images to try things out with, in minutes.

An example is an image of 28 x 28 grey values, a node a kind of animal. The raw file is the wheel of
the package animal-mnist as PyPI has it: it is never installed, none of its code runs, and the
pickles in it are never loaded (`animal_mnist_files`).
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets import verified
from pipeline.datasets.source import Features, Images, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError

if TYPE_CHECKING:  # imported where they compute: the command line asks for names only
    import numpy as np

WHEEL = "animal_mnist-0.4-py3-none-any.whl"
SHA256 = "aeebf3d9de4552d6fd2d5701424e1a5b9020f8e5115d68df9db252f2f53ce2ce"
NOTICE = (
    "Animal-MNIST 0.4, https://pypi.org/project/animal-mnist, (c) 2025 SinaSR-6 (Sina Mohammadi), "
    "MIT licence."
)
NOTES = (
    "The hierarchy and the long tail are this project's, not the publication's.",
    "Here to try things out in a short time: with 20 bears in all, a figure of a rare node says "
    "little.",
    "Equal images form one group, and a group never spans two splits. Nearly equal ones do not.",
)

# In the order of the label file's numbers.
CATEGORIES = (
    "bear",
    "bird",
    "cat",
    "cow",
    "dog",
    "elephant",
    "giraffe",
    "horse",
    "sheep",
    "zebra",
)
ROOT = "animal"
NODES = {
    ROOT: "Animal",
    "mammal": "Mammal",
    "domesticated": "Domesticated animal",
    "savanna": "Animal of the savanna",
    "carnivore": "Carnivore",
    "ungulate": "Hoofed animal",
    "pet": "Pet",
    "livestock": "Livestock",
    "caniform": "Dog-like carnivore",
    "ruminant": "Ruminant",
    "equid": "Horse family",
    "bovid": "Cattle family",
} | {category: category.capitalize() for category in CATEGORIES}
# (child, parent): zoology (orders, suborders, families), and how animals live with people
EDGES = (
    ("mammal", ROOT),
    ("bird", ROOT),
    ("domesticated", ROOT),
    ("savanna", ROOT),  # wild, of the grassland of Africa
    ("carnivore", "mammal"),  # the order, whatever they eat
    ("ungulate", "mammal"),
    ("elephant", "mammal"),  # an order of its own, without hooves
    ("caniform", "carnivore"),  # the suborder Caniformia
    ("cat", "carnivore"),  # of the other suborder
    ("bear", "caniform"),
    ("dog", "caniform"),
    ("ruminant", "ungulate"),  # even-toed, and chews the cud
    ("equid", "ungulate"),  # odd-toed
    ("giraffe", "ruminant"),
    ("bovid", "ruminant"),
    ("cow", "bovid"),
    ("sheep", "bovid"),
    ("horse", "equid"),
    ("zebra", "equid"),
    ("pet", "domesticated"),
    ("livestock", "domesticated"),
    ("cat", "pet"),
    ("dog", "pet"),
    ("cow", "livestock"),
    ("horse", "livestock"),
    ("sheep", "livestock"),
    ("elephant", "savanna"),
    ("giraffe", "savanna"),
    ("zebra", "savanna"),
)
# Each category has 1,000 images. The k-th of this order, from 0, keeps MOST * SHARE**k of them, the
# first ones in the file's order: 500, 350, 245, 171, 120, 84, 59, 41, 29, 20.
TAIL = ("bird", "horse", "elephant", "cow", "dog", "sheep", "giraffe", "cat", "zebra", "bear")
MOST, SHARE = 500, 0.7


class AnimalMnist(Source):
    """Ten animals as leaves, 1,619 silhouettes."""

    def files(self) -> tuple[RawFile, ...]:
        """The wheel."""
        return (RawFile(WHEEL, WHEEL, SHA256),)

    def origin(self) -> Path:
        """There is none: the package is not to be installed, it asks for TensorFlow.

        Raises:
            DatasetError: always; says how to get the file.
        """
        raise DatasetError(
            f"expected a folder with {WHEEL}, found none: it has no usual one. `pip download "
            "--no-deps animal-mnist==0.4 -d DIR` gets it, `rarenode data get animal_mnist --from "
            "DIR` takes it from there."
        )

    def about(self) -> str:
        """In the form that all data sets have: examples -> nodes."""
        return "Silhouettes -> kinds of animals, small, to try things out"

    def read(self, folder: Path) -> RawDataset:
        """Read the wheel, if it is the published one; in its order."""
        import numpy as np
        import pandas as pd

        from pipeline.datasets import animal_mnist_files

        if wrong := verified.wrong(self.files(), folder):
            raise DatasetError("; ".join(wrong.values()) + ". Run the stage `fetch`.")
        pixels, labels = animal_mnist_files.read(folder / WHEEL)
        if (labels < 0).any() or (labels >= len(CATEGORIES)).any():
            raise DatasetError(
                f"expected labels from 0 to {len(CATEGORIES) - 1} in {folder / WHEEL}, found "
                f"{labels.min()} to {labels.max()}"
            )
        first = [
            np.flatnonzero(labels == CATEGORIES.index(category))[: round(MOST * SHARE**place)]
            for place, category in enumerate(TAIL)
        ]
        rows = np.sort(np.concatenate(first))
        pixels = pixels[rows]
        ids = tuple(f"image-{row:05d}" for row in rows)
        counts = ", ".join(f"{c} {len(r)}" for c, r in zip(TAIL, first, strict=True))
        return RawDataset(
            ids=ids,
            groups=tuple(hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in pixels),
            labels=tuple((CATEGORIES[label],) for label in labels[rows]),
            nodes=NODES,
            edges=EDGES,
            attributes=pd.DataFrame(index=range(len(ids))),
            info={
                "source": "Animal-MNIST, with a hierarchy and a long tail",
                "version": "0.4",
                "notice": NOTICE,
                "notes": [
                    *NOTES,
                    f"The long tail is made: of the k-th category, from 0, {MOST} * {SHARE}**k "
                    f"images are examples, the first ones ({counts}). The rest are not used.",
                ],
            },
            unscored=frozenset({ROOT}),
            images=Images(pixels, ids),
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """None: what an encoder of images makes of them comes on top."""
        import numpy as np

        return Features(np.empty((len(raw.ids), 0), np.float32), ())
