"""Files on their way to workers, which share none with whoever asks for work."""

import hashlib
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

Packed = dict[str, bytes]  # name -> content of the file, by zlib
Given = TypeVar("Given")

unpacking = threading.Lock()  # threads of one worker share its folder


def pack(files: Mapping[str, Path], level: int = zlib.Z_DEFAULT_COMPRESSION) -> Packed:
    """Files, by the names that they travel under."""
    return {name: zlib.compress(path.read_bytes(), level) for name, path in files.items()}


def digest(packed: Packed) -> str:
    """Differs where files do; takes no memory beside theirs."""
    made = hashlib.sha256()
    for name, content in sorted(packed.items()):
        made.update(f"{name} {len(content)}\n".encode())
        made.update(content)
    return made.hexdigest()[:16]


def same(given: Given) -> Given:
    """What is given, as the result of a task of Dask, which takes it from worker to worker.

    A task, since Dask can run it again: what is scattered dies with its worker.
    """
    return given


def write(packed: Packed, folder: Path) -> None:
    """Write the files into a folder."""
    for name, content in packed.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.decompress(content))
