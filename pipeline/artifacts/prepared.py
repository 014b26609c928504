"""The prepared data set: what `prepare` writes and every later stage reads."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipeline.artifacts import files, paths
from pipeline.errors import ArtifactError

SCHEMA = 1
ENCODER = "encoder"  # a folder
COLUMNS = "features.json"  # in it: what it makes features of
UNKNOWN = "unknown.npz"  # where some labels are
PIXELS, IMAGES = "pixels.npy", "images.parquet"  # where examples are images
IMAGE = "image"  # features of images are called image:0, image:1 and so on
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Images:
    """What examples look like.

    Attributes:
        pixels: (example, size, size, channel) uint8. Memory-mapped when read.
        files: `name` for people, and what else is known of each file; one row per example.
    """

    pixels: np.ndarray
    files: pd.DataFrame


@dataclass(frozen=True)
class Prepared:
    """Examples, their features and labels, and the hierarchy of the labels.

    Attributes:
        features: (example, feature) float32; NaN is a missing value. Memory-mapped when read.
        feature_names: one name per feature.
        labels: (example, node) boolean CSR, the most specific nodes only (not closed upward).
        examples: `id` (text, unique), `split` (one of `SPLITS`), `group` (text); one row per
            example.
        nodes: `id` (text, unique), `name`, `depth` (longest path from a root), `scored` (bool), in
            node order: by depth, ties by id.
        edges: `child`, `parent`, both node ids.
        unknown: (example, node) boolean CSR of the labels that are unknown; None: all are known.
        encoder: files from which predictions know how to make the features of new rows, if any.
        images: of the examples, if there are any.
        info: what dataset.json holds: schema, name, source, version, notice, notes; `write` adds
            the tables' sha256.
    """

    features: np.ndarray
    feature_names: tuple[str, ...]
    labels: sparse.csr_array
    examples: pd.DataFrame
    nodes: pd.DataFrame
    edges: pd.DataFrame
    info: dict[str, Any]
    encoder: Mapping[str, bytes] = field(default_factory=dict)
    unknown: sparse.csr_array | None = None
    images: Images | None = None

    def rows(self, *splits: str) -> np.ndarray:
        """The row numbers of the examples of these splits, ascending."""
        return np.flatnonzero(self.examples["split"].isin(splits).to_numpy())

    @property
    def learnt_columns(self) -> frozenset[str]:
        """What has features that are learnt, `COLUMN:0` and so on: columns of text, and images.

        Each fit learns features of its own: those of other rows are other ones.
        """
        found = {IMAGE} if self.images is not None else set[str]()
        if COLUMNS in self.encoder:
            columns = json.loads(self.encoder[COLUMNS])["columns"]
            found |= {name for name, kind in columns if kind == "text"}
        return frozenset(found)


def write(prepared: Prepared, folder: Path = paths.PREPARED) -> None:
    """Write all tables, or none."""
    with files.whole_folder(folder) as target:
        np.save(target / "features.npy", np.ascontiguousarray(prepared.features, dtype=np.float32))
        files.write_json(target / "feature_names.json", list(prepared.feature_names))
        sparse.save_npz(target / "labels.npz", sparse.csr_array(prepared.labels).astype(np.bool_))
        if prepared.unknown is not None and prepared.unknown.nnz:
            unknown = sparse.csr_array(prepared.unknown).astype(np.bool_)
            sparse.save_npz(target / UNKNOWN, unknown)
        prepared.examples.to_parquet(target / "examples.parquet", index=False)
        prepared.nodes.to_parquet(target / "nodes.parquet", index=False)
        prepared.edges.to_parquet(target / "edges.parquet", index=False)
        if prepared.images is not None:
            np.save(target / PIXELS, prepared.images.pixels)
            prepared.images.files.to_parquet(target / IMAGES, index=False)
        for name, content in prepared.encoder.items():
            (target / ENCODER).mkdir(exist_ok=True)
            (target / ENCODER / name).write_bytes(content)
        tables = (path for path in sorted(target.rglob("*")) if path.is_file())
        sha256 = {table.relative_to(target).as_posix(): _sha256(table) for table in tables}
        info = {"schema": SCHEMA, **prepared.info, "sha256": sha256}
        files.write_json(target / "dataset.json", info)


def read(folder: Path = paths.PREPARED) -> Prepared:
    """Read the prepared data; features are memory-mapped.

    Raises:
        ArtifactError: a table is missing or damaged, or the schema is another one.
    """
    info = files.read_json(folder / "dataset.json", schema=SCHEMA)
    try:
        return Prepared(
            features=np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False),
            feature_names=tuple(files.read_json(folder / "feature_names.json")),
            labels=_labels(folder / "labels.npz"),
            unknown=_labels(folder / UNKNOWN) if UNKNOWN in info.get("sha256", {}) else None,
            examples=_table(folder / "examples.parquet", "id", "split", "group"),
            nodes=_table(folder / "nodes.parquet", "id", "name", "depth", "scored"),
            edges=_table(folder / "edges.parquet", "child", "parent"),
            info=info,
            images=_images(folder) if PIXELS in info.get("sha256", {}) else None,
            encoder={file.name: file.read_bytes() for file in (folder / ENCODER).glob("*")},
        )
    except ArtifactError:
        raise
    except Exception as error:  # a damaged file makes numpy, zipfile and pyarrow raise all sorts
        raise ArtifactError(
            f"expected the prepared data in {folder}, found: {error}. Run `rarenode run`."
        ) from None


def _labels(path: Path) -> sparse.csr_array:
    with path.open("rb") as stream:  # numpy leaves a damaged archive open
        return sparse.csr_array(sparse.load_npz(stream))


def _images(folder: Path) -> Images:
    pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
    return Images(pixels, pd.read_parquet(folder / IMAGES))


def _table(path: Path, *columns: str) -> pd.DataFrame:
    return pd.read_parquet(path, columns=list(columns))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
