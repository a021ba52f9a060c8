"""Statistics of a few runs on a few images: how large a difference is, and whether other seeds would show it again.

Arrays are (..., seeds, images). Two sources of chance are crossed: the seed of a run moves all of its images, and some
images gain more than others. A test over the images of one run knows nothing of the first: with typical noise it calls
46 % of the differences between equal recipes significant. Hence p-values are over seeds.
"""

import bisect
import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from basicsr.utils.errors import DataError

LEVEL, ALPHA, POWER = 0.95, 0.05, 0.8
# Below this many seeds an interval is called approximate.
FEW_SEEDS = 5
# More seeds than this are nobody's plan.
MOST_SEEDS = 99
_REPLICATES = 4000


def crossed_interval(values: ArrayLike, level: float = LEVEL) -> tuple[NDArray, NDArray]:
    """Return the ends of an interval for the mean over all seeds and images that there could be.

    Crossed bootstrap: seeds and images are drawn anew, independently of each other (Owen, The pigeonhole bootstrap,
    2007). Drawn are the effects of seeds and of images: deviations of the means over images and over seeds from the
    mean of all. What is left of each value counts once, as part of the seed effects: from those of the images its
    expected share is taken, else it would count three times. Draws of a few values vary too little: the effects of n
    are stretched by sqrt(n / (n - 1)), and from the normal distribution to Student's t. In simulations with 2 to 8
    seeds, and noise of seeds, of images and of both in any proportion, 93 to 99 % of the intervals hold the true mean.

    Args:
        values: (..., S, N), S and N at least 2, without NaN.

    Raises:
        DataError: fewer than two seeds.
    """
    values = np.asarray(values, np.float64)
    num_seeds, num_images = values.shape[-2:]
    if num_seeds < 2:
        raise DataError('an interval over seeds needs at least 2 seeds; with one, its noise cannot be known')
    mean = values.mean((-2, -1), keepdims=True)
    of_seeds, of_images = values.mean(-1, keepdims=True) - mean, values.mean(-2, keepdims=True) - mean
    rest = values - mean - of_seeds - of_images

    # Variances of the mean, by the two-way analysis of variance with one value a cell.
    degrees = max(num_images - 1, 1)
    variance_of_images = (of_images**2).sum((-2, -1)) / (degrees * num_images)
    variance_of_rest = (rest**2).sum((-2, -1)) / ((num_seeds - 1) * degrees * num_seeds * num_images)
    own_share = 1 - variance_of_rest / np.where(variance_of_images > 0, variance_of_images, np.inf)
    scale = _stretch(num_images, level) * np.sqrt(np.clip(own_share, 0, 1)) if num_images > 1 else own_share * 0

    seeds, images = _draws(num_seeds), _draws(num_images)
    replicates = (of_seeds[..., 0] * _stretch(num_seeds, level)) @ seeds.T
    replicates += (of_images[..., 0, :] * scale[..., None]) @ images.T
    ends = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return mean[..., 0, 0] + ends[0], mean[..., 0, 0] + ends[1]


@functools.lru_cache(8)
def _draws(count: int) -> NDArray:
    """How often each of `count` items is drawn, as shares, (replicates, count); the same at every call."""
    random = np.random.default_rng(count)
    return random.multinomial(count, np.full(count, 1 / count), _REPLICATES) / count


@functools.lru_cache(64)
def _stretch(count: int, level: float) -> float:
    from scipy import stats

    quantile = (1 + level) / 2
    return float(np.sqrt(count / (count - 1)) * stats.t.ppf(quantile, count - 1) / stats.norm.ppf(quantile))


def paired_t(differences: ArrayLike) -> NDArray:
    """Return the two-sided p-value of Student's paired t-test over seeds: would other seeds show it on these images?

    Args:
        differences: (..., S, N), of runs that share seed and images; their means over images are tested.

    Returns:
        NaN with fewer than two seeds; 1 where all differences are 0.
    """
    from scipy import stats

    means = np.asarray(differences, np.float64).mean(-1)
    count = means.shape[-1]
    mean = means.mean(-1)
    if count < 2:
        return np.full(mean.shape, np.nan)
    error = means.std(-1, ddof=1) / np.sqrt(count)
    with np.errstate(divide='ignore', invalid='ignore'):
        p = 2 * stats.t.sf(np.abs(mean) / error, count - 1)
    return np.where(mean == 0, 1.0, p)


def holm(p_values: ArrayLike) -> NDArray:
    """Return p-values corrected for their number (Holm, 1979), any shape; NaN is no comparison, and stays."""
    p_values = np.asarray(p_values, np.float64)
    corrected, known = p_values.copy(), ~np.isnan(p_values)
    ordered = np.sort(p_values[known])
    factors = np.arange(len(ordered), 0, -1)
    steps = np.minimum(1, np.maximum.accumulate(ordered * factors))
    corrected[known] = steps[np.argsort(np.argsort(p_values[known], kind='stable'), kind='stable')]
    return corrected


def seeds_needed(mean: float, deviation: float, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """Return how many seeds separate a difference in so many of all attempts; None: more than `MOST_SEEDS`.

    Args:
        mean: the difference.
        deviation: standard deviation of the differences between seeds.
        alpha: of the two-sided paired t-test.
        power: share of the attempts that succeed.
    """
    from scipy import stats

    if not (np.isfinite(mean) and np.isfinite(deviation)) or mean == 0:
        return None
    if deviation == 0:
        return 2

    def is_enough(count: int) -> bool:
        limit, shift = stats.t.isf(alpha / 2, count - 1), abs(mean) / deviation * count**0.5
        # Success on the wrong side is left out: it is rare, and none.
        return stats.nct.sf(limit, count - 1, shift) >= power

    counts = range(2, MOST_SEEDS + 1)
    place = bisect.bisect_left(counts, True, key=is_enough)  # power grows with the seeds
    return counts[place] if place < len(counts) else None


def share_improved(gains: ArrayLike) -> NDArray:
    """Return the share of images that gain in the mean over seeds, from gains (..., S, N)."""
    return (np.asarray(gains).mean(-2) > 0).mean(-1)


def between_seeds(values: ArrayLike) -> NDArray:
    """Return the standard deviation between seeds of the means over images, (..., S, N); NaN with fewer than two."""
    means = np.asarray(values, np.float64).mean(-1)
    return means.std(-1, ddof=1) if means.shape[-1] > 1 else np.full(means.shape[:-1], np.nan)
