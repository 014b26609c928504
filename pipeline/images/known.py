"""The sha256 of files that have been read before: a file that looks the same is not read again.

It looks the same with its name, place on the disk, size and both of its times. What lay there only
a moment before it was read is not remembered: it may have changed in the same tick of the clock.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.files import whole_file

_SETTLED = 2_000_000_000  # nanoseconds; FAT has ticks of two seconds
_ROOT = b"root"
_SCHEMA = pa.schema(
    [
        ("name", pa.binary()),  # as the disk has it, which need not be UTF-8
        ("device", pa.uint64()),
        ("inode", pa.uint64()),
        ("size", pa.int64()),
        ("modified", pa.int64()),
        ("changed", pa.int64()),
        ("sha256", pa.binary(32)),
    ]
)


class Look(NamedTuple):
    """What tells files apart without reading them; times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def at(cls, descriptor: int) -> "Look":
        """Of an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def settled(self) -> bool:
        """Whether a change from now on would be seen."""
        return max(self.modified, self.changed) < time.time_ns() - _SETTLED


Known = Mapping[str, tuple[Look, bytes]]


def read(file: Path, root: Path) -> Known:
    """What is known of the files of a folder, by their names: nothing where the file is damaged."""
    try:
        table = pq.read_table(file, schema=_SCHEMA)
    except (OSError, ValueError, pa.ArrowException):
        return {}
    if (pq.read_metadata(file).metadata or {}).get(_ROOT) != os.fsencode(root.resolve()):
        return {}
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {os.fsdecode(name): (Look(*look), sha256) for name, *look, sha256 in rows}


def write(file: Path, root: Path, known: Known) -> None:
    """Keep what `read` gives.

    Raises:
        WorkspaceError: the file cannot be written.
    """
    rows = [
        {"name": os.fsencode(name), **look._asdict(), "sha256": sha256}
        for name, (look, sha256) in known.items()
    ]
    schema = _SCHEMA.with_metadata({_ROOT: os.fsencode(root.resolve())})
    with whole_file(file) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
