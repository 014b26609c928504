"""Many images as one array on disk, with what is known of their files."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import progress
from pipeline.artifacts.files import whole_folder
from pipeline.datasets.tables.files import several
from pipeline.errors import ArtifactError, DatasetError, WorkspaceError
from pipeline.images import workers as processes
from pipeline.images.decoding import Facts
from pipeline.images.job import Job
from pipeline.images.refusals import Refusals

PIXELS = "pixels.npy"
FILES = "files.parquet"
_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("frames", pa.int32()),
        ("hash", pa.string()),
    ]
)


@dataclass(frozen=True)
class Images:
    """Images of one size.

    Attributes:
        pixels: (image, size, size, channel) uint8, memory-mapped, not to be written.
        files: a row for each image: its name, each one once, and the fields of `Facts`.
    """

    pixels: np.ndarray
    files: pd.DataFrame

    def rows(self, names: Sequence[str]) -> np.ndarray:
        """Where each of these names stands, (name,) int64; a name may come several times.

        Raises:
            DatasetError: there is no image of a name.
        """
        known = {name: row for row, name in enumerate(self.files["name"])}
        if missing := [name for name in dict.fromkeys(names) if name not in known]:
            raise DatasetError(f"expected an image of each name, found none of {several(missing)}")
        return np.array([known[name] for name in names], dtype=np.int64)


def write(
    target: Path,
    names: Sequence[str],
    *,
    root: Path,
    size: int,
    channels: int,
    max_pixels: int,
    workers: int,
) -> Images:
    """Decode files into a folder. What comes out depends on the files alone, not on `workers`.

    Args:
        target: the folder; it is replaced when all is done, and stays as it was if not.
        names: of the files, relative to `root`. One that comes again is decoded once.
        root: the folder that the files must lie in.
        size: pixels a side.
        channels: 1 or 3.
        max_pixels: see `decode`.
        workers: processes side by side; 0 for this one alone.

    Raises:
        DatasetError: there is no name, one is not UTF-8, or files are refused (see `decode`):
            names the first 20.
        WorkspaceError: the folder cannot be written, or the disk is too small.
    """
    once = list(dict.fromkeys(names))
    if not once:
        raise DatasetError(f"expected at least one image in {root}, found none")
    for name in once:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"expected names in UTF-8, found {name!a}") from None
    facts: list[Facts | None] = [None] * len(once)
    refusals = Refusals(root)
    with whole_folder(target) as folder:
        pixels = (folder / PIXELS).absolute()
        _allocate(pixels, (len(once), size, size, channels))
        job = Job(root.absolute(), pixels, size, channels, max_pixels)
        with progress.bar("decoding images", total=len(once), unit="image") as bar:
            for row, outcome in processes.outcomes(job, [*enumerate(once)], workers):
                if isinstance(outcome, Facts):
                    facts[row] = outcome
                else:
                    refusals.add(row, outcome)
                bar.advance()
        refusals.raise_if_any(len(once))
        rows = [
            {"name": name, **asdict(fact)}
            for name, fact in zip(once, facts, strict=True)
            if fact is not None
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / FILES)
    return read(target)


def read(folder: Path) -> Images:
    """What `write` has written.

    Raises:
        ArtifactError: it is not there, or damaged.
    """
    try:
        pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
        files = pq.read_table(folder / FILES, schema=_SCHEMA).to_pandas()
    except FileNotFoundError as error:
        raise ArtifactError(f"expected the file {error.filename}, found none") from None
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise ArtifactError(f"expected images in {folder}, found: {error}") from None
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or len(pixels) != len(files):
        found = f"{pixels.dtype} of shape {pixels.shape}"
        expected = f"the pixels of {len(files):,} images in {folder / PIXELS}"
        raise ArtifactError(f"expected {expected}, found {found}")
    return Images(pixels, files)


def _allocate(path: Path, shape: tuple[int, ...]) -> None:
    """Make the array and take its place on the disk: a map of a file that cannot grow kills."""
    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        array.flush()
        if hasattr(os, "posix_fallocate"):  # not on macOS
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        cause = error.strerror or str(error)
        raise WorkspaceError(f"expected room for {path}, found: {cause}") from None
