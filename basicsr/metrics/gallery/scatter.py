"""The a*-b* plane: where the colours of a target lie, and where those of the output came to lie."""

import numpy as np
import torch

from basicsr.color import lab_to_rgb, rgb_to_lab
from basicsr.metrics.gallery.maps import as_tensor
from basicsr.utils.caption import BRIGHT, DIM, font
from basicsr.utils.img_util import tensor2img
from basicsr.utils.misc import import_cv2

NUM_POINTS = 2000
# Chroma at the edge of the plane. It follows from the target alone: all outputs for it are drawn to one scale.
_REACHES = (30, 45, 60, 90, 135)
_SHARE_INSIDE = 0.995
_PLANE, _LINE, _RING = (24, 24, 24), (70, 70, 70), (150, 150, 150)
# OpenCV takes positions in units of 1/16 pixel.
_SHIFT = 4
_EDGE = 16


def ab_scatter(result: np.ndarray, target: np.ndarray, side: int) -> np.ndarray:
    """Return a square plot, (side, side, 3): rings are pixels of the target, dots the same pixels of the output.

    A dot has the hue and chroma of its place, at L* 65. What lies outside the plane is drawn at its edge.

    Args:
        result, target: (H, W, 3) uint8, RGB, of one size.
    """
    step = max(1, round((target.shape[0] * target.shape[1] / NUM_POINTS) ** 0.5))
    outputs, targets = (_ab(img[step // 2 :: step, step // 2 :: step]) for img in (result, target))
    reach = _reach(targets)
    canvas = _plane(side, reach)
    _draw(canvas, targets, reach, filled=False)
    _draw(canvas, outputs, reach, filled=True)  # last, for there may be few places left that have colour
    return _label(canvas, reach)


def _ab(img: np.ndarray) -> np.ndarray:
    """a*, b* of all pixels, (N, 2)."""
    return rgb_to_lab(as_tensor(np.ascontiguousarray(img)))[1:].flatten(1).T.numpy()


def _reach(targets: np.ndarray) -> float:
    furthest = float(np.quantile(np.abs(targets).max(1), _SHARE_INSIDE)) * 1.05
    return next((reach for reach in _REACHES if reach >= furthest), _REACHES[-1])


def _places(ab: np.ndarray, side: int, reach: float) -> np.ndarray:
    """a*, b* -> x, y of a plot whose middle is neutral, (N, 2)."""
    half = (side - 1) / 2
    inside = ab.clip(-reach, reach) / reach
    return half + inside * (half - _EDGE) * (1, -1)


def _plane(side: int, reach: float) -> np.ndarray:
    """The plane with its axes, and a circle for every third of the chroma."""
    cv2 = import_cv2()
    canvas = np.full((side, side, 3), _PLANE, np.uint8)
    middle, half = (side - 1) // 2, (side - 1) / 2 - _EDGE
    for third in (1, 2, 3):
        cv2.circle(canvas, (middle, middle), round(half * third / 3), _LINE, 1, cv2.LINE_AA)
    cv2.line(canvas, (middle, _EDGE), (middle, side - _EDGE), _LINE, 1)
    cv2.line(canvas, (_EDGE, middle), (side - _EDGE, middle), _LINE, 1)
    return canvas


def _draw(canvas: np.ndarray, ab: np.ndarray, reach: float, filled: bool) -> None:
    cv2 = import_cv2()
    unit = 2**_SHIFT
    places = (_places(ab, len(canvas), reach) * unit).round().astype(int).tolist()
    colors = _colors(ab).tolist() if filled else [_RING] * len(places)
    radius, thickness = (int(2.2 * unit), -1) if filled else (3 * unit, 1)
    for place, color in zip(places, colors):
        cv2.circle(canvas, place, radius, color, thickness, cv2.LINE_AA, _SHIFT)


def _colors(ab: np.ndarray) -> np.ndarray:
    """RGB of these hues and chromas at L* 65, (N, 3) uint8."""
    lab = torch.cat([torch.full((1, len(ab)), 65.0), torch.from_numpy(ab).T])
    return tensor2img([lab_to_rgb(lab[:, None])], rgb2bgr=False)[0]


def _label(canvas: np.ndarray, reach: float) -> np.ndarray:
    """Name the axes, and the chroma of the outer circle."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(canvas)
    pen, side, small = ImageDraw.Draw(image), len(canvas), font(13)
    pen.text((side - 4, side / 2 - 2), '+a*', BRIGHT, small, anchor='rs')
    pen.text((side / 2 + 4, 3), '+b*', BRIGHT, small, anchor='lt')
    diagonal = side / 2 + (side / 2 - _EDGE) * 0.5**0.5
    pen.text((diagonal, diagonal), f'C* {reach:g}', DIM, small, anchor='lt')
    return np.asarray(image)
