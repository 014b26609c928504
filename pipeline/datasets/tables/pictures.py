"""Images that a column of one's own tables names: found, decoded once, and kept as pixels."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.artifacts import paths
from pipeline.config.images import Images as Options
from pipeline.config.tables import Tables
from pipeline.datasets.source import Images
from pipeline.datasets.tables.files import shown
from pipeline.errors import DatasetError

FOLDER = "images"  # beside the copies of the tables
_MEMORY = "images.parquet"  # their sha256: a run need not read them all again
_THREADS = 4  # that read files for their sha256


def names_in(table: Path, column: str) -> tuple[str, ...]:
    """The names of the images of all rows.

    Raises:
        DatasetError: a row has none.
    """
    from pipeline.datasets.tables.source import text

    return text(table, column, "the name of an image")


def judged(root: Path, names: Sequence[str], options: Options) -> str:
    """The sha256 of the images, each of which has been decoded as `fetch` will, but for its size.

    Raises:
        DatasetError: the folder is not there, or files are no images; names them.
    """
    with TemporaryDirectory() as temporary:
        small = options.model_copy(update={"size": 8, "channels": 1})
        return _decoded(root, names, Path(temporary) / FOLDER, small)


def _decoded(root: Path, names: Sequence[str], target: Path, options: Options) -> str:
    """Decode into a folder; returns the sha256 over all names and files."""
    from pipeline.images import folder, store

    if not root.is_dir():
        found = "a file" if root.exists() else "none"
        raise DatasetError(f"expected the folder of the images {shown(str(root))}, found {found}")
    made = store.write(
        target,
        names,
        root=root,
        size=options.size,
        channels=options.channels,
        max_pixels=options.max_pixels,
        workers=options.workers,
    )
    known = zip(made.files["name"], made.files["sha256"], strict=True)
    return folder.digest_of({name: bytes.fromhex(sha256) for name, sha256 in known})


def changed(root: Path, names: Sequence[str], sha256: str) -> str | None:
    """The sha256 of the images if it is another one, without decoding any.

    Raises:
        DatasetError: files are missing or unreadable; names them.
        WorkspaceError: nothing can be written in the workspace.
    """
    from pipeline.images import folder

    found = folder.digest(root, names, threads=_THREADS, memory=paths.STATE / _MEMORY)
    return found if found != sha256 else None


def fetch(table: Path, tables: Tables, options: Options, origin: Path, folder: Path) -> None:
    """Decode the images that a table names into a folder of `folder`.

    Raises:
        DatasetError: the folder of the images is not there, files of it are no images (all are
            named), or they are others than params.yaml says.
    """
    given = tables.images
    assert given is not None
    assert tables.features.image is not None
    root = origin / given.path
    names = names_in(table, tables.features.image)
    if (found := _decoded(root, names, folder / FOLDER, options)) != given.sha256:
        raise DatasetError(
            f"expected the images in {shown(given.path)} as params.yaml says (sha256 "
            f"{given.sha256[:12]}…), found that they have changed ({found[:12]}…). `rarenode run` "
            "takes them as they are now"
        )


def read(folder: Path, names: Sequence[str]) -> Images:
    """The pixels of the images of all examples.

    Raises:
        ArtifactError, DatasetError: they are not there, or damaged.
    """
    import numpy as np

    from pipeline.images import store

    found = store.read(folder / FOLDER)
    rows = found.rows(names)
    facts = found.files.iloc[rows].reset_index(drop=True)
    same = np.array_equal(rows, np.arange(len(found.pixels)))
    pixels = found.pixels if same else found.pixels[rows]
    return Images(pixels, tuple(names), facts=facts.drop(columns="name"))
