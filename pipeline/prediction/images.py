"""From names of images to features, as the encoder of a bundle makes them."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pipeline.artifacts.prepared import IMAGE
from pipeline.datasets.tables.problems import Problems
from pipeline.errors import ArtifactError, DatasetError

if TYPE_CHECKING:
    from pipeline.encoders.encoder import ImageEncoder

COLUMNS = "columns.json"  # as pipeline/stages/bundling.py writes it
MOST = "max_pixels"  # in it: of a file
_WORKERS, _FEW = 8, 32  # processes at most; images that are not worth another one
_HELD = 1 << 26  # values of pixels at a time: a block of a table has thousands of rows


class Looker:
    """An encoder, and which of its outputs the members learnt from.

    Args:
        encoder: of images.
        names: of the features, such as image:0.
        max_pixels: of a file: one that claims more is refused before it is decoded.

    Attributes:
        encoder, names, max_pixels: as given.
        kept: the places of these outputs.
        shape: (size, size, channels) of an image.

    Raises:
        ValueError: a name is not that of an output.
    """

    def __init__(self, encoder: "ImageEncoder", names: Sequence[str], max_pixels: int) -> None:
        self.names = tuple(names)
        self.max_pixels = max_pixels
        self.shape = (encoder.size, encoder.size, encoder.channels)
        self.encoder = encoder
        self.kept = [int(name.removeprefix(f"{IMAGE}:")) for name in names]
        if not names or min(self.kept) < 0 or max(self.kept) >= encoder.features:
            raise ValueError(f"features of images are not those of {encoder.features} outputs")

    @property
    def readable(self) -> tuple[str, ...]:
        """The features' names for people."""
        return tuple(f"output {place} of the image encoder" for place in self.kept)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """(row, feature) float32 of (row, size, size, channel) uint8.

        Raises:
            ValueError: they are of another size than those that the encoder learnt from.
        """
        return self.encoder.embed(pixels)[:, self.kept]

    def of_files(self, names: Sequence[str], root: Path) -> np.ndarray:
        """(row, feature) float32 of some files, of which a few are held at a time.

        Raises:
            DatasetError: files are no images, or outside the root; names them.
            WorkspaceError: there is no room for temporary files.
        """
        from pipeline.images import store

        size, _, channels = self.shape
        made = [np.empty((0, len(self.kept)), np.float32)]
        step = max(1, _HELD // math.prod(self.shape))
        problems = Problems([root])
        for start in range(0, len(names), step):
            some = names[start : start + step]
            with TemporaryDirectory() as temporary, problems.collecting(root):
                found = store.write(
                    Path(temporary) / "images",
                    some,
                    root=root,
                    size=size,
                    channels=channels,
                    max_pixels=self.max_pixels,
                    # At least one beside this: what a file does to its decoder stays there.
                    workers=min(_WORKERS, os.cpu_count() or 1, -(-len(some) // _FEW)),
                )
                if not problems.count:
                    made.append(self.features(found.pixels[found.rows(some)]))
        problems.raise_if_any()
        return np.concatenate(made)


def load(files: dict[str, bytes], names: Sequence[str]) -> Looker | None:
    """What a bundle says of images; None where it was not trained with any.

    Raises:
        ArtifactError: it is damaged.
        ValueError: the features are not those of the encoder.
    """
    from pipeline.encoders import encoder
    from pipeline.encoders.files import DESCRIPTION, WEIGHTS

    if DESCRIPTION not in files and WEIGHTS not in files:
        return None
    columns = json.loads(files[COLUMNS])
    if MOST not in columns:
        raise ArtifactError(
            f"expected {MOST} in {COLUMNS}, found none: the bundle is of an earlier version. "
            "`rarenode run` trains another"
        )
    return Looker(encoder.load(files), names, int(columns[MOST]))


def of(files: dict[str, bytes]) -> Looker | None:
    """The same, with the features that the bundle names.

    Raises:
        ArtifactError: it is damaged.
    """
    if COLUMNS not in files:
        return None
    try:
        names = json.loads(files[COLUMNS])["names"]
        return load(files, [name for name in names if name.startswith(f"{IMAGE}:")])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactError(f"expected the features of a bundle, found: {error!r}") from None


@contextmanager
def listed(folder: Path, column: str) -> Iterator[Path]:
    """A table of the images of a folder, by their names in it.

    Raises:
        DatasetError: there are none.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from pipeline.images.folder import listing

    names = listing(folder)
    if not names:
        raise DatasetError(f"expected images in the folder {folder}, found none")
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"{folder}: expected names in UTF-8, found {name!a}") from None
    with TemporaryDirectory() as temporary:
        table = Path(temporary) / "images.parquet"
        parquet.write_table(pa.table({column: pa.array(names, pa.string())}), table)
        yield table
