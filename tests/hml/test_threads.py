"""Kernels in torch's threads."""

import platform
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.hml import Hierarchy, coherent, kernels, threads
from pipeline.hml.constraint import constrained_probability

NODES = 900
PINNED = platform.system() == "Linux" and platform.machine() == "x86_64"


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> Iterator[None]:
    with torch_threads(2):
        yield


@pytest.fixture
def team() -> None:
    if threads._team() is None:
        assert not PINNED, "torch's OpenMP runtime has moved: the kernels would be serial"
        pytest.skip("torch brings no OpenMP runtime of its own here")


def a_hierarchy() -> Hierarchy:
    random = np.random.default_rng(0)
    return Hierarchy.from_edges(
        (f"{child:03}", f"{parent:03}")
        for child in range(1, NODES)
        for parent in random.choice(child, size=min(child, 2), replace=False)
    )


def to_scatter(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of `scatter_add`: a gradient, where it goes, zeros."""
    random = np.random.default_rng(rows)
    shape = rows, NODES
    gradient, argument = random.normal(size=shape), random.integers(NODES, size=shape)
    return gradient, argument.astype(np.int32), np.zeros(shape)


def never(*_: Any) -> None:
    raise AssertionError("expected a team")


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("rows", [73, 96, 100, 1000])
def test_a_team_does_every_row_once(rows: int, count: int):
    arrays, expected = to_scatter(rows), to_scatter(rows)
    kernels.scatter_add(*expected, 0, rows)
    with torch_threads(count):
        threads.over_rows(never, kernels.scatter_in_team, arrays, rows, NODES)
    assert np.array_equal(arrays[2], expected[2])


@pytest.mark.parametrize(("count", "rows"), [(1, 1000), (2, 16), (2, 17), (2, 70), (2, 0)])
def test_little_work_and_a_single_thread_are_one_part(count: int, rows: int):
    parts: list[tuple[int, int]] = []
    with torch_threads(count):
        threads.over_rows(
            lambda *arguments: parts.append(arguments[3:]), never, to_scatter(rows), rows, NODES
        )
    assert parts == [(0, rows)]


@pytest.mark.usefixtures("two_threads")
def test_without_a_team_there_is_one_part(monkeypatch: pytest.MonkeyPatch):
    parts: list[tuple[int, int]] = []
    monkeypatch.setattr(threads, "_team", lambda: None)
    threads.over_rows(
        lambda *arguments: parts.append(arguments[3:]), never, to_scatter(100), 100, NODES
    )
    assert parts == [(0, 100)]


@pytest.mark.usefixtures("two_threads")
def test_parts_that_were_not_done_are_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_team", lambda: lambda *_: None)
    with pytest.raises(MemoryError, match="100 rows in parts of 32: only 0 parts were done"):
        threads.over_rows(never, kernels.scatter_in_team, to_scatter(100), 100, NODES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("members", [1, 5])
def test_the_constraint_is_the_same_in_any_number_of_threads(members: int, dtype: torch.dtype):
    random, hierarchy, examples = np.random.default_rng(0), a_hierarchy(), 100
    scores = random.normal(size=(members, examples, NODES)).round(1)  # with ties
    labels = hierarchy.close(random.random((examples, NODES)) < 0.01)
    gradient = torch.tensor(random.normal(size=scores.shape), dtype=dtype)
    results = []
    for count in (1, 2, 5):
        leaf = torch.tensor(scores, dtype=dtype, requires_grad=True)
        with torch_threads(count):
            value = constrained_probability(leaf, labels, hierarchy)
            value.backward(gradient)
        results.append((value.detach(), leaf.grad))
    for value, moved in results[1:]:
        assert torch.equal(value, results[0][0])
        assert torch.equal(moved, results[0][1])


@pytest.mark.usefixtures("two_threads")
def test_several_callers_at_once_get_their_own_results():
    hierarchy = a_hierarchy()
    inputs = [torch.rand(100, NODES) for _ in range(4)]
    expected = [coherent(p, hierarchy) for p in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            found = pool.map(lambda p: coherent(p, hierarchy), inputs)
            assert all(map(torch.equal, found, expected))


class Interrupted(BaseException):
    pass


@pytest.mark.usefixtures("two_threads")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers of signals here")
def test_no_signal_is_lost_in_a_team():
    fired = caught = 0

    def interrupt(number: int, frame: Any) -> None:
        nonlocal fired
        fired += 1
        raise Interrupted

    assert threading.current_thread() is threading.main_thread()
    p, hierarchy, random = torch.rand(200, NODES), a_hierarchy(), np.random.default_rng(0)
    coherent(p, hierarchy)
    before = signal.signal(signal.SIGALRM, interrupt)
    end = time.monotonic() + 60
    try:
        while fired < 100 and time.monotonic() < end:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-4, 2e-3))
                for _ in range(50):
                    coherent(p, hierarchy)
                time.sleep(1)  # the timer has long fired
            except Interrupted:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught == fired == 100
