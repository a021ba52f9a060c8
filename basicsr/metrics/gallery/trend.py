"""How the means of a set went from validation to validation: small charts as inline SVG."""

import math
from collections.abc import Mapping
from html import escape

from basicsr.metrics.best import Better
from basicsr.metrics.color_fidelity import BETTER, LEVELS

# Metric, how a chart calls it.
TITLES = {
    f'sat_ratio_{LEVELS[0]}': 'saturation ×, of saturated pixels',
    'sat_ratio_all': 'saturation ×, of all pixels',
    f'hue_shift_{LEVELS[0]}': 'hue shift, degrees',
    'de00_mean': 'delta E 2000, mean',
    'psnr': 'PSNR, dB',
}
_WIDTH, _HEIGHT = 254, 140
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 36


def trends(tables: Mapping[int | str, Mapping[str, float]], metric: str | None = None) -> str:
    """Return a chart for each key metric that was measured, and for `metric`; '' without any.

    Args:
        tables: iteration -> metric -> mean over a set.
    """
    numbered = {iteration: means for iteration, means in tables.items() if isinstance(iteration, int)}
    measured = {name for means in numbered.values() for name in means}
    names = [name for name in dict.fromkeys((*TITLES, metric)) if name in measured]
    charts = [_chart(name, {i: means[name] for i, means in numbered.items() if name in means}) for name in names]
    return f'<div class="plots">{"".join(charts)}</div>' if charts else ''


def _chart(name: str, values: dict[int, float]) -> str:
    """A line with a dot for each iteration; dashed, where the metric would be best."""
    values = {iteration: value for iteration, value in values.items() if math.isfinite(value)}
    title = TITLES.get(name, name)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    label = f'<text x="{middle}" y="{_HEIGHT - 5}" class="middle label">{escape(title)}</text>'
    if not values:
        return _svg(f'<text x="{middle}" y="70" class="none">no image has a value</text>{label}')
    low, high, ideal = *_range(list(values.values()), BETTER.get(name)), BETTER.get(name)
    first, last = min(values), max(values)

    def x(iteration: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((iteration - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    line = ' '.join(f'{x(i):.1f},{y(value):.1f}' for i, value in values.items())
    dots = ''.join(
        f'<circle cx="{x(i):.1f}" cy="{y(value):.1f}" r="3" class="point" data-point="{i}">'
        f'<title>iteration {i}: {value:.4g}</title></circle>'
        for i, value in values.items()
    )
    return _svg(_axes(low, high, (first, last)) + _ideal(ideal, y) + f'<polyline points="{line}"/>{dots}{label}')


def _range(values: list[float], better: Better | None) -> tuple[float, float]:
    """Return what the vertical axis covers: the values, and the one that is best if there is such."""
    if isinstance(better, float):
        values = [*values, better]
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _ideal(better: Better | None, y) -> str:
    if not isinstance(better, float):
        return ''
    return f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(better):.1f}" y2="{y(better):.1f}" class="mark"/>'


def _axes(low: float, high: float, ends: tuple[int, int]) -> str:
    bottom = _HEIGHT - _BOTTOM
    left, right = (f'{end:,}' for end in ends)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}" class="axis"/>'
        f'<text x="{_LEFT - 5}" y="{_TOP + 6}" class="end">{high:.3g}</text>'
        f'<text x="{_LEFT - 5}" y="{bottom}" class="end">{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{bottom + 14}">{left if ends[1] > ends[0] else ""}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{bottom + 14}" class="end">{right}</text>'
    )


def _svg(content: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{content}</svg>'
