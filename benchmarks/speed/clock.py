"""Medians of what is measured in turns, so that a slow minute of the machine hits all alike."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def interleaved(actions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each action; one round of all before the next, after one unmeasured."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def median(action: Callable[[], object], *, rounds: int) -> float:
    """Median seconds of one action, after one unmeasured call."""
    return interleaved({"action": action}, rounds=rounds)["action"]


def elsewhere(function: Callable[..., float], *arguments: Any) -> float:
    """What a function at the top of a module returns in a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(function, *arguments).result()
