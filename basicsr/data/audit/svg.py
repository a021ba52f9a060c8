"""Small plots as inline SVG: the page needs no library and no file beside it."""

import math
from collections.abc import Sequence
from html import escape

import torch

from basicsr.color import lab_to_rgb, lch_to_lab

_WIDTH, _HEIGHT = 340, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 10, 10, 34
_BAR = '#5b7fa6'


def histogram(values: Sequence[float], label: str, low: float | None = None, mark: float | None = None) -> str:
    """Bars of how many values lie where.

    Args:
        label: what the values are, with their unit.
        low: where the axis begins; by default at the least value.
        mark: draws a line here, the threshold of a fault.
    """
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return _frame(label, '<text x="170" y="80" class="none">nothing measured</text>')
    start = min(values) if low is None else low
    step = _round_step((max(*values, start + 1e-3) - start) / 16)
    start = math.floor(start / step) * step
    count = max(4, math.floor((max(values) - start) / step) + 1)
    bins = [0] * count
    for value in values:
        bins[min(count - 1, max(0, int((value - start) / step)))] += 1

    top, width = max(bins), _plot_width() / count
    bars = [
        f'<rect x="{_LEFT + i * width + 0.5:.1f}" y="{_y(n / top):.1f}" width="{max(width - 1, 1):.1f}" '
        f'height="{_y(0) - _y(n / top):.1f}" fill="{_BAR}"><title>{start + i * step:.3g} to '
        f'{start + (i + 1) * step:.3g}: {n}</title></rect>'
        for i, n in enumerate(bins)
        if n
    ]
    end = start + count * step
    if mark is not None and start <= mark <= end:
        x = _LEFT + (mark - start) / (end - start) * _plot_width()
        bars.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_y(0)}" class="mark"/>')
    ticks = [start + (end - start) * share for share in (0, 0.25, 0.5, 0.75, 1)]
    return _frame(label, ''.join(bars) + _ticks([f'{tick:.3g}' for tick in ticks]) + _count_axis(top))


def scatter(points: Sequence[tuple[float, float, str]], label: str, ring: float) -> str:
    """Dots of (x, y, name) around an origin in the middle, y downwards; a ring at the threshold of a fault."""
    side = _HEIGHT - _TOP - _BOTTOM
    reach = _round_step(max([ring * 1.2, *(max(abs(x), abs(y)) for x, y, _ in points)]))
    middle_x, middle_y = _LEFT + _plot_width() / 2, _TOP + side / 2
    unit = side / 2 / reach
    dots = ''.join(
        f'<circle cx="{middle_x + x * unit:.1f}" cy="{middle_y + y * unit:.1f}" r="2.6" class="dot">'
        f'<title>{escape(name)}: {x:+.2f}, {y:+.2f}</title></circle>'
        for x, y, name in points
    )
    cross = (
        f'<line x1="{middle_x - side / 2}" x2="{middle_x + side / 2}" y1="{middle_y}" y2="{middle_y}" class="axis"/>'
        f'<line x1="{middle_x}" x2="{middle_x}" y1="{_TOP}" y2="{_TOP + side}" class="axis"/>'
        f'<circle cx="{middle_x}" cy="{middle_y}" r="{ring * unit:.1f}" class="ring"/>'
        f'<text x="{middle_x + side / 2 + 4}" y="{middle_y + 4}">{reach:g} px</text>'
    )
    return _frame(label, cross + dots)


def hue_bars(shares: Sequence[float], label: str) -> str:
    """Bars in their own colour, one for each sector of the hue circle from 0 degrees; shares of all pixels."""
    top, width = max(max(shares), 1e-6), _plot_width() / len(shares)
    bars = ''.join(
        f'<rect x="{_LEFT + i * width:.1f}" y="{_y(share / top):.1f}" width="{width - 1:.1f}" '
        f'height="{max(_y(0) - _y(share / top), 1):.1f}" fill="{hue_color(360 * i / len(shares))}">'
        f'<title>{360 * i / len(shares):.0f} degrees: {share:.2%} of the pixels</title></rect>'
        for i, share in enumerate(shares)
    )
    axis = _ticks(['0', '90', '180', '270', '360'])
    return _frame(label, bars + axis + f'<text x="{_LEFT - 4}" y="{_TOP + 8}" class="end">{top:.1%}</text>')


def hue_color(degrees: float) -> str:
    """A colour of this hue angle h_ab, L* 65 and C*ab 45, as `#rrggbb`."""
    rgb = lab_to_rgb(lch_to_lab(torch.tensor([65.0, 45.0, degrees]).view(3, 1, 1))).clamp(0, 1)
    return '#' + ''.join(f'{round(float(value) * 255):02x}' for value in rgb.ravel())


def _frame(label: str, content: str) -> str:
    middle = _LEFT + _plot_width() / 2
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{content}'
        f'<text x="{middle}" y="{_HEIGHT - 4}" class="middle label">{escape(label)}</text></svg>'
    )


def _ticks(texts: Sequence[str]) -> str:
    step = _plot_width() / (len(texts) - 1)
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(0)}" y2="{_y(0)}" class="axis"/>'
    anchors = ['middle'] * (len(texts) - 1) + ['end']
    return line + ''.join(
        f'<text x="{_LEFT + i * step:.1f}" y="{_y(0) + 13}" class="{anchor}">{text}</text>'
        for i, (text, anchor) in enumerate(zip(texts, anchors))
    )


def _count_axis(top: int) -> str:
    return f'<text x="{_LEFT - 4}" y="{_TOP + 8}" class="end">{top}</text>'


def _plot_width() -> float:
    return _WIDTH - _LEFT - _RIGHT


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, ... upwards."""
    power = 10 ** math.floor(math.log10(max(step, 1e-9)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)
