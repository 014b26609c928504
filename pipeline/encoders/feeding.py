"""The input of a training: whole batches, read and augmented by processes beside it.

A batch depends on its epoch, its number and the seed, not on who makes it: any number of processes
makes the same ones. One iteration runs over all epochs, so that the first batches of an epoch are
made while the last one ends. Small batches are handed over several at a time: what a batch costs on
its way from one process to the other (1 to 2 ms) is a tenth of a step of a small network.
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch.utils.data import DataLoader, Dataset

from pipeline.encoders.augmentation import augmented

_AHEAD = 4  # pieces that a process makes before they are asked for
_PIECE = 1 << 20  # bytes that processes hand over at once, if a batch has not more


class Batch(NamedTuple):
    """Images of a step.

    Attributes:
        epoch: from 1.
        pixels: (image, channel, height, width) uint8.
        positions: (image,) where they stand among the rows that are learnt from.
        last: whether the epoch ends with it.
    """

    epoch: int
    pixels: UInt8[torch.Tensor, "image channel height width"]
    positions: Int[np.ndarray, " image"]
    last: bool


@dataclass
class Clock:
    """What a training has waited for.

    Attributes:
        start: seconds until the first batch was there: processes start.
        waited: seconds of the further steps that went by before their batch was there.
        total: seconds of these steps.
    """

    start: float = 0.0
    waited: float = 0.0
    total: float = 0.0

    @property
    def share(self) -> float:
        """The part of a step that is spent waiting; 0 without a second step."""
        return self.waited / self.total if self.total else 0.0


class Feeding:
    """Batches of images, epoch by epoch, in orders that a seed gives.

    Args:
        pixels: (image, height, width, channel) uint8. A memory-mapped file is opened by each
            process, anything else goes to shared memory.
        rows: (row,) the images that are learnt from.
        epochs: how many.
        batch_size: images of a step at most; an epoch's batches differ by one image at most, so
            that no small one is left over.
        seed: of orders and augmentations.
        augment: whether images are augmented.
        workers: processes; 0 does it all in this one.
        mirror: see `augmentation`.

    Attributes:
        steps: batches of an epoch.
        clock: see there; while it is iterated over.
    """

    def __init__(
        self,
        pixels: UInt8[np.ndarray, "image height width channel"],
        rows: Int[np.ndarray, " row"],
        *,
        epochs: int,
        batch_size: int,
        seed: int,
        augment: bool,
        workers: int,
        mirror: bool = True,
    ) -> None:
        """Raise ValueError without a row."""
        if not len(rows):
            raise ValueError("rows must name an image. Got none")
        self.steps = -(-len(rows) // batch_size)
        self.epochs = epochs
        self.clock = Clock()
        self._workers = workers
        source = Source(pixels, shared=workers > 0)
        self._pieces = _Pieces(source, rows, self.steps, seed, shared=workers > 0)
        self._pieces.augment, self._pieces.mirror = augment, mirror
        size = pixels[:1].nbytes * min(batch_size, len(rows))
        # As few that each process has some of its own to make.
        most = -(-len(self) // (workers * _AHEAD)) if workers else 1
        self._together = max(1, min(_PIECE // size, most))

    def __len__(self) -> int:
        return self.steps * self.epochs

    def __iter__(self) -> Iterator[Batch]:
        """All batches of all epochs; the processes end with it."""
        self.clock = clock = Clock()
        asked = begun = time.perf_counter()
        loaded = self._loaded()
        try:
            for step in range(len(self)):
                pixels = next(loaded)
                now = time.perf_counter()
                if step:
                    clock.waited += now - asked
                else:
                    clock.start, begun = now - asked, now
                last = (step + 1) % self.steps == 0
                positions = self._pieces.positions(step)
                yield Batch(step // self.steps + 1, pixels.permute(0, 3, 1, 2), positions, last)
                asked = time.perf_counter()
                clock.total = asked - begun
        finally:
            # One that is left early waits for its processes as soon as it is forgotten.
            loaded.close()

    def _loaded(self) -> Generator[torch.Tensor]:
        """The pixels of each batch."""
        steps = range(len(self))
        pieces = [steps[first : first + self._together] for first in steps[:: self._together]]
        for numbers, pixels in zip(pieces, self._loader(pieces), strict=True):
            yield from pixels.split([len(self._pieces.places(number)) for number in numbers])

    def _loader(self, pieces: list[range]) -> DataLoader[Any]:
        many = self._workers > 0
        return DataLoader(
            self._pieces,
            batch_size=None,
            sampler=pieces,
            num_workers=self._workers,
            # A fork would copy the threads of OpenMP and CUDA in a state that nobody knows.
            multiprocessing_context="spawn" if many else None,
            prefetch_factor=_AHEAD if many else None,
            # Its own seed for processes, which draw nothing from it, would come from torch's
            # generator, and move it.
            generator=torch.Generator(),
        )


class Source:
    """Pixels, for several processes: a file's name, or shared memory."""

    def __init__(self, pixels: np.ndarray, *, shared: bool) -> None:
        self._file: Any = None
        self._tensor: torch.Tensor | None = None
        self._opened: Any = None
        if not shared:
            self._opened = pixels
        elif _is_whole_file(pixels):
            self._file = (pixels.filename, pixels.offset, pixels.shape)
        else:
            self._tensor = torch.from_numpy(np.array(pixels)).share_memory_()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}

    def take(self, rows: Int[np.ndarray, " row"]) -> torch.Tensor:
        """Some images, as a copy."""
        if self._opened is None and self._file is not None:
            name, offset, shape = self._file  # of a file that has a name
            self._opened = np.memmap(name, np.uint8, "r", offset, shape)
        if self._opened is None:
            assert self._tensor is not None
            return self._tensor[torch.from_numpy(rows)]
        return torch.from_numpy(np.ascontiguousarray(self._opened[rows]))


