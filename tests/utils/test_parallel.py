import threading
import time

import pytest

from basicsr.utils.parallel import map_in_order


@pytest.mark.parametrize('num_thread', [0, 1, 3])
def test_results_come_in_the_order_of_the_inputs(num_thread):
    def slow_first(number):
        time.sleep(0.02 if number % 4 == 0 else 0)
        return number * number

    assert list(map_in_order(slow_first, range(20), num_thread)) == [number * number for number in range(20)]


def test_threads_work_at_the_same_time():
    barrier = threading.Barrier(2, timeout=10)  # breaks unless two are in it at once
    assert list(map_in_order(lambda _: barrier.wait() >= 0, range(4), 2)) == [True] * 4


@pytest.mark.parametrize('num_thread', [1, 2])
def test_no_more_than_a_few_results_wait(num_thread):
    begun = []
    results = map_in_order(lambda number: begun.append(number) or number, range(100), num_thread)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= 2 * num_thread
    results.close()
    time.sleep(0.02)
    assert len(begun) <= 2 * num_thread


@pytest.mark.parametrize('num_thread', [1, 2])
def test_an_error_comes_out_and_stops_the_work(num_thread):
    begun = []

    def fail_at_five(number):
        begun.append(number)
        if number == 5:
            raise ValueError('five')
        return number

    results = map_in_order(fail_at_five, range(1000), num_thread)
    with pytest.raises(ValueError, match='five'):
        list(results)
    assert len(begun) < 20
