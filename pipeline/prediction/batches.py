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


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `work` makes of each item, in their order.

    Each is worked on by one thread, as many at a time as torch has threads: what is computed
    outside of the interpreter runs side by side, and the sums of matrix products do not depend on
    the number of cores. No more items are taken than are worked on.
    """
    many = torch.get_num_threads()
    with _one_thread_each(), ThreadPoolExecutor(many) as pool:
        waiting: deque[Future[Result]] = deque()
        for number, item in enumerate(items):
            if not number:  # what is made ready when it is first asked for is made ready once
                yield work(item)
                continue
            waiting.append(pool.submit(work, item))
            if len(waiting) > many:
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
