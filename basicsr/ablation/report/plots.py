"""The plots of a report, as SVG that stands in the page. Grey bands are the noise of the baseline between seeds."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from basicsr.ablation.report.metric_names import scale_of, titled
from basicsr.ablation.report.results import BETTER, PROBABLY_BETTER, PROBABLY_WORSE, WORSE, Result, SetResults
from basicsr.utils.misc import import_pyplot

# Of two standard deviations: about 19 of 20 single runs with another seed lie in it.
BAND = 2
_COLORS = {BETTER: '#2e7d4f', WORSE: '#b3261e', PROBABLY_BETTER: '#7fb594', PROBABLY_WORSE: '#d98983'}
_OPPOSITE = {BETTER: WORSE, WORSE: BETTER, PROBABLY_BETTER: PROBABLY_WORSE, PROBABLY_WORSE: PROBABLY_BETTER}
_NEUTRAL, _BAND = '#5f6b7a', '#d9d9d4'
# Told apart with red-green blindness, too (Okabe and Ito, 2008).
PALETTE = ('#222222', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6d31', '#7b4fa3', '#999933')


def figure_tag(figure: Any, alt: str) -> str:
    """Return a figure as part of a page, and close it."""
    pyplot = import_pyplot()
    text = io.StringIO()
    with pyplot.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'report'}):
        figure.savefig(text, format='svg', metadata={'Date': None})
    pyplot.close(figure)
    content = base64.b64encode(text.getvalue().encode()).decode()
    return f'<img class="plot" alt="{escape(alt)}" src="data:image/svg+xml;base64,{content}">'


def style(axis: Any) -> None:
    """Give an axis the looks of all."""
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, linewidth=0.6)
    for side in ('top', 'right'):
        axis.spines[side].set_visible(False)


def gains_plot(part: SetResults, metrics: Sequence[str], labels: Mapping[str, str], sign: int = 1) -> str:
    """Return how much better or worse each variant is, a panel a metric; '' if nothing was compared.

    Args:
        labels: variant -> what its row is called.
        sign: -1 shows what is lost without what a variant leaves out.
    """
    metrics = [m for m in metrics if any(math.isfinite(part.results[m, v].gain) for v in labels)]
    if not metrics:
        return ''
    pyplot = import_pyplot()
    columns = min(4, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    height = 0.75 + 0.27 * len(labels)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(3.1 * columns + 0.8, (height + 0.35) * rows), squeeze=False, sharey=True
    )
    for axis, metric in zip(axes.flat, metrics):
        _draw_gains(axis, part, metric, list(labels), sign)
        axis.set_yticks(range(len(labels)), list(labels.values()), fontsize=9)
        axis.set_ylim(len(labels) - 0.4, -0.6)
    for axis in axes.flat[len(metrics) :]:
        axis.axis('off')
    figure.tight_layout()
    return figure_tag(figure, f'{part.dataset}: by how much the variants are better or worse')


def _draw_gains(axis: Any, part: SetResults, metric: str, variants: Sequence[str], sign: int) -> None:
    factor = sign * scale_of(metric)
    noise = part.noise_of_gain[metric] * BAND * abs(factor)
    if math.isfinite(noise):
        axis.axvspan(-noise, noise, color=_BAND, linewidth=0)
    axis.axvline(0, color='#888888', linewidth=0.8)
    for row, variant in enumerate(variants):
        result = part.results[metric, variant]
        color = _color(result, sign)
        ends = [factor * end for end in (result.gain_low, result.gain_high)]
        if all(map(math.isfinite, ends)):
            axis.plot(ends, [row, row], color=color, linewidth=2, solid_capstyle='butt')
        axis.plot([factor * result.gain], [row], 'o', color=color, markersize=5)
    style(axis)
    axis.set_title(titled(metric), fontsize=9.5)
    axis.set_xlabel('← worse \u00b7 better →' if sign > 0 else '← harms \u00b7 helps →', fontsize=8)
    axis.locator_params(axis='x', nbins=4)


def _color(result: Result, sign: int) -> str:
    """Green for what is good: the variant, or with sign -1 what it leaves out."""
    return _COLORS.get(result.verdict if sign > 0 else _OPPOSITE.get(result.verdict, ''), _NEUTRAL)


def pareto_plot(part: SetResults, pair: tuple[str, str], baseline: str) -> str:
    """Return two metrics against each other, up and right better, with the front of what nothing beats in both."""
    points = {v: tuple(_place(part, metric, v) for metric in pair) for v in part.variants}
    points = {v: place for v, place in points.items() if all(map(math.isfinite, place))}
    if len(points) < 2:
        return ''
    pyplot = import_pyplot()
    figure, axis = pyplot.subplots(figsize=(6.4, 4.2))
    _draw_noise(axis, part, pair, points.get(baseline))
    front = pareto_front(points, [_is_lower(part, metric) for metric in pair])
    axis.plot(*zip(*(points[v] for v in front)), color='#888888', linewidth=1, linestyle='--', zorder=1)
    for number, variant in enumerate(part.variants):
        if variant not in points:
            continue
        color = PALETTE[number % len(PALETTE)]
        for seed in part.results[pair[0], variant].by_seed:
            axis.plot(*(_place(part, m, variant, seed) for m in pair), '.', color=color, markersize=4, alpha=0.5)
        axis.plot(
            *points[variant], 'o' if variant in front else 's', color=color, markersize=8, zorder=3, label=variant
        )
    for metric, set_label, invert in zip(
        pair, (axis.set_xlabel, axis.set_ylabel), (axis.invert_xaxis, axis.invert_yaxis)
    ):
        set_label(f'{_axis_label(part, metric)}  (better →)', fontsize=9)
        if _is_lower(part, metric):
            invert()
    axis.margins(0.18)
    axis.legend(loc='upper left', bbox_to_anchor=(1, 1), fontsize=8.5, frameon=False)
    axis.set_title(part.dataset, fontsize=10)
    style(axis)
    figure.tight_layout()
    return figure_tag(figure, f'{part.dataset}: {pair[1]} against {pair[0]}')


def pareto_front(points: Mapping[str, Sequence[float]], is_lower: Sequence[bool]) -> list[str]:
    """Return the points that no other one beats in one metric without losing in another, in order of the first.

    Args:
        is_lower: for each metric, whether lower is better.
    """
    signs = [-1 if lower else 1 for lower in is_lower]
    goodness = {name: tuple(s * value for s, value in zip(signs, place)) for name, place in points.items()}

    def beats(first: tuple, second: tuple) -> bool:
        return first != second and all(a >= b for a, b in zip(first, second))

    front = [name for name, good in goodness.items() if not any(beats(other, good) for other in goodness.values())]
    return sorted(front, key=goodness.__getitem__)


def _is_lower(part: SetResults, metric: str) -> bool:
    return part.better[metric] != 'higher'


def _place(part: SetResults, metric: str, variant: str, seed: int | None = None) -> float:
    """Where a variant lies on the axis of a metric: its mean, or its distance to the number it should be near."""
    result, better = part.results[metric, variant], part.better[metric]
    value = result.mean if seed is None else result.by_seed.get(seed, math.nan)
    if isinstance(better, int | float):
        value = abs(value - better)
    return value * scale_of(metric)


def _axis_label(part: SetResults, metric: str) -> str:
    better, label = part.better[metric], titled(metric)
    return f'distance of {label} to {better:g}' if isinstance(better, int | float) else label


def _draw_noise(axis: Any, part: SetResults, pair: tuple[str, str], place: Sequence[float] | None) -> None:
    """Shade where runs of the baseline with other seeds would lie."""
    noises = [BAND * part.noise[m] * scale_of(m) for m in pair]
    if place is None or not all(map(math.isfinite, noises)):
        return
    for middle, noise, span in zip(place, noises, (axis.axvspan, axis.axhspan)):
        span(middle - noise, middle + noise, color=_BAND, linewidth=0, alpha=0.7, zorder=0)
