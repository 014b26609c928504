"""One's own files after `rarenode init`: changed, gone, or without a column that is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.config.tables import ImageFolder, TableFile
from pipeline.datasets import registry
from pipeline.datasets.tables import frames, pictures, strings
from pipeline.datasets.tables.columns import Plan
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.source import OwnTables
from pipeline.datasets.verified import sha256_of
from pipeline.encoders import weights


def changed(config: Config) -> list[tuple[str, Any]]:
    """The sha256 of files of one's own that have changed, as changes of params.yaml."""
    found: list[tuple[str, Any]] = [*weights.renewed(config.images.encoder)]
    for role, file in _roles(config).items():
        # Who has only the copies in data/raw, from a DVC remote, runs with these.
        if not Path(file.path).is_file():
            continue
        if (sha256 := sha256_of(frames.regular(Path(file.path)))) != file.sha256:
            found.append((f"tables.{role}.sha256", sha256))
    if (folder := images(config)) is None:
        return found
    assert config.tables is not None
    features = config.tables.features
    root, table = Path(folder.path), Path(features.path)
    if root.is_dir() and table.is_file() and features.image is not None:
        names = pictures.names_in(table, features.image)
        if (sha256 := pictures.changed(root, names, folder.sha256)) is not None:
            found.append(("tables.images.sha256", sha256))
    return found


def images(config: Config) -> ImageFolder | None:
    """The folder of images of one's own, if there is one."""
    return config.tables.images if config.tables is not None and _roles(config) else None


def gone(config: Config) -> Iterator[str]:
    """A note on each file of one's own of which only the copy in data/raw is left."""
    if config.tables is None or not _roles(config):
        return
    for file in OwnTables(config.dataset, config.tables).files():
        copy = paths.raw(config.dataset) / file.name
        if not Path(file.path).exists() and copy.is_file():
            yield f"{shown(file.path)} is gone; going on with the copy {copy}."


def check(config: Config) -> None:
    """Refuse parameters that name a column which is not in its file, before anything runs.

    Raises:
        DatasetError: names the file, the column, and those that are there.
    """
    tables = config.tables
    if tables is None or not _roles(config):
        return
    features, labels, above = tables.features, tables.labels, tables.hierarchy
    if (path := _table(features)) is not None:
        Plan.of(frames.names(path), features, path)
    stated = labels.state, labels.negative, labels.unknown
    _check_header(labels, labels.id, labels.node, *stated)
    if above is not None:
        _check_header(above, above.child, above.parent, above.name, above.column)


def _check_header(file: TableFile, *columns: str | None) -> None:
    named, path = [name for name in columns if name is not None], _table(file)
    if not named or path is None:
        return
    there = strings.header(path)
    if missing := [name for name in named if name not in there]:
        wanted = f"columns {several(missing)}, as params.yaml says"
        frames.refuse(path, wanted, several(there))


def _table(file: TableFile) -> Path | None:
    """A file that is there and has a header which can be read alone."""
    path = Path(file.path)
    if path.suffix.lower() not in (*frames.TEXT, *frames.PARQUET) or not path.is_file():
        return None
    return frames.regular(path)


def _roles(config: Config) -> dict[str, TableFile]:
    """The files of the data set by their role; none where it is one of ours."""
    tables = config.tables
    if tables is None or config.dataset in registry.names():
        return {}
    roles: dict[str, TableFile] = {"features": tables.features, "labels": tables.labels}
    return roles | ({"hierarchy": tables.hierarchy} if tables.hierarchy is not None else {})
