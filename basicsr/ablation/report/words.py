"""What is said of each variant, in words. `**bold**` is the only markup; pages and Markdown both know it."""

from collections.abc import Sequence

from basicsr.ablation.report.metric_names import COLORS, ELSEWHERE, name_of, quantity
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
)
from basicsr.ablation.run_set import RunSet
from basicsr.ablation.statistics import MOST_SEEDS

SEPARABLE = (WORSE, PROBABLY_WORSE, BETTER, PROBABLY_BETTER)


def sentences(runs: RunSet, parts: Sequence[SetResults], variant: str) -> list[str]:
    """Return what is to be said of a variant: saturated colours first, then the rest of the picture."""
    found = [
        part.results[metric, variant] for part in parts for metric in part.head if (metric, variant) in part.results
    ]
    lines = []
    for about in (COLORS, ELSEWHERE):
        here = [result for result in found if name_of(result.metric).about == about and result.verdict]
        if here:
            lines.append(f'**{about.capitalize()}:** {_about(runs, parts, here)}.')
    return lines or ['No score can be compared with the baseline.']


def heading(variant: str, term: str | None) -> str:
    """Return what a variant is called."""
    return f'{variant}: without the term {term}' if term and term not in variant else variant


def verdict_words(result: Result) -> str:
    """Return the verdict as a cell of a table has it."""
    if result.verdict == UNCLEAR:
        return f'not separable with {len(result.paired_seeds)} seeds; {_needed(result)}'
    if result.verdict == ONE_SEED:
        return 'one seed: effect or noise, nobody can tell'
    return {IDENTICAL: 'identical to the baseline'}.get(result.verdict, result.verdict)


def _needed(result: Result) -> str:
    if result.needed is None:
        return f'more than {MOST_SEEDS} needed'
    return f'about {max(result.needed, len(result.paired_seeds) + 1)} needed'


def _about(runs: RunSet, parts: Sequence[SetResults], results: Sequence[Result]) -> str:
    """One sentence: what is better, what is worse, what nobody can tell."""
    clauses = []
    for verdict in SEPARABLE:
        here = [result for result in results if result.verdict == verdict]
        if here:
            clauses.append(f'**{verdict}** in {"; ".join(_change(runs, parts, result) for result in here)}')
    for verdict, words in (
        (UNCLEAR, 'not separable from noise'),
        (IDENTICAL, 'identical'),
        (ONE_SEED, 'one seed, so effect or noise'),
    ):
        here = [result for result in results if result.verdict == verdict]
        if here:
            clauses.append(f'{words}: {", ".join(_unclear(parts, result) for result in here)}')
    return '; '.join(clauses)


def where(parts: Sequence[SetResults], result: Result) -> str:
    """Return the set of a result, where there are several."""
    return f' on {result.dataset}' if len(parts) > 1 else ''


def _unclear(parts: Sequence[SetResults], result: Result) -> str:
    return f'{name_of(result.metric).label}{where(parts, result)} ({_signed(parts, result)})'


def _change(runs: RunSet, parts: Sequence[SetResults], result: Result) -> str:
    pair = means(parts, runs.baseline, result)
    said = f'{pair}, {_signed(parts, result)}, {result.improved:.0%} of {result.images} images improved'
    return f'{name_of(result.metric).words}{where(parts, result)} ({said})'


def means(parts: Sequence[SetResults], baseline: str, result: Result) -> str:
    """Return the mean of a variant after that of the baseline."""
    part = next(part for part in parts if part.dataset == result.dataset)
    base = part.results[result.metric, baseline]
    return f'{quantity(base.metric, base.mean)} → {quantity(result.metric, result.mean)}'


def _signed(parts: Sequence[SetResults], result: Result) -> str:
    """The difference with its sign; of a metric that should be near a number, how much nearer or farther it came."""
    part = next(part for part in parts if part.dataset == result.dataset)
    better = part.better[result.metric]
    if isinstance(better, int | float):
        direction = 'nearer to' if result.gain >= 0 else 'farther from'
        return f'{quantity(result.metric, abs(result.difference))} {direction} {better:g}'
    return quantity(result.metric, result.difference, sign=True)
