"""Where the time of a training step goes: the real loop under torch's profiler.

A phase is told by what an event lies in (autograd's engine, the optimiser), a kind by the event
itself: matrix products, functions of our own, everything else. What lies in no event at all is
Python and numpy: putting the batch together, calling. Profiling costs time, which goes to the
small operations; the seconds of a step are measured without it.
"""

import math
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks.speed.problems import Problem
from pipeline.hml import Settings, train
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer

_PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::addmv")
_OUTSIDE = "batches and Python"


def of_step(problem: Problem, settings: Settings, *, steps: int = 200) -> dict[str, Any]:
    """Microseconds of a step, and the share of it that each phase and kind takes.

    Args:
        problem: its first examples are trained on.
        settings: their epochs are not asked.
        steps: how many to look at.
    """
    examples = min(len(problem.features), steps * settings.batch_size)
    steps = math.ceil(examples / settings.batch_size)
    profiler = profile(activities=[ProfilerActivity.CPU])
    marks: list[float] = []

    def epoch_ended(epoch: int, networks: Networks) -> None:
        if epoch == 3:
            profiler.stop()
        marks.append(time.perf_counter())
        if epoch == 2:  # the first one warmed up, the second one was timed
            profiler.start()
            marks[-1] = time.perf_counter()

    train(
        problem.features[:examples],
        problem.labels[:examples],
        problem.hierarchy,
        replace(settings, epochs=3),
        seed=0,
        preprocessing=Standardizer.fit(problem.features),
        scored=problem.scored,
        on_epoch=epoch_ended,
        device="cpu",
    )
    parts: dict[str, float] = defaultdict(float)
    for event in profiler.events() or []:
        parts[part(event)] += event.self_cpu_time_total
    profiled = 1e6 * (marks[2] - marks[1])
    parts[_OUTSIDE] = max(0, profiled - sum(parts.values()))
    largest_first = sorted(parts.items(), key=lambda item: -item[1])
    return {
        "problem": problem.name,
        "members": settings.members,
        "batch_size": settings.batch_size,
        "step_us": 1e6 * (marks[1] - marks[0]) / steps,
        "profiled_step_us": profiled / steps,
        "shares": {name: spent / profiled for name, spent in largest_first},
    }


def part(event: Any) -> str:
    """The phase and kind of a profiler's event."""
    names, above = [event.name], event.cpu_parent
    while above is not None:
        names.append(above.name)
        above = above.cpu_parent
    phase = "forward and loss"
    if any(name.startswith("autograd::engine") for name in names):
        phase = "backward"
    if any(name.startswith("Optimizer.") for name in names):
        return "Adam"
    own = [name for name in names if name.startswith("_")]  # functions of ours are private classes
    if own:
        return f"{phase}: {own[-1].strip('_').removesuffix('Backward')}"
    return f"{phase}: {'matrix products' if event.name in _PRODUCTS else 'all else in torch'}"
