"""The weight of a loss term as a function of the iteration."""

import bisect

Weight = float | dict[int, float]


def weight_at(weight: Weight, current_iter: int, start_iter: int | None = None, end_iter: int | None = None) -> float:
    """Return the weight at an iteration, counted from 1.

    Args:
        weight: a number, or `{iteration: weight}`, linear between the points and constant outside.
        start_iter, end_iter: the weight is 0 before the one, and from the other on.
    """
    before = start_iter is not None and current_iter < start_iter
    after = end_iter is not None and current_iter >= end_iter
    if before or after:
        return 0.0
    if not isinstance(weight, dict):
        return float(weight)
    points = sorted(weight)
    right = bisect.bisect_right(points, current_iter)
    if right == 0 or right == len(points):
        return float(weight[points[max(right - 1, 0)]])
    start, end = points[right - 1], points[right]
    part = (current_iter - start) / (end - start)
    return weight[start] + part * (weight[end] - weight[start])


def breakpoints(weight: Weight, start_iter: int | None = None, end_iter: int | None = None) -> list[int]:
    """Return the iterations from 1 on at which the weight may change its course."""
    points = list(weight) if isinstance(weight, dict) else []
    return [max(point, 1) for point in [1, *points, start_iter, end_iter] if point is not None]
