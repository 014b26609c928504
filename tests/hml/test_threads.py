"""Parts of a kernel in torch's threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from pipeline.hml import Hierarchy, threads
from pipeline.hml.constraint import constrained_probability

MANY = 1_000_000  # entries, enough for more than one thread


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


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("entries", [0, MANY])
@pytest.mark.parametrize("rows", [0, 1, 16, 17, 64, 100, 1000])
def test_the_parts_cover_the_rows_once(rows: int, entries: int):
    seen = np.zeros(rows, dtype=int)

    def part(first: int, last: int):
        seen[first:last] += 1

    threads.over_rows(part, rows, entries)
    assert (seen == 1).all()


@pytest.mark.usefixtures("two_threads")
def test_parts_run_at_the_same_time():
    if threads._team() is None:
        pytest.skip("torch brings no OpenMP runtime of its own here")
    together = threading.Barrier(2)

    def part(first: int, last: int):
        together.wait(timeout=60)  # raises in a part that runs alone

    threads.over_rows(part, 64, MANY)


@pytest.mark.parametrize(("count", "entries"), [(1, MANY), (2, 100)])
def test_little_work_and_a_single_thread_are_one_part(count: int, entries: int):
    parts: list[tuple[int, int]] = []
    with torch_threads(count):
        threads.over_rows(lambda *part: parts.append(part), 64, entries)
    assert parts == [(0, 64)]


@pytest.mark.usefixtures("two_threads")
def test_without_a_team_there_is_one_part(monkeypatch: pytest.MonkeyPatch):
    parts: list[tuple[int, int]] = []
    monkeypatch.setattr(threads, "_team", lambda: None)
    threads.over_rows(lambda *part: parts.append(part), 64, MANY)
    assert parts == [(0, 64)]


@pytest.mark.usefixtures("two_threads")
def test_what_a_part_raises_arrives():
    def part(first: int, last: int):
        raise RuntimeError(f"rows {first} to {last}")

    with pytest.raises(RuntimeError, match=r"rows (0 to 16|16 to 32)"):
        threads.over_rows(part, 32, MANY)


@pytest.mark.parametrize("members", [1, 5])
def test_the_constraint_is_the_same_in_any_number_of_threads(members: int):
    random = np.random.default_rng(0)
    nodes, examples = 900, 100
    parents = [random.choice(child, size=min(child, 2), replace=False) for child in range(1, nodes)]
    edges = [(f"{child + 1:03}", f"{p:03}") for child in range(nodes - 1) for p in parents[child]]
    hierarchy = Hierarchy.from_edges(edges)
    scores = torch.tensor(random.normal(size=(members, examples, nodes)).round(1))  # with ties
    labels = hierarchy.close(random.random((examples, nodes)) < 0.01)
    gradient = torch.tensor(random.normal(size=scores.shape))
    results = []
    for count in (1, 2, 5):
        leaf = scores.clone().requires_grad_()
        with torch_threads(count):
            value = constrained_probability(leaf, labels, hierarchy)
            value.backward(gradient)
        results.append((value.detach(), leaf.grad))
    for value, moved in results[1:]:
        assert torch.equal(value, results[0][0])
        assert torch.equal(moved, results[0][1])
