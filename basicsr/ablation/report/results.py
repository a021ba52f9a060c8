"""What a report knows of one variant, set and metric, and of one set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from basicsr.metrics.best import Better
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError, suggest

# Better and worse: if no variant had an effect, 95 of 100 reports would hold neither. Probably: the same for one metric
# of one set, so that a report on several may well hold one by chance.
BETTER, WORSE, PROBABLY_BETTER, PROBABLY_WORSE = 'better', 'worse', 'probably better', 'probably worse'
UNCLEAR, IDENTICAL, ONE_SEED = 'not separable', 'identical', 'one seed'
_NAN = math.nan


@dataclass(frozen=True)
class Result:
    """One variant, one set, one metric. NaN and None stand for what cannot be known.

    Attributes:
        images: how many have a value in all runs that count here.
        mean, low, high: of the variant, with its interval.
        by_seed: seed -> mean over the images.
        difference, difference_low, difference_high: variant minus baseline, seed by seed and image by image; for a
            metric that should be near a number, of the distances to it.
        gain, gain_low, gain_high: the same, counted so that more is better.
        deviation: of the differences between seeds.
        p: of the paired t-test over seeds.
        p_holm: corrected for the variants that were compared, within this metric and set.
        p_all: corrected for all comparisons that are shown first; those of the other metrics among themselves.
        improved: share of the images that gain in the mean over seeds.
        verdict: in a word; '' for the baseline, and where there is nothing to say.
        needed: seeds that would separate a difference of this size; None: very many.
    """

    dataset: str
    metric: str
    variant: str
    iteration: int
    seeds: tuple[int, ...]
    images: int
    mean: float = _NAN
    low: float = _NAN
    high: float = _NAN
    by_seed: Mapping[int, float] = field(default_factory=dict)
    paired_seeds: tuple[int, ...] = ()
    difference: float = _NAN
    difference_low: float = _NAN
    difference_high: float = _NAN
    gain: float = _NAN
    gain_low: float = _NAN
    gain_high: float = _NAN
    deviation: float = _NAN
    p: float = _NAN
    p_holm: float = _NAN
    p_all: float = _NAN
    improved: float = _NAN
    verdict: str = ''
    needed: int | None = None


@dataclass
class SetResults:
    """One set at the last iteration that all runs have.

    Attributes:
        images: those that all runs scored.
        better: metric -> which value is the better one.
        noise: metric -> standard deviation of the baseline between seeds, NaN with one.
        noise_of_gain: the same, of the distances for a metric that should be near a number.
        tables: variant -> seed -> scores.
        results: (metric, variant) -> result.
        head: the metrics that are shown first, and judged together.
    """

    dataset: str
    iteration: int
    images: list[str]
    better: dict[str, Better | None]
    variants: list[str]
    head: list[str]
    tables: dict[str, dict[int, Scores]] = field(repr=False)
    noise: dict[str, float] = field(default_factory=dict)
    noise_of_gain: dict[str, float] = field(default_factory=dict)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)

    @property
    def others(self) -> list[str]:
        """The other metrics."""
        return [metric for metric in self.better if metric not in self.head]

    def values(self, variant: str, metric: str, seeds: Sequence[int]) -> NDArray:
        """Return the scores of a variant, (seeds, images), NaN where there is none."""
        rows = [self.tables[variant][seed].rows for seed in seeds]
        return np.array([[row[image].get(metric, _NAN) for image in self.images] for row in rows], np.float64)


def check_known(parts: Sequence[SetResults], metrics: Sequence[str]) -> None:
    """Raise a DataError for a metric that no run has."""
    known = list(dict.fromkeys(metric for part in parts for metric in part.better))
    for metric in metrics:
        if metric not in known:
            raise DataError(f'{metric}: no run has such a metric, only {", ".join(known)}{suggest(metric, known)}')


def gains_of_images(part: SetResults, baseline: str, variant: str, metric: str) -> dict[str, float]:
    """Return image -> by how much a variant is better than the baseline, in the mean over the seeds of both."""
    seeds, better = part.results[metric, variant].paired_seeds, part.better[metric]
    if not seeds or better is None:
        return {}
    ours, theirs = (goodness(part.values(name, metric, seeds), better).mean(0) for name in (variant, baseline))
    return {image: gain for image, gain in zip(part.images, (ours - theirs).tolist()) if not math.isnan(gain)}


def distance(values: NDArray, better: Better | None) -> NDArray:
    """Return what differences are taken of: the values, or how far they are from the number they should be near."""
    return np.abs(values - better) if isinstance(better, int | float) else values


def goodness(values: NDArray, better: Better | None) -> NDArray:
    """Return values of which more is better."""
    return values if better in ('higher', None) else -distance(values, better)
