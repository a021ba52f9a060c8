"""Maps of what became of the colours, each with the legend of its scale. Pictures are (H, W, 3) uint8, RGB."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from basicsr.color import delta_e_2000, lab_to_rgb, luma, rgb_to_lab, saturation
from basicsr.color.hsv import DARKEST_SATURATED
from basicsr.metrics.color_fidelity import LEVELS
from basicsr.utils.img_util import img2tensor, tensor2img, to_float
from basicsr.utils.misc import import_cv2

# CIEDE2000 of the brightest colour: the scale is the same in all pictures, so that they can be compared.
DELTA_E_SCALE = 20.0
# Ratio of saturations of the last colour; a colour that came out grey has 0, one that was kept has 1.
RATIO_SCALE = 2.0
# L*a*b* of the colours of the ratios 0, 1 and 2. Between them they are mixed in L*a*b*: even steps look even.
_RATIO_COLORS = ((46.0, 70.0, 52.0), (97.0, 0.0, 0.0), (42.0, 12.0, -55.0))
# Where the target has no colour to lose the map shows it in shades of dark grey, R = G = B in this range.
_NEUTRAL = (32, 104)


@dataclass(frozen=True)
class Legend:
    """A colour scale.

    Attributes:
        colors: (256, 3) uint8, RGB, from one end of the scale to the other.
        ticks: position in [0, 1], text.
    """

    colors: np.ndarray
    ticks: tuple[tuple[float, str], ...]


def as_tensor(img: np.ndarray) -> torch.Tensor:
    """Return a picture as (3, H, W) float32 in [0, 1]."""
    return img2tensor(to_float(img), bgr2rgb=False)


def delta_e_map(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 of every pixel in the colours of `delta_e_legend`."""
    difference = delta_e_2000(*(rgb_to_lab(as_tensor(img)) for img in (result, target)))
    return delta_e_legend().colors[_steps(difference / DELTA_E_SCALE)]


def saturation_map(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return HSV saturation of the result over that of the target, in the colours of `saturation_legend`.

    It covers the pixels that `sat_ratio_60` looks at: where the target has a saturation of at least 60 of 255, and is
    not nearly black. The others are dark grey.
    """
    result_rgb, target_rgb = as_tensor(result), as_tensor(target)
    wanted = saturation(target_rgb)
    is_saturated = (wanted >= LEVELS[0] / 255) & (target_rgb.amax(0) >= DARKEST_SATURATED)
    ratio = saturation(result_rgb) / wanted.clamp(min=LEVELS[0] / 255)
    colors = saturation_legend().colors[_steps(ratio / RATIO_SCALE)]

    low, high = _NEUTRAL
    grey = (low + (high - low) * luma(target_rgb)).round().to(torch.uint8).numpy()
    return np.where(is_saturated.numpy()[..., None], colors, grey[..., None])


@functools.cache
def delta_e_legend() -> Legend:
    """Return the scale of `delta_e_map`, perceptually uniform from black to light yellow."""
    cv2 = import_cv2()
    colors = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return Legend(np.ascontiguousarray(colors), _ticks((0, 5, 10, 15, 20), DELTA_E_SCALE))


@functools.cache
def saturation_legend() -> Legend:
    """Return the scale of `saturation_map`: red for lost, white for kept, blue for exaggerated."""
    lab = np.stack([np.interp(np.linspace(0, 2, 256), (0, 1, 2), column) for column in zip(*_RATIO_COLORS)])
    colors = tensor2img([lab_to_rgb(torch.from_numpy(lab[:, None]))], rgb2bgr=False)[0]
    return Legend(colors, _ticks((0, 0.5, 1, 1.5, 2), RATIO_SCALE))


def _steps(shares: torch.Tensor) -> np.ndarray:
    """Positions on a scale, 0 to 1 and what lies beyond, as indices into its colours."""
    return (shares * 255).clamp(0, 255).round().to(torch.uint8).numpy()


def _ticks(values: Sequence[float], scale: float) -> tuple[tuple[float, str], ...]:
    texts = [f'{value:g}' for value in values]
    texts[-1] += '+'
    return tuple((value / scale, text) for value, text in zip(values, texts))
