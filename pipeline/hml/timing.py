"""What the hierarchy and the weights cost: a training step beside the plainest one there is."""

import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from pipeline.hml.batches import Batch
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import Objective, Settings, Training

_SECONDS = 1.0  # steps are repeated for that long, and at least `_FEWEST` times
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

    Both have the same networks, optimiser and batches, which are assembled within the step.

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
    plain = replace(settings, objective=Objective(constraint=False))
    runs = [
        Training(
            features,
            labels,
            hierarchy,
            kind,
            seed=seed,
            rows=rows,
            preprocessing=preprocessing,
            scored=scored,
        )
        for kind in (settings, plain)
    ]
    steps = [_steps(run) for run in runs]
    taken: list[list[float]] = [[], []]
    with runs[0].randomness():
        for each in steps:  # compiles, allocates
            next(each)
        while len(taken[0]) < _FEWEST or sum(map(sum, taken)) < seconds:
            for each, into in zip(steps, taken, strict=True):
                into.append(next(each))
    own, other = (statistics.median(times) for times in taken)
    return StepRatio(own, other, own / other)


def _steps(run: Training) -> Iterator[float]:
    """Seconds of one step after the other, without end."""
    batches: Iterator[Batch] = itertools.chain.from_iterable(iter(run.batches, None))
    run.networks.train()
    while True:
        started = _clock()
        float(run.step(*next(batches)))  # waits for a device
        yield _clock() - started
