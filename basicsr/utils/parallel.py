"""Work on many files at once."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Input = TypeVar('Input')
Output = TypeVar('Output')


def map_in_order(function: Callable[[Input], Output], inputs: Iterable[Input], num_thread: int) -> Iterator[Output]:
    """Yield `function` of each input, in order; threads work a few inputs ahead, so that few results wait in memory.

    Threads suffice for pictures: OpenCV and Pillow let others run while they decode and encode. An error, or an
    interruption, comes out here; what has not begun by then is dropped.

    Args:
        num_thread: 0 and 1 work without threads.
    """
    if num_thread <= 1:
        yield from map(function, inputs)
        return
    waiting: collections.deque[Future[Output]] = collections.deque()
    pool = ThreadPoolExecutor(num_thread)
    try:
        for one in inputs:
            waiting.append(pool.submit(function, one))
            if len(waiting) >= 2 * num_thread:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
