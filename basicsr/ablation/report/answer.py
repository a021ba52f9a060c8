"""The answer in words, with which a report begins. `**bold**` is the only markup."""

import math
from collections.abc import Mapping, Sequence

from basicsr.ablation.report.metric_names import COLORS, ELSEWHERE, HEAD, name_of, quantity
from basicsr.ablation.report.results import BETTER, WORSE, Result, SetResults
from basicsr.ablation.report.words import SEPARABLE, heading, means, where
from basicsr.ablation.run_set import RunSet
from basicsr.ablation.statistics import ALPHA, FEW_SEEDS

# The answer names so many effects of a variant on each part of the picture.
_MOST_CHANGES = 3
_IN_NOISE = ('psnr', 'ssim', 'de00_mean', 'sat_ratio_60')


def answer(runs: RunSet, parts: Sequence[SetResults], left_out: Mapping[str, str]) -> list[str]:
    """Return paragraphs: which terms or variants matter, by how much, and of which nothing can be said.

    Args:
        left_out: variant -> the term that it lacks.
    """
    others = runs.variants[1:]
    if not others:
        return [f'There is one variant, **{runs.baseline}**, and nothing to compare it with.']
    if not _has_tests(parts):
        return [_without_tests(runs)]
    separable = {variant: _separable(parts, variant) for variant in others}
    lines = [_effects(runs, parts, variant, left_out, found) for variant, found in separable.items() if found]
    silent = [variant for variant in others if not separable[variant]]
    if silent:
        names = _listed([f'**{heading(variant, left_out.get(variant))}**' for variant in silent])
        lines.append(f'{names}: cannot be told from **{runs.baseline}**; what differs may be noise.')
    return [_lead(runs, separable, left_out), *lines]


def remarks(runs: RunSet, parts: Sequence[SetResults]) -> list[str]:
    """Return paragraphs: how large the noise is, and how far to trust the answer."""
    return [*_noise(runs, parts), *([_trust(parts)] if _has_tests(parts) else [])]


def _has_tests(parts: Sequence[SetResults]) -> bool:
    return any(not math.isnan(result.p) for part in parts for result in part.results.values())


def _without_tests(runs: RunSet) -> str:
    """What to say where no variant shares two seeds with the baseline."""
    if all(len(runs.of(variant)) == 1 for variant in runs.variants):
        lead = 'There is one seed for each variant'
    else:
        lead = f'No variant has two seeds in common with **{runs.baseline}**'
    return (
        f'**{lead}. Nothing here can tell an effect from noise:** the same options with another seed may move every '
        f'number by as much as the differences to **{runs.baseline}** that are shown below. For an answer, run at '
        f'least 3 seeds, better {FEW_SEEDS}.'
    )


def _separable(parts: Sequence[SetResults], variant: str) -> list[Result]:
    """The results of a variant that are better or worse, or probably so, the clearest first."""
    found = [part.results.get((metric, variant)) for part in parts for metric in part.head]
    return sorted((r for r in found if r and r.verdict in SEPARABLE), key=lambda result: result.p)


def _lead(runs: RunSet, separable: Mapping[str, Sequence[Result]], left_out: Mapping[str, str]) -> str:
    """The answer in one sentence."""
    seeds = max(len(runs.of(variant)) for variant in runs.variants)
    if not any(separable.values()):
        return f'**With {seeds} seeds, no variant can be told from {runs.baseline}.**'
    clear = {variant: [r for r in found if r.verdict in (BETTER, WORSE)] for variant, found in separable.items()}
    probably = '' if any(clear.values()) else 'Probably: '
    for about in (COLORS, ELSEWHERE):
        found = clear if any(clear.values()) else separable
        names = [v for v, results in found.items() if any(name_of(r.metric).about == about for r in results)]
        terms = [left_out[variant] for variant in names if variant in left_out]
        if terms:
            kind = 'the term' if len(terms) == 1 else 'the terms'
            return f'**{probably}What matters for {about}: {kind} {_listed(terms)}.**'
        if names:
            verb = 'differs' if len(names) == 1 else 'differ'
            return f'**{probably}{_listed(names)} {verb} from {runs.baseline} in {about}.**'
    raise AssertionError('a result belongs to no part of the answer')


def _effects(
    runs: RunSet,
    parts: Sequence[SetResults],
    variant: str,
    left_out: Mapping[str, str],
    found: Sequence[Result],
) -> str:
    """What a variant changes, of each part of the answer the clearest."""
    texts = []
    for about in (COLORS, ELSEWHERE):
        here = list({r.metric: r for r in reversed(found) if name_of(r.metric).about == about}.values())[::-1]
        changes = [
            f'{name_of(r.metric).short}{where(parts, r)} {means(parts, runs.baseline, r)} (**{r.verdict}**)'
            for r in here
        ]
        if changes:
            texts.append(f'{about}: {", ".join(changes[:_MOST_CHANGES])}')
    term = left_out.get(variant)
    name = f'Without the term {term} ({variant})' if term else variant
    return f'**{name}**, {"; ".join(texts)}.'


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f'{", ".join(names[:-1])} and {names[-1]}'


def _noise(runs: RunSet, parts: Sequence[SetResults]) -> list[str]:
    """How much the baseline varies between seeds, in its first set."""
    part = parts[0]
    seeds = len(runs.of(runs.baseline))
    said = [
        f'{quantity(metric, part.noise[metric])} in {name_of(metric).label}'
        for metric in part.head
        if math.isfinite(part.noise[metric]) and (metric in _IN_NOISE or metric not in HEAD)
    ]
    if not said:
        return []
    return [
        f'Noise: {seeds} runs of **{runs.baseline}** that differ in nothing but the seed have a standard deviation of '
        f'{", ".join(said)} on {part.dataset}. Grey bands show twice that.'
    ]


def _trust(parts: Sequence[SetResults]) -> str:
    """How many seeds, and how often chance alone raises an alarm."""
    counts = {len(r.paired_seeds) for part in parts for r in part.results.values() if not math.isnan(r.p)}
    rows = [(part, metric) for part in parts for metric in part.head]
    tests = [sum(not math.isnan(part.results[metric, v].p) for v in part.variants) for part, metric in rows]
    families, comparisons = sum(map(bool, tests)), sum(tests)
    seeds = f'{min(counts)}' if len(counts) == 1 else f'{min(counts)} to {max(counts)}'
    text = (
        f'How far to trust it: the verdicts rest on {seeds} seeds. **Better** and **worse** are corrected for all '
        f'{comparisons} comparisons below: if no variant had any effect, 95 of 100 such reports would show neither.'
    )
    if families > 1:
        text += (
            f' **Probably** is corrected for the variants only, metric by metric; chance alone would show about '
            f'{families * ALPHA:.1f} of these here. Believe it where several metrics or sets agree, or run more seeds.'
        )
    few = f' With fewer than {FEW_SEEDS} seeds the intervals are approximate.' if min(counts) < FEW_SEEDS else ''
    if min(counts) == 2:
        few += ' With 2 seeds hardly anything can be separated: run at least 3.'
    return f'{text} What is not separable may still be real.{few}'
