"""Which images are the worst: the order of scores, and a bounded list of the images that lead it."""

import bisect
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from basicsr.metrics.best import Better
from basicsr.metrics.scores import Scores


def badness(value: float, better: Better | None) -> float:
    """Return a number that is the higher the worse a score is; NaN for no score, or one that says nothing."""
    if better is None:
        return math.nan
    if better == 'higher':
        return -value
    if better == 'lower':
        return value
    return abs(value - better)


def rank_key(bad: float, name: str, path: str) -> tuple[float, str, str]:
    """Sort the worst first, equals by name: the same order in every process, whoever holds the image."""
    return -bad, name, path


def worst_names(scores: Scores, metric: str, better: Better | None, count: int) -> list[str]:
    """Return the rows with the worst scores, the worst first; images without a score are not among them."""
    bad = {name: badness(value, better) for name, value in scores.column(metric).items()}
    names = [name for name, value in bad.items() if not math.isnan(value)]
    return sorted(names, key=lambda name: rank_key(bad[name], PurePath(name).name, name))[:count]


def is_named(path: str, names: Sequence[str]) -> bool:
    """True if a name is that of the file, with or without ending, or the end of its path."""
    return any(is_name_of(name, path) for name in names)


def is_name_of(name: str, path: str) -> bool:
    """True if a name is that of the file, with or without ending, or the end of its path."""
    wanted, whole = PurePath(name).parts, PurePath(path)
    return bool(wanted) and wanted in (parts[-len(wanted) :] for parts in (whole.parts, whole.with_suffix('').parts))


def row_name(path: str, scores: Scores) -> str:
    """Return what the table calls an image, see `short_names`."""
    whole = str(PurePath(path).with_suffix(''))
    return next((name for name in (path, whole) if name in scores.rows), PurePath(path).stem)


class Leaders:
    """The first few of all items that are offered, by their keys; the others are not kept.

    Attributes:
        items: (key, item), in order.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.items: list[tuple[tuple, Any]] = []

    def wants(self, key: tuple) -> bool:
        """True if an item with this key would be kept."""
        return self.count > 0 and (len(self.items) < self.count or key < self.items[-1][0])

    def add(self, key: tuple, item: Any) -> None:
        """Keep an item that is wanted, and let the last one go if there are too many."""
        bisect.insort(self.items, (key, item), key=lambda pair: pair[0])
        del self.items[self.count :]


def best_iteration(tables: Mapping[Any, Scores], metric: str, better: Better | None) -> Any | None:
    """Return the iteration whose mean over the set is the best, the later of equals; None without any."""
    bad = {iteration: badness(scores.means().get(metric, math.nan), better) for iteration, scores in tables.items()}
    known = [iteration for iteration, value in bad.items() if not math.isnan(value)]
    return min(reversed(known), key=lambda iteration: bad[iteration]) if known else None
