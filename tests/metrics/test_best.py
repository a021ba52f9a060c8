"""Which of two scores is the better one."""

import math

import pytest

from basicsr.metrics.best import best_of_nothing, is_at_least_as_good

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ('value', 'best', 'better', 'expected'),
    [
        (30.1, 30.0, 'higher', True),
        (30.0, 30.0, 'higher', True),
        (29.9, 30.0, 'higher', False),
        (INF, 30.0, 'higher', True),
        (0.1, 0.2, 'lower', True),
        (0.2, 0.2, 'lower', True),
        (0.3, 0.2, 'lower', False),
        (0.75, 0.5, 1.0, True),
        (1.25, 0.5, 1.0, True),
        (1.5, 0.5, 1.0, True),
        (1.75, 0.5, 1.0, False),
        (0.25, 1.5, 1.0, False),
        (3.0, 5.0, 0.0, True),
        (-4.0, 3.0, 0.0, False),
    ],
)
def test_at_least_as_good(value, best, better, expected):
    assert is_at_least_as_good(value, best, better) is expected


@pytest.mark.parametrize('better', ['higher', 'lower', 1.0])
def test_any_score_beats_none_and_nan_beats_nothing(better):
    start = best_of_nothing(better)
    assert start['better'] == better and start['iter'] == -1
    assert is_at_least_as_good(-1e9, start['val'], better) and is_at_least_as_good(1e9, start['val'], better)
    assert not is_at_least_as_good(NAN, start['val'], better)
    assert not is_at_least_as_good(NAN, 5.0, better)


def test_a_metric_that_says_nothing_of_the_result_has_no_best():
    start = best_of_nothing(None)
    assert start['iter'] == -1 and start['better'] is None
    assert not is_at_least_as_good(0.5, start['val'], None) and not is_at_least_as_good(0.5, 0.5, None)


def test_the_form_is_that_of_basicsr():
    """`{better, val, iter}`, from -inf for higher, as BasicSR's `best_metric_results` holds it."""
    assert best_of_nothing('higher') == {'better': 'higher', 'val': -INF, 'iter': -1}
    assert best_of_nothing('lower') == {'better': 'lower', 'val': INF, 'iter': -1}
