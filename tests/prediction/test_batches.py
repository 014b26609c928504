"""Batches side by side: their order, how many at a time, and threads that are given back."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from pipeline.prediction.batches import side_by_side


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("most", [1, 2, 9])
def test_results_come_in_order_and_no_more_are_in_work_than_may_be(most: int):
    lock, working, greatest, taken, given = threading.Lock(), 0, 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(12):
            taken += 1
            assert taken - given <= min(most, 3) + 2
            yield number

    def work(number: int) -> int:
        nonlocal working, greatest
        with lock:
            working += 1
            greatest = max(greatest, working)
        assert torch.get_num_threads() == 1
        time.sleep(0.01 * (number % 3))
        with lock:
            working -= 1
        return number * number

    found: list[int] = []
    for result in side_by_side(work, items(), most=most):
        given += 1
        found.append(result)
    assert found == [number * number for number in range(12)]
    assert greatest <= min(most, 3)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("threads")
def test_what_fails_is_raised_and_threads_are_given_back():
    def work(number: int) -> int:
        if number == 4:
            raise ValueError("number 4")
        return number

    with pytest.raises(ValueError, match="number 4"):
        list(side_by_side(work, range(9), most=2))
    assert torch.get_num_threads() == 3
    assert list(side_by_side(work, [], most=2)) == []
