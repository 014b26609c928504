"""Where an image may lie, and its bytes: nothing outside the folder, nothing that need not end."""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import NoReturn

from pipeline.datasets.tables.files import cut
from pipeline.errors import DatasetError

MOST_BYTES = 200_000_000  # of a file
_SHOWN = 300  # characters of a name in a message


def refuse(name: str, expected: str, found: str) -> NoReturn:
    """Raise the DatasetError for an image file."""
    raise DatasetError(f"{cut(name, _SHOWN)}: expected {expected}, found {found}")


def contents(path: Path, *, root: Path | None, name: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Args:
        path: the file.
        root: the folder that it must lie in, links followed; with it `name` must lie inside, too.
            None leaves the place to the caller.
        name: what the file is called in messages.
        most: how many bytes are read.

    Raises:
        DatasetError: see `opened`; it is empty or larger.
    """
    try:
        with os.fdopen(opened(path, root=root, name=name), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                refuse(name, "an image", "an empty file")
            if size > most:
                refuse(name, f"at most {most:,} bytes", f"{size:,}")
            return file.read(most)  # not more if it grows meanwhile
    except OSError as error:
        refuse(name, "a readable file", error.strerror or str(error))


def opened(path: Path, *, root: Path | None, name: str) -> int:
    """The descriptor of a regular file, open for reading.

    Raises:
        DatasetError: the name is absolute or holds `..`, the file lies or leads outside the root,
            is missing, unreadable or no regular file.
    """
    if root is not None:
        _check_name(name)
    try:
        target = path.resolve()
        if root is not None and not target.is_relative_to(root.resolve()):
            refuse(name, "a file inside the folder of images", f"a link to {cut(str(target), 200)}")
        _check_regular(target.stat().st_mode, name)  # opening a device may do something to it
        # Not a pipe that took the file's place a moment ago: opening one waits for a writer.
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        dangling = "a link to nothing" if path.is_symlink() else "none"
        refuse(name, "a file", dangling)
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle; NUL in a name
        cause = (isinstance(error, OSError) and error.strerror) or str(error)
        refuse(name, "a readable file", cut(cause, 200))
    try:
        _check_regular(os.fstat(descriptor).st_mode, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_name(name: str) -> None:
    if name.startswith("/"):
        refuse(name, "a path relative to the folder of images", "an absolute one")
    if ".." in PurePosixPath(name).parts:
        refuse(name, "a path inside the folder of images", "`..` in it")


def _check_regular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        refuse(name, "a file", "a folder")
    if not stat.S_ISREG(mode):
        refuse(name, "a regular file", "a pipe, a socket or a device")
