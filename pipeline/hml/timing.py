"""What the hierarchy and the weights cost: a training step beside the plainest one there is."""

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch

from pipeline.hml.batches import Batch
from pipeline.hml.objective import Loss, plain_loss
from pipeline.hml.training import Training

_SECONDS = 0.4  # steps are repeated for that long, and at least `_FEWEST` times
_FEWEST = 5
_clock = time.perf_counter


class StepRatio(NamedTuple):
    """Median seconds of a step and of a plain one, and the first over the second."""

    seconds: float
    plain_seconds: float
    ratio: float


def step_ratio(training: Training, *, seconds: float = _SECONDS) -> StepRatio:
    """Time training steps in turn with those of binary cross-entropy without hierarchy or weights.

    Both are steps of the same networks and optimiser; a step assembles its batch. In a plain one
    every member learns from every example, and all labels are known.

    Args:
        training: on the CPU. It goes on from where it is, so nothing should be made of its networks
            afterwards.
        seconds: how long to go on; five steps of each kind are made whatever they take.

    Raises:
        ValueError: the training is on an accelerator, where the end of a step is not its time.
    """
    if (device := training.device).type != "cpu":
        raise ValueError(f"training must be on the CPU. Got {device}")
    counted = None if training.scored is None else torch.tensor(training.scored)
    losses = (training.loss, plain_loss(counted, training.settings.objective.reduction))
    batches: Iterator[Batch] = itertools.chain.from_iterable(iter(training.batches, None))

    def step(loss: Loss) -> None:
        batch = next(batches)
        plain = batch._replace(learns=None, known=None)
        training.step(batch if loss is training.loss else plain, loss)

    taken: tuple[list[float], list[float]] = ([], [])
    training.networks.train()
    with training.randomness():
        for loss in losses:  # compiles, allocates
            step(loss)
        while len(taken[1]) < _FEWEST or sum(map(sum, taken)) < seconds:
            for loss, into in zip(losses, taken, strict=True):
                started = _clock()
                step(loss)
                into.append(_clock() - started)
    own, other = (statistics.median(times) for times in taken)
    return StepRatio(own, other, own / other)
