"""A folder of images: what lies in it, and one number that pins all of it."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.errors import DatasetError
from pipeline.images import known
from pipeline.images.known import Look
from pipeline.images.places import opened, refuse
from pipeline.images.refusals import Refusals

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
)


def listing(root: Path) -> list[str]:
    """The images in a folder and those below it, by their suffix, upper or lower case.

    Hidden files and folders are passed over, and so are links to folders: what they lead to has a
    name already, or lies outside. Links to files are listed; reading refuses what leads outside.

    Returns:
        Sorted names relative to `root`, with `/`.

    Raises:
        DatasetError: there is no such folder, or one in it cannot be looked into.
    """
    if not root.is_dir():
        raise DatasetError(
            f"expected a folder {root}, found {'a file' if root.exists() else 'none'}"
        )
    found: list[str] = []
    for place, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name).relative_to(root).as_posix()
            for name in names
            if not name.startswith(".") and name.lower().endswith(SUFFIXES)
        ]
    return sorted(found)


def digest(
    root: Path, names: Iterable[str], *, threads: int = 0, memory: Path | None = None
) -> str:
    """The sha256 over the sorted names, each with the sha256 of its file, in hex.

    It does not depend on the order of the names, nor on how often one comes.

    Args:
        root: the folder.
        names: relative to it.
        threads: how many read side by side; 0 for this one alone.
        memory: a file where the sha256 are kept: what looks the same next time (see `known`) is
            not read again.

    Raises:
        DatasetError: files are missing, unreadable or outside the folder; names all of them.
        WorkspaceError: the memory cannot be written.
    """
    ordered = sorted(set(names))
    before = {} if memory is None else known.read(memory, root)
    refusals = Refusals(root)

    def one(name: str) -> tuple[Look, bytes] | DatasetError:
        try:
            return _sha256(root, name, before.get(name))
        except DatasetError as error:
            return error

    files: dict[str, tuple[Look, bytes]] = {}
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for row, (name, found) in enumerate(
            zip(ordered, (pool.map if threads else map)(one, ordered), strict=True)
        ):
            if isinstance(found, DatasetError):
                refusals.add(row, str(found))
                continue
            files[name] = found
    refusals.raise_if_any(len(ordered))
    if memory is not None:
        settled = {name: found for name, found in files.items() if found[0].settled()}
        if settled != before:
            known.write(memory, root, settled)
    return digest_of({name: sha256 for name, (_, sha256) in files.items()})


def digest_of(sha256: Mapping[str, bytes]) -> str:
    """What `digest` gives for files that have this sha256 by their name."""
    whole = hashlib.sha256()
    for name in sorted(sha256):
        # No name holds NUL: no other names and files give the same bytes.
        whole.update(os.fsencode(name) + b"\0" + sha256[name])
    return whole.hexdigest()


def _sha256(root: Path, name: str, before: tuple[Look, bytes] | None) -> tuple[Look, bytes]:
    """How a file looks and its sha256, which it has been read for if it did not look so before."""
    try:
        with os.fdopen(opened(root / name, root=root, name=name), "rb") as file:
            look = Look.at(file.fileno())
            if before is not None and before[0] == look:
                return before
            return look, hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        refuse(name, "a readable file", error.strerror or str(error))


def _unreadable(error: OSError) -> None:
    raise DatasetError(f"expected a readable folder {error.filename}, found: {error.strerror}")
