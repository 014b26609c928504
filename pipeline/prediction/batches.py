"""Work on batches, several at a time, whose results come in the batches' order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, most: int
) -> Iterator[Result]:
    """What `work` makes of each item, in their order.

    Each is worked on by one thread, as many at a time as torch has threads: what is computed
    outside of the interpreter runs side by side, and the sums of matrix products do not depend on
    the number of cores.

    Args:
        work: called in a thread of its own.
        items: no more of them are taken than are worked on.
        most: at a time, whatever the number of threads.
    """
    many = min(most, torch.get_num_threads())
    with _one_thread_each(), ThreadPoolExecutor(many) as pool:
        waiting: deque[Future[Result]] = deque()
        for number, item in enumerate(items):
            if not number:  # what is made ready when it is first asked for is made ready once
                yield work(item)
                continue
            waiting.append(pool.submit(work, item))
            if len(waiting) >= many + (many > 1):  # one waits, so that no thread does
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
