"""Compares every variant with the baseline, over the seeds and images that both have."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from basicsr.ablation.report.results import (
    BETTER,
    IDENTICAL,
    ONE_SEED,
    PROBABLY_BETTER,
    PROBABLY_WORSE,
    UNCLEAR,
    WORSE,
    Result,
    SetResults,
    distance,
    goodness,
)
from basicsr.ablation.statistics import (
    ALPHA,
    between_seeds,
    crossed_interval,
    holm,
    paired_t,
    seeds_needed,
    share_improved,
)

_NAN = math.nan


def compare_all(part: SetResults, baseline: str, metric: str) -> None:
    """Fill in the results of a metric: of every variant alone, then against the baseline."""
    base_seeds = tuple(sorted(part.tables[baseline]))
    base = part.values(baseline, metric, base_seeds)
    better = part.better[metric]
    whole = base[:, ~np.isnan(base).any(0)]
    has_images = whole.shape[1] > 0
    part.noise[metric] = float(between_seeds(whole)) if has_images else _NAN
    part.noise_of_gain[metric] = float(between_seeds(goodness(whole, better))) if has_images else _NAN

    found = {variant: _describe(part, metric, variant) for variant in part.variants}
    for variant in part.variants:
        if variant != baseline:
            found[variant] = _compare(part, found[variant], baseline)
    part.results |= {(metric, variant): result for variant, result in found.items()}


def _describe(part: SetResults, metric: str, variant: str) -> Result:
    """What a variant scores."""
    seeds = tuple(sorted(part.tables[variant]))
    values = part.values(variant, metric, seeds)
    values = values[:, ~np.isnan(values).any(0)]
    result = Result(part.dataset, metric, variant, part.iteration, seeds, values.shape[1])
    if not values.shape[1]:
        return result
    low, high = _interval(values)
    by_seed = dict(zip(seeds, values.mean(1).tolist()))
    return replace(result, mean=float(values.mean()), low=low, high=high, by_seed=by_seed)


def _compare(part: SetResults, result: Result, baseline: str) -> Result:
    """Add how a variant differs from the baseline, over the seeds and images that both have."""
    metric, better = result.metric, part.better[result.metric]
    seeds = tuple(seed for seed in result.seeds if seed in part.tables[baseline])
    if not seeds:
        return result
    ours, theirs = (part.values(variant, metric, seeds) for variant in (result.variant, baseline))
    shared = ~(np.isnan(ours).any(0) | np.isnan(theirs).any(0))
    ours, theirs = ours[:, shared], theirs[:, shared]
    result = replace(result, paired_seeds=seeds)
    if not shared.any():
        return result

    apart = distance(ours, better) - distance(theirs, better)
    low, high = _interval(apart)
    result = replace(result, difference=float(apart.mean()), difference_low=low, difference_high=high)
    if better is None:
        return result
    gains = apart if better == 'higher' else -apart
    ends = (low, high) if better == 'higher' else (-high, -low)
    verdict = IDENTICAL if not gains.any() else ONE_SEED if len(seeds) < 2 else ''
    return replace(
        result,
        **dict(zip(('gain', 'gain_low', 'gain_high'), (float(gains.mean()), *ends))),
        deviation=float(between_seeds(gains)),
        p=float(paired_t(gains)),
        improved=float(share_improved(gains)),
        verdict=verdict,
    )


def judge_together(results: Sequence[Result], parts: Sequence[SetResults]) -> None:
    """Correct the p-values of results, and say what follows from them."""
    tested = [result for result in results if not math.isnan(result.p)]
    p_all = dict(zip(map(id, tested), holm([result.p for result in tested]).tolist()))
    for part in parts:
        for metric in part.better:
            family = [result for result in tested if (result.dataset, result.metric) == (part.dataset, metric)]
            for result, p_holm in zip(family, holm([result.p for result in family]).tolist()):
                judged = replace(result, p_holm=p_holm, p_all=p_all[id(result)])
                part.results[metric, result.variant] = _judge(judged, len(family))


def _judge(result: Result, num_variants: int) -> Result:
    """Add what follows from the corrected p-values."""
    if result.verdict:
        return result
    if result.p_all < ALPHA:
        return replace(result, verdict=BETTER if result.gain > 0 else WORSE)
    if result.p_holm < ALPHA:
        return replace(result, verdict=PROBABLY_BETTER if result.gain > 0 else PROBABLY_WORSE)
    needed = seeds_needed(result.gain, result.deviation, ALPHA / num_variants)
    return replace(result, verdict=UNCLEAR, needed=needed)


def _interval(values: NDArray) -> tuple[float, float]:
    """The interval over seeds and images, NaN with one seed."""
    if len(values) < 2:
        return _NAN, _NAN
    low, high = crossed_interval(values)
    return float(low), float(high)
