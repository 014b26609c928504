"""What the hierarchy and the weights cost: a training step beside the plainest one there is."""

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from pipeline.hml.batches import Batch
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.objective import plain_loss
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import Settings, Training

_SECONDS = 0.4  # steps are repeated for that long, and at least `_FEWEST` times
_FEWEST = 5
_clock = time.perf_counter


class StepRatio(NamedTuple):
    """Median seconds of a step and of a plain one, and the first over the second."""

    seconds: float
    plain_seconds: float
    ratio: float


def step_ratio(
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    settings: Settings,
    *,
    seed: int,
    rows: Int[np.ndarray, " row"] | None = None,
    preprocessing: Standardizer | None = None,
    scored: np.ndarray | None = None,
    seconds: float = _SECONDS,
) -> StepRatio:
    """Time training steps in turn with those of binary cross-entropy without hierarchy or weights.

    Both are steps of the same networks and optimiser; a step assembles its batch.

    Args:
        features: see `train`, as for what follows.
        labels: see there.
        hierarchy: see there.
        settings: see there.
        seed: see there.
        rows: see there.
        preprocessing: see there.
        scored: see there.
        seconds: how long to go on; five steps of each kind are made whatever they take.
    """
    run = Training(
        features,
        labels,
        hierarchy,
        settings,
        seed=seed,
        rows=rows,
        preprocessing=preprocessing,
        scored=scored,
    )
    counted = None if scored is None else torch.tensor(scored)
    losses = (run.loss, plain_loss(counted, settings.objective.reduction))
    batches: Iterator[Batch] = itertools.chain.from_iterable(iter(run.batches, None))
    taken: tuple[list[float], list[float]] = ([], [])
    run.networks.train()
    with run.randomness():
        for loss in losses:  # compiles, allocates
            run.step(*next(batches), loss)
        while len(taken[1]) < _FEWEST or sum(map(sum, taken)) < seconds:
            for loss, into in zip(losses, taken, strict=True):
                started = _clock()
                run.step(*next(batches), loss)
                into.append(_clock() - started)
    own, other = (statistics.median(times) for times in taken)
    return StepRatio(own, other, own / other)
