"""One picture that tells what became of an image: input, output and target, the maps, and the a*-b* plane."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from basicsr.metrics.color_fidelity import LEVELS
from basicsr.metrics.gallery.maps import Legend, delta_e_legend, delta_e_map, saturation_legend, saturation_map
from basicsr.metrics.gallery.scatter import ab_scatter
from basicsr.utils.caption import BACKGROUND, BRIGHT, DIM, font, shortened
from basicsr.utils.misc import import_cv2

# Longer side of every picture in a strip, in pixels.
SIDE = 480
# Smaller pictures are enlarged to about this, their pixels kept square; the plane is never smaller.
_LEAST_SIDE, _LEAST_PLANE = 320, 240
_MARGIN, _GAP, _TITLE, _LEGEND, _HEAD = 14, 6, 23, 36, 56
_LARGE, _SMALL = 18, 14

# Metric, how a caption calls it.
_IN_CAPTION = (
    ('de00_mean', 'delta E 2000 mean {:.1f}'),
    ('de00_p95', 'p95 {:.1f}'),
    (f'sat_ratio_{LEVELS[0]}', 'saturation of saturated pixels x{:.2f}'),
    (f'hue_shift_{LEVELS[0]}', 'hue shift {:.1f}°'),
)


@dataclass(frozen=True)
class _Panel:
    """A picture in a strip; `key` is what its place is recorded under."""

    key: str
    title: str
    picture: np.ndarray
    legend: Legend | None = None


def describe(scores: Mapping[str, float], metric: str | None = None) -> str:
    """Return the scores of an image that a caption shows; `metric` is among them."""
    texts = [form.format(scores[name]) for name, form in _IN_CAPTION if math.isfinite(scores.get(name, math.nan))]
    if metric in scores and metric not in dict(_IN_CAPTION):
        texts.insert(0, f'{metric} {scores[metric]:.4g}')
    return ', '.join(texts)


def draw_strip(
    pictures: Mapping[str, np.ndarray], title: str, caption: str
) -> tuple[np.ndarray, dict[str, tuple[int, int, int, int]]]:
    """Return a strip, RGB, and where its panels are: key -> left, top, width, height.

    The keys are input, output, target, delta_e, saturation and ab; without a target there are input and output alone,
    and no input where there is none.

    Args:
        pictures: `result`, perhaps `lq` and `gt`, (H, W, 3) uint8, RGB.
        title: the image and iteration.
        caption: the line below.
    """
    from PIL import Image, ImageDraw

    size = _display_size(pictures['result'])
    rows = _rows(pictures, size)
    column = max(panel.picture.shape[1] for row in rows for panel in row)
    width = 2 * _MARGIN + max(map(len, rows)) * (column + _GAP) - _GAP
    heights = [_TITLE + max(len(p.picture) + (_LEGEND if p.legend else 0) for p in row) + _GAP for row in rows]
    sheet = Image.new('RGB', (width, _HEAD + sum(heights) + _MARGIN), BACKGROUND)
    pen, room = ImageDraw.Draw(sheet), width - 2 * _MARGIN
    pen.text((_MARGIN, 8), shortened(title, room, _LARGE), BRIGHT, font(_LARGE))
    pen.text((_MARGIN, 32), shortened(caption, room, _SMALL), DIM, font(_SMALL))

    boxes, top = {}, _HEAD
    for row, height in zip(rows, heights):
        for number, panel in enumerate(row):
            left = _MARGIN + number * (column + _GAP)
            pen.text((left, top + 3), shortened(panel.title, column, _SMALL), BRIGHT, font(_SMALL))
            sheet.paste(Image.fromarray(panel.picture), (left, top + _TITLE))
            boxes[panel.key] = (left, top + _TITLE, panel.picture.shape[1], len(panel.picture))
            if panel.legend:
                _draw_legend(sheet, pen, panel, left, top + _TITLE + len(panel.picture) + 5)
        top += height
    return np.asarray(sheet), boxes


def _rows(pictures: Mapping[str, np.ndarray], size: tuple[int, int]) -> list[list[_Panel]]:
    lq, result, gt = pictures.get('lq'), pictures['result'], pictures.get('gt')
    shown = [] if lq is None else [_Panel('input', 'input', _fit(lq, size))]
    shown.append(_Panel('output', 'output', _fit(result, size)))
    if gt is None:
        return [shown]
    shown.append(_Panel('target', 'target', _fit(gt, size)))
    ratio_title = 'saturation kept (grey: none to lose)'
    plane = ab_scatter(result, gt, min(max(*size, _LEAST_PLANE), max(size[1] + _LEGEND, _LEAST_PLANE)))
    measured = [
        _Panel('delta_e', 'delta E 2000', _fit(delta_e_map(result, gt), size), delta_e_legend()),
        _Panel('saturation', ratio_title, _fit(saturation_map(result, gt), size), saturation_legend()),
        _Panel('ab', 'a* b* plane: ring target, dot output', plane),
    ]
    return [shown, measured]


def _display_size(picture: np.ndarray) -> tuple[int, int]:
    """Return width and height of all pictures in a strip."""
    height, width = picture.shape[:2]
    factor = max(1, _LEAST_SIDE // max(height, width))
    return width * factor, height * factor


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a picture to a size; enlarged pixels stay squares, so that nothing is seen that is not there."""
    cv2 = import_cv2()
    if picture.shape[1::-1] == size:
        return picture
    shrinks = picture.shape[0] * picture.shape[1] > size[0] * size[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)


def _draw_legend(sheet, pen, panel: _Panel, left: int, top: int) -> None:
    """Draw the scale of a map below it, with its numbers."""
    from PIL import Image

    width = panel.picture.shape[1]
    colors = panel.legend.colors[np.linspace(0, 255, width).round().astype(int)]
    sheet.paste(Image.fromarray(np.repeat(colors[None], 8, 0)), (left, top))
    for place, text in panel.legend.ticks:
        anchor = 'lt' if place == 0 else 'rt' if place == 1 else 'mt'
        pen.text((left + place * (width - 1), top + 11), text, DIM, font(_SMALL), anchor=anchor)
