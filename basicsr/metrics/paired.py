"""Two tables of scores, image by image: how much one differs from the other, and how sure that is.

The intervals are over images: they say what another choice of images would do to the mean difference of these two
results. Networks trained anew with other seeds differ as well, which no number of images shows.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from basicsr.metrics.best import Better
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError

Verdict = Literal['better', 'worse', 'not separable', '']

CONFIDENCE = 0.95
_NUM_RESAMPLES = 9999
# BCa leaves out each image in turn, which takes n^2 steps; with so many images it equals the percentile interval.
_MANY_IMAGES = 2000
_MAX_ELEMENTS = 2**22
# What differs by less is one number, rounded; BCa is not defined then.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedDifference:
    """What became of one metric from A to B, over the images that have a score in both.

    Attributes:
        delta: mean of B - A.
        low, high: interval of `delta`; NaN for a single image, or where a difference is infinite.
        improved: share of the images whose score became better; NaN where no value is the better one.
        verdict: of B against A, whether the mean gain is certain to be above or below 0; '' where no value is the
            better one. A gain is a difference in the direction of better; for a metric that should be near to a
            number, how much nearer the image came.
    """

    mean_a: float
    mean_b: float
    delta: float
    low: float
    high: float
    improved: float
    count: int
    verdict: Verdict


@dataclass(frozen=True)
class Change:
    """One image: its scores in A and B, and the gain; NaN where no value is the better one."""

    name: str
    a: float
    b: float
    gain: float

    @property
    def delta(self) -> float:
        """B - A; 0 for equal scores, be they infinite."""
        return 0.0 if self.a == self.b else self.b - self.a


def paired_difference(a: Scores, b: Scores, metric: str, better: Better | None, seed: int = 0) -> PairedDifference:
    """Compare the scores of two tables in one metric, with a bootstrap interval of 95 % over images.

    The order of the images does not matter.

    Args:
        better: `higher`, `lower`, the number that a score should be near to, or None: no value is the better one.
        seed: of the bootstrap.

    Raises:
        DataError: no image has a score in both.
    """
    changes = paired_changes(a, b, metric, better)
    deltas = np.array([change.delta for change in changes])
    gains = np.array([change.gain for change in changes])
    low, high = bootstrap_interval(deltas, seed)
    return PairedDifference(
        mean_a=float(np.mean([change.a for change in changes])),
        mean_b=float(np.mean([change.b for change in changes])),
        delta=_mean(deltas),
        low=low,
        high=high,
        improved=math.nan if better is None else float(np.mean(gains > 0)),
        count=len(changes),
        verdict='' if better is None else _verdict(*bootstrap_interval(gains, seed)),
    )


def paired_changes(a: Scores, b: Scores, metric: str, better: Better | None) -> list[Change]:
    """Return the images that have a score in both tables, by name.

    Raises:
        DataError: there are none.
    """
    column_a, column_b = a.column(metric), b.column(metric)
    names = sorted(column_a.keys() & column_b.keys())
    if not names:
        raise DataError(
            f'{metric}: no image has a score in both ({len(column_a)} of {len(a)} images have one in the first, '
            f'{len(column_b)} of {len(b)} in the second)'
        )
    return [Change(n, column_a[n], column_b[n], _gain(column_a[n], column_b[n], better)) for n in names]


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the BCa interval of 95 % of the mean of values (N,); (NaN, NaN) for less than two, or infinite ones.

    Source: Efron 1987, Better bootstrap confidence intervals, as in `scipy.stats.bootstrap`. It is too narrow for few
    values: with 13 it covers about 91 %.
    """
    from scipy.stats import bootstrap

    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    if np.ptp(values) <= _ROUNDING * np.abs(values).max():
        return float(values.min()), float(values.max())
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=_NUM_RESAMPLES,
        batch=max(1, _MAX_ELEMENTS // len(values)),
        confidence_level=CONFIDENCE,
        method='BCa' if len(values) <= _MANY_IMAGES else 'percentile',
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _gain(a: float, b: float, better: Better | None) -> float:
    if better is None:
        return math.nan
    if a == b:
        return 0.0
    if better == 'higher':
        return b - a
    if better == 'lower':
        return a - b
    return abs(a - better) - abs(b - better)


def _mean(values: np.ndarray) -> float:
    with np.errstate(invalid='ignore'):  # +inf and -inf have no mean
        return float(np.mean(values))


def _verdict(low: float, high: float) -> Verdict:
    # NaN is neither.
    if low > 0:
        return 'better'
    return 'worse' if high < 0 else 'not separable'
