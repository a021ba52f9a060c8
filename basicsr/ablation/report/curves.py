"""Curves of all variants overlaid, a small chart for each term and each metric: means over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from basicsr.ablation.report.metric_names import scale_of, titled
from basicsr.ablation.report.plots import BAND, PALETTE, figure_tag, style
from basicsr.ablation.report.results import SetResults
from basicsr.ablation.run_data import RunData
from basicsr.ablation.run_set import RunSet
from basicsr.utils.misc import import_pyplot

# Of a curve with more points, means of neighbours are shown.
_MOST_POINTS = 120
_BAND_COLOR = '#c9c9c2'
Curve = dict[int, float]


def term_curves(runs: RunSet) -> str:
    """Return the curve of every term before its weight, so that variants with other weights can be compared."""
    raw = sorted_keys(runs, 'losses_raw/')
    if raw:
        return curve_plot(runs, {key: key.split('/', 1)[1] for key in raw}, 'terms, before their weights')
    return curve_plot(runs, {key: key[2:] for key in sorted_keys(runs, 'l_')}, 'terms')


def share_curves(runs: RunSet) -> str:
    """Return the share of the gradient that each term had; '' if it was not logged."""
    return curve_plot(runs, {key: key.split('/', 1)[1] for key in sorted_keys(runs, 'grad_share/')}, 'gradient shares')


def score_curves(runs: RunSet, part: SetResults) -> str:
    """Return how the scores of a set went from validation to validation."""
    titles = {metric: titled(metric) for metric in part.head}
    return curve_plot(runs, titles, f'scores of {part.dataset}', part.dataset)


def sorted_keys(runs: RunSet, prefix: str) -> list[str]:
    """Return the keys of the curves that begin so, in the order in which they are logged."""
    keys = (key for run in runs.runs for event in run.events if 'val' not in event for key in event)
    return list(dict.fromkeys(key for key in keys if key.startswith(prefix)))


def curve_plot(runs: RunSet, titles: Mapping[str, str], what: str, dataset: str | None = None) -> str:
    """Return a chart for each key, a line for each variant; '' without any curve.

    Args:
        titles: key in the events -> title of its chart.
        dataset: a set, for its scores; None for what is logged while training.
    """
    found = {key: {v: _of_seeds(runs.of(v).values(), key, dataset) for v in runs.variants} for key in titles}
    found = {
        key: curves for key, curves in found.items() if any(any(c) for of_seeds in curves.values() for c in of_seeds)
    }
    if not found:
        return ''
    pyplot = import_pyplot()
    columns = min(4, len(found))
    rows = math.ceil(len(found) / columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(3.35 * columns, 2.35 * rows + 0.45), squeeze=False)
    for axis, (key, curves) in zip(axes.flat, found.items()):
        factor = scale_of(key) if dataset else 1
        _draw(axis, curves, runs.baseline, factor)
        axis.set_title(titles[key], fontsize=9.5)
        style(axis)
        axis.tick_params(labelsize=7)
        axis.locator_params(nbins=5)
    for axis in axes.flat[len(found) :]:
        axis.axis('off')
    handles = [pyplot.Line2D([], [], color=_color(n), label=name) for n, name in enumerate(runs.variants)]
    if len(runs.of(runs.baseline)) > 1:
        handles.append(pyplot.Rectangle((0, 0), 1, 1, color=_BAND_COLOR, label=f'noise of {runs.baseline}'))
    figure.tight_layout(rect=(0, 0.4 / (2.35 * rows + 0.45), 1, 1))
    figure.legend(handles=handles, loc='lower center', ncols=min(7, len(handles)), fontsize=9, frameon=False)
    return figure_tag(figure, what)


def _color(number: int) -> str:
    return PALETTE[number % len(PALETTE)]


def _of_seeds(runs: Iterable[RunData], key: str, dataset: str | None) -> list[Curve]:
    """Return iteration -> value of each run; the later of two events at one iteration counts."""
    return [
        {e['iter']: e[key] for e in run.events if e.get('val') == dataset and isinstance(e.get(key), int | float)}
        for run in runs
    ]


def _draw(axis, curves: Mapping[str, Sequence[Curve]], baseline: str, factor: float) -> None:
    """Draw a line for each variant, over the iterations that all of its seeds have."""
    for number, (variant, of_seeds) in enumerate(curves.items()):
        having = [curve for curve in of_seeds if curve]
        if not having:
            continue
        iterations = sorted(set.intersection(*(set(curve) for curve in having)))
        if not iterations:
            continue
        values = factor * np.array([[curve[i] for i in iterations] for curve in having], np.float64)
        places, values = _thinned(np.array(iterations, np.float64), values)
        mean = values.mean(0)
        if variant == baseline and len(having) > 1:
            noise = BAND * values.std(0, ddof=1)
            axis.fill_between(places, mean - noise, mean + noise, color=_BAND_COLOR, linewidth=0)
        marker = 'o' if len(places) < 15 else None
        axis.plot(places, mean, color=_color(number), linewidth=1.3, marker=marker, markersize=2.5)


def _thinned(iterations: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means of neighbouring points, few enough for a small chart."""
    step = math.ceil(len(iterations) / _MOST_POINTS)
    starts = np.arange(0, len(iterations), step)
    sizes = np.diff([*starts, len(iterations)])
    return np.add.reduceat(iterations, starts) / sizes, np.add.reduceat(values, starts, axis=1) / sizes
