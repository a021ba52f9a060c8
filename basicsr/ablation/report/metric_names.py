"""What metrics are called, in tables and for people, how they are written, and which of their values is the better."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from basicsr.metrics.best import Better
from basicsr.metrics.color_fidelity import BETTER
from basicsr.metrics.scoring import Scorer
from basicsr.utils.errors import UserError

COLORS, ELSEWHERE = 'saturated colours', 'the picture as a whole'


@dataclass(frozen=True)
class Name:
    """How a metric is spoken of.

    Attributes:
        label: in tables and plots.
        short, words: in sentences.
        digits: after the point.
        about: the part of the answer it belongs to.
        is_share: a share of one, written in per cent.
    """

    label: str
    short: str
    words: str
    digits: int
    unit: str = ''
    about: str = ELSEWHERE
    is_share: bool = False


# Shown first, in this order.
HEAD: dict[str, Name] = {
    'psnr': Name('PSNR', 'PSNR', 'PSNR', 2, ' dB'),
    'ssim': Name('SSIM', 'SSIM', 'SSIM', 4),
    'de00_mean': Name('ΔE2000 mean', 'colour error', 'the mean colour error (CIEDE2000)', 2),
    'de00_p95': Name(
        'ΔE2000 p95', 'worst colour errors', 'the colour error of the worst 5 % of the pixels (CIEDE2000)', 2
    ),
    'sat_ratio_60': Name(
        'saturation × (saturated)', 'saturation', 'saturation of saturated areas, 1 as in the target', 3, '', COLORS
    ),
    'hue_shift_60': Name('hue shift (saturated)', 'hue shift', 'hue shift of saturated areas', 2, '°', COLORS),
    'collapsed_60': Name(
        'turned grey (saturated)',
        'area turned grey',
        'share of saturated areas that came out grey',
        1,
        ' %',
        COLORS,
        True,
    ),
}


def name_of(metric: str) -> Name:
    """Return how a metric is spoken of; others than those in `HEAD` by their column."""
    return HEAD.get(metric) or Name(metric, metric, metric, 4)


def titled(metric: str) -> str:
    """Return the label with its unit."""
    name = name_of(metric)
    return f'{name.label}, {name.unit.strip()}' if name.unit else name.label


def scale_of(metric: str) -> int:
    """Return what values are multiplied by where they are shown: 100 for per cent."""
    return 100 if name_of(metric).is_share else 1


def number(metric: str, value: float, sign: bool = False) -> str:
    """Return a value as text, without unit; a dash for none."""
    if not math.isfinite(value):
        return '–'
    name = name_of(metric)
    shown = round(scale_of(metric) * value, name.digits) + 0.0
    return f'{shown:{"+" if sign else ""}.{name.digits}f}'.replace('-', '−')


def quantity(metric: str, value: float, sign: bool = False) -> str:
    """Return a value with its unit."""
    return number(metric, value, sign) + (name_of(metric).unit if math.isfinite(value) else '')


def senses(options: Iterable[Mapping[str, Any]], metrics: Iterable[str]) -> dict[str, Better | None]:
    """Return which value of each metric is the better one; None for what says nothing, or is not known here.

    Args:
        options: complete options of the runs: their `val.metrics` come first.
    """
    known: dict[str, Better | None] = {}
    for run in options:
        for label, metric in ((run.get('val') or {}).get('metrics') or {}).items():
            if label not in known:
                known[label] = _sense(label, metric)
    return {metric: known.get(metric, BETTER.get(metric)) for metric in metrics}


def _sense(label: str, metric: Mapping[str, Any]) -> Better | None:
    """Return the sense of an entry of `val.metrics`; None if it belongs to a package that is not imported here."""
    try:
        return Scorer({'metrics': {label: metric}}, 'cpu').better[label]
    except UserError:
        return None
