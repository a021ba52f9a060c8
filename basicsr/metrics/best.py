"""Which of two scores of a metric is the better one."""

import math

# A metric is better `higher`, `lower`, or the nearer it is to a number: a ratio of saturations to 1.
Better = str | float


def best_of_nothing(better: Better | None) -> dict:
    """Return what is kept of a metric before its first score, in BasicSR's form."""
    return {'better': better, 'val': float('-inf') if better == 'higher' else float('inf'), 'iter': -1}


def is_at_least_as_good(value: float, best: float, better: Better | None) -> bool:
    """True if a score may replace the best so far; NaN is no score. None: no value is better than another."""
    if better is None or math.isnan(value):
        return False
    if better == 'higher':
        return value >= best
    if better == 'lower':
        return value <= best
    return abs(value - better) <= abs(best - better)
