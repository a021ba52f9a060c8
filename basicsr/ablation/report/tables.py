"""The table variant x metric, as HTML and Markdown."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from basicsr.ablation.report.metric_names import name_of, number, scale_of, titled
from basicsr.ablation.report.results import BETTER, PROBABLY_BETTER, PROBABLY_WORSE, WORSE, Result, SetResults
from basicsr.ablation.report.words import heading, verdict_words
from basicsr.ablation.statistics import FEW_SEEDS
from basicsr.metrics.best import Better

_CLASSES = {BETTER: 'better', WORSE: 'worse', PROBABLY_BETTER: 'better probably', PROBABLY_WORSE: 'worse probably'}


def html_table(part: SetResults, metrics: Sequence[str], baseline: str, left_out: Mapping[str, str]) -> str:
    """Return a row for each variant, a column for each metric."""
    heads = ''.join(_head(metric, part.better[metric], part) for metric in metrics)
    rows = ''.join(
        f'<tr><th>{escape(heading(variant, left_out.get(variant)))}{_seeds(part, variant, baseline)}</th>'
        + ''.join(_cell(part.results[metric, variant], variant == baseline, part) for metric in metrics)
        + '</tr>'
        for variant in part.variants
    )
    return (
        f'<div class="wide"><table class="results"><thead><tr><th></th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div>'
    )


def markdown_table(part: SetResults, metrics: Sequence[str], baseline: str, left_out: Mapping[str, str]) -> str:
    """Return the same for Markdown."""
    lines = [['', *(f'{titled(m)}{_sense(part.better[m])}' for m in metrics)]]
    for variant in part.variants:
        cells = ['<br>'.join(_texts(part.results[m, variant], variant == baseline, part)) for m in metrics]
        lines.append([f'**{heading(variant, left_out.get(variant))}**', *cells])
    rows = [f'| {" | ".join(cell.replace("|", "∣") for cell in line)} |' for line in lines]
    return '\n'.join([rows[0], f'|{"---|" * len(lines[0])}', *rows[1:]])


def _head(metric: str, better: Better | None, part: SetResults) -> str:
    name = name_of(metric)
    noise = part.noise[metric]
    said = f'noise ±{scale_of(metric) * noise:.2g}' if math.isfinite(noise) else ''
    title = escape(f'{metric}: {name.words}')
    return f'<th title="{title}">{escape(titled(metric))}<div class="small">{_sense(better).strip()} {said}</div></th>'


def _sense(better: Better | None) -> str:
    if better is None:
        return ''
    words = {'higher': ' ↑', 'lower': ' ↓'}
    return words.get(better) or f' → {better:g}'


def _seeds(part: SetResults, variant: str, baseline: str) -> str:
    count = len(part.tables[variant])
    note = ', baseline' if variant == baseline else ''
    return f'<div class="small">{count} seed{"" if count == 1 else "s"}{note}</div>'


def _cell(result: Result, is_baseline: bool, part: SetResults) -> str:
    """A cell: the mean, the difference, the test, the verdict."""
    texts = _texts(result, is_baseline, part)
    lines = [f'<b>{escape(texts[0])}</b>', *(f'<div class="small">{escape(text)}</div>' for text in texts[1:])]
    kind = _CLASSES.get(result.verdict, '')
    if result.verdict:
        lines[-1] = f'<div class="verdict">{escape(texts[-1])}</div>'
    return f'<td class="{kind}">{"".join(lines)}</td>'


def _texts(result: Result, is_baseline: bool, part: SetResults) -> list[str]:
    """The lines of a cell."""
    metric = result.metric
    if not result.images:
        return ['–', 'no value']
    few = ' approx.' if len(result.seeds) < FEW_SEEDS else ''
    lines = [number(metric, result.mean)]
    if math.isfinite(result.low):
        lines.append(f'{_range(metric, result.low, result.high)}{few}')
    if result.images < len(part.images):
        lines.append(f'{result.images} of {len(part.images)} images')
    if is_baseline or not math.isfinite(result.difference):
        return lines
    lines.append(_difference(result, part.better[metric]))
    if math.isfinite(result.improved):
        lines.append(f'{_p(result)}{result.improved:.0%} improved')
    return [*lines, verdict_words(result)] if result.verdict else lines


def _difference(result: Result, better: Better | None) -> str:
    """The difference and its interval; for a metric that should be near a number, of the distances to it."""
    metric = result.metric
    is_target = isinstance(better, int | float)
    text = f'{"Δ distance" if is_target else "Δ"} {number(metric, result.difference, sign=True)}'
    if math.isfinite(result.difference_low):
        text += f' {_range(metric, result.difference_low, result.difference_high, sign=True)}'
    return text


def _range(metric: str, low: float, high: float, sign: bool = False) -> str:
    return f'[{number(metric, low, sign)}, {number(metric, high, sign)}]'


def _p(result: Result) -> str:
    """The corrected p-value, short."""
    if not math.isfinite(result.p_holm):
        return ''
    return f'p {p_value(result.p_holm)}, '


def p_value(p: float) -> str:
    """Return a p-value with the digits that mean something."""
    return '< 0.001' if p < 0.001 else f'{p:.3f}' if p < 0.1 else f'{p:.2f}'
