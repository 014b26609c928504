"""What a process that decodes is told, and what it does: `python -m pipeline.images.job`.

A process of its own rather than one of a pool: it imports nothing of the program that started it
(which may hold torch, threads and no guard), and its end is seen at once.
"""

import os
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from pipeline.errors import DatasetError
from pipeline.images.decoding import Facts, decode

Outcome = Facts | str  # a message where the file was refused


@dataclass(frozen=True)
class Job:
    """How all files are decoded.

    Attributes:
        root: of the files' names.
        pixels: an array on disk, a row for each file.
        size: see `decode`.
        channels: see `decode`.
        max_pixels: see `decode`.
    """

    root: Path
    pixels: Path
    size: int
    channels: int
    max_pixels: int

    def array(self) -> np.ndarray:
        """The array, to be written."""
        return np.load(self.pixels, mmap_mode="r+", allow_pickle=False)

    def one(self, name: str, row: int, array: np.ndarray) -> Outcome:
        """Decode a file into its row."""
        try:
            decoded = decode(
                self.root / name,
                root=self.root,
                size=self.size,
                channels=self.channels,
                max_pixels=self.max_pixels,
                name=name,
            )
        except DatasetError as error:
            return str(error)
        array[row] = decoded.pixels
        return decoded.facts


def main(descriptor: int) -> int:
    """Do what comes through the connection until it ends; an outcome for each file goes back."""
    connection = Connection(descriptor)
    try:
        job: Job = connection.recv()
        array = job.array()
        while True:
            for row, name in connection.recv():
                connection.send(job.one(name, row, array))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return 0  # done, or whoever asked is gone
    except Exception:
        traceback.print_exc()  # a fault of ours
        return 1


def silence_libraries() -> None:
    """Keep stderr for Python: libtiff and its kin print there what they also return."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(kept, "w")


if __name__ == "__main__":
    silence_libraries()
    sys.exit(main(int(sys.argv[1])))
