"""Raw files, verified by sha256."""

import hashlib
import shutil
from pathlib import Path

from pipeline.artifacts import files
from pipeline.errors import DatasetError


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: Path, target: Path, sha256: str) -> None:
    """Copy one file and verify the copy; a target that is right already stays.

    Raises:
        DatasetError: the source is missing or is not the expected file.
    """
    if target.is_file() and sha256_of(target) == sha256:
        return
    if not source.is_file():
        raise DatasetError(f"expected the file {source}, found none")
    with files.whole_file(target) as temporary:
        shutil.copyfile(source, temporary)
        if (found := sha256_of(temporary)) != sha256:
            raise DatasetError(f"expected sha256 {sha256} of {source}, found {found}")
