"""Checkpoints of a training in files, outside of the outputs, which DVC deletes beforehand.

One file for each method, a whole one or none; its name says what the training depends on
(`identity`). Beside the state it holds a checksum and what the epochs took.
"""

import json
import time
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from typing_extensions import override

from pipeline import progress
from pipeline.artifacts import files, paths
from pipeline.errors import RarenodeError
from pipeline.hml.checkpoint import Keeper, State
from pipeline.stages.seconds import Seconds

PAUSE = 10.0  # seconds between two of them, at least
SHARE = 0.02  # of the time that may go into them
_clock = time.perf_counter


class Kept(Keeper):
    """Keeps the state in a file: now and then, and after the last epoch.

    Args:
        path: of the file.
        epochs: of the training.
        seconds: are kept and restored, too.
        going_on: called with the number of epochs that need not be done again.
    """

    def __init__(
        self, path: Path, epochs: int, seconds: Seconds, going_on: Callable[[int], None]
    ) -> None:
        self._path = path
        self._epochs = epochs
        self._seconds = seconds
        self._going_on = going_on
        self._saved, self._took = _clock(), 0.0
        self._works = True

    @override
    def load(self) -> State | None:
        """None where there is no file, or, with a note, where it is damaged."""
        if not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="numpy") as content:
                arrays = {name: content.get_tensor(name) for name in content.keys()}
                text, checksum = (content.metadata()[name] for name in ("state", "checksum"))
            if int(checksum) != _checksum(arrays, text):
                raise ValueError("another checksum")
            told = json.loads(text)
            state = State(int(told["epoch"]), arrays, told["order"])
            self._seconds.resume(told["seconds"])
        except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
            progress.note(f"{self._path}: damaged ({error}), starting from the beginning")
            return None
        self._going_on(state.epoch)
        return state

    @override
    def due(self, epoch: int) -> bool:
        """Whether long enough went by that they cost next to nothing, or it is the last."""
        pause = max(PAUSE, self._took / SHARE)
        return self._works and (epoch == self._epochs or _clock() - self._saved >= pause)

    @override
    def save(self, state: State) -> None:
        """Write the file; where that cannot be done, the training goes on without."""
        started = _clock()
        told = {"epoch": state.epoch, "order": state.order, "seconds": self._seconds.kept()}
        text = json.dumps(told)
        metadata = {"state": text, "checksum": str(_checksum(state.arrays, text))}
        try:
            with files.whole_file(self._path) as temporary:
                save_file(state.arrays, temporary, metadata=metadata)
        except (OSError, SafetensorError, RarenodeError) as error:
            self._works = False
            progress.note(f"{self._path}: no checkpoint can be written ({error})")
        self._saved = _clock()
        self._took = self._saved - started


def remove_others(kept: Collection[Path]) -> None:
    """Remove all checkpoints but these: nobody will go on from them."""
    for path in paths.CHECKPOINTS.glob("*.safetensors"):
        if path not in kept:
            path.unlink(missing_ok=True)


def _checksum(arrays: dict[str, np.ndarray], text: str) -> int:
    value = zlib.crc32(text.encode())
    for name in sorted(arrays):
        content: Any = np.ascontiguousarray(arrays[name])
        value = zlib.crc32(f"{name} {content.dtype} {content.shape}".encode(), value)
        value = zlib.crc32(content, value)
    return value