def _is_whole_file(pixels: np.ndarray) -> TypeGuard[np.memmap]:
    """Whether name, offset and shape are enough to open it again; parts of one share its offset."""
    return (
        isinstance(pixels, np.memmap)
        and pixels.filename is not None
        and pixels.flags.c_contiguous
        and not isinstance(pixels.base, np.ndarray)
    )


class _Pieces(Dataset[Any]):
    """The pixels of some batches of all epochs, one after the other."""

    augment = mirror = False

    def __init__(
        self, source: Source, rows: np.ndarray, steps: int, seed: int, *, shared: bool
    ) -> None:
        self._source = source
        self._rows = torch.from_numpy(np.array(rows, np.int64))
        # What is pickled has to fit into a pipe (64 KiB): whoever starts a process that dies
        # before it reads writes into it for ever, as it holds the other end open itself.
        if shared:
            self._rows.share_memory_()
        self._steps = steps
        self._seed = seed
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, numbers: range) -> torch.Tensor:
        return torch.cat([self._pixels(number) for number in numbers])

    def positions(self, number: int) -> np.ndarray:
        """The rows of a batch: those of an epoch are in an order of its own."""
        epoch = number // self._steps
        if self._order[0] != epoch:
            order = np.random.default_rng([self._seed, epoch]).permutation(len(self._rows))
            self._order = epoch, order
        places = self.places(number)
        return self._order[1][places.start : places.stop]

    def places(self, number: int) -> range:
        """Where a batch lies in the order of its epoch."""
        place = number % self._steps
        first, end = (len(self._rows) * part // self._steps for part in (place, place + 1))
        return range(first, end)

    def _pixels(self, number: int) -> torch.Tensor:
        pixels = self._source.take(self._rows.numpy()[self.positions(number)])
        if not self.augment:
            return pixels
        entropy = np.random.SeedSequence([self._seed, number, 1]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(entropy[0]))
        return augmented(pixels, generator, mirror=self.mirror)
