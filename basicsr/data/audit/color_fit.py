"""What a global correction of colour does for a pair, and what misalignment leaves for any network to get wrong."""

from dataclasses import dataclass

import numpy as np
import torch

from basicsr.color import delta_e_2000, linear_to_srgb, rgb_to_lab, srgb_to_linear
from basicsr.data.audit.alignment import Alignment
from basicsr.data.audit.pixels import resize, to_rgb
from basicsr.utils.misc import import_cv2
from basicsr.utils.thumbnail import reduce

# The fit is made on copies of this size: averages of many pixels have little noise, and few are torn by a shift.
_FIT_SIDE = 200
# Linear light outside these is clipped, or noise.
_DARKEST, _BRIGHTEST = 0.0008, 0.96
_MIN_SAMPLES = 200
_GAMMAS = (0.1, 10.0)
# Scale of the residuals, in natural logarithms, beyond which a pixel counts less: Huber's weights.
_HUBER = 0.1

_WINDOW = 56
_NUM_WINDOWS = 4
_MIDDLE_GREY = 0.18


@dataclass(frozen=True)
class ColorFit:
    """target = gain * input ^ gamma in linear light, for each of R, G, B.

    Attributes:
        gains, gammas: of R, G, B.
        before, after: mean CIEDE2000 between input and target, as they are and after the correction.
    """

    gains: tuple[float, float, float]
    gammas: tuple[float, float, float]
    before: float
    after: float

    @property
    def stops(self) -> float:
        """How much brighter the correction makes a middle grey (18 % of light), in stops, mean of R, G, B."""
        return float(np.mean(np.log2(self._grey()))) - float(np.log2(_MIDDLE_GREY))

    @property
    def white_balance(self) -> tuple[float, float]:
        """R / G and B / G of a middle grey after the correction."""
        red, green, blue = self._grey()
        return float(red / green), float(blue / green)

    @property
    def gamma(self) -> float:
        """Mean of the three."""
        return float(np.mean(self.gammas))

    def _grey(self) -> np.ndarray:
        return np.array(self.gains) * _MIDDLE_GREY ** np.array(self.gammas)


def fit_color(lq: np.ndarray, gt: np.ndarray) -> tuple[ColorFit | None, np.ndarray]:
    """Fit the global correction that makes the input the target.

    Args:
        lq, gt: (H, W, 3) BGR integers of one scene.

    Returns:
        The fit, None where too few pixels are neither black nor clipped; and a map of the CIEDE2000 that it leaves
        (without a fit: of the difference as it is), (h, w) with the longer side 200.
    """
    gt = reduce(gt, _FIT_SIDE)
    rgb_lq, rgb_gt = to_rgb(resize(lq, gt.shape[1::-1])), to_rgb(gt)
    lab_gt = rgb_to_lab(rgb_gt)
    difference = delta_e_2000(rgb_to_lab(rgb_lq), lab_gt)
    light_lq, light_gt = srgb_to_linear(rgb_lq), srgb_to_linear(rgb_gt)
    curves = [_fit_channel(x.numpy().ravel(), y.numpy().ravel()) for x, y in zip(light_lq, light_gt)]
    if None in curves:
        return None, difference.numpy()

    gains, gammas = zip(*curves)
    corrected = torch.stack([g * x.clamp(min=0) ** p for g, p, x in zip(gains, gammas, light_lq)]).clamp(0, 1)
    left = delta_e_2000(rgb_to_lab(linear_to_srgb(corrected)), lab_gt)
    return ColorFit(gains, gammas, float(difference.mean()), float(left.mean())), left.numpy()


def _fit_channel(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Gain and gamma of one channel: a line through the logarithms, least squares with Huber's weights."""
    inside = (x > _DARKEST) & (x < _BRIGHTEST) & (y > _DARKEST) & (y < _BRIGHTEST)
    if inside.sum() < _MIN_SAMPLES:
        return None
    log_x, log_y = np.log(x[inside]), np.log(y[inside])
    # The logarithm exaggerates the shadows; the root of the light gives pixels about the weight that eyes give them.
    base = np.sqrt(y[inside])
    weights, gain, gamma = base, 0.0, 1.0
    for _ in range(12):
        mean_x, mean_y = np.average(log_x, weights=weights), np.average(log_y, weights=weights)
        variance = np.average((log_x - mean_x) ** 2, weights=weights)
        # A picture of one brightness tells the gain alone.
        slope = np.average((log_x - mean_x) * (log_y - mean_y), weights=weights) / variance if variance > 1e-3 else 1.0
        gamma = float(np.clip(slope, *_GAMMAS))
        gain = float(mean_y - gamma * mean_x)
        residual = np.abs(log_y - gain - gamma * log_x)
        weights = base * np.minimum(1, _HUBER / np.maximum(residual, 1e-9))
    return float(np.exp(gain)), gamma


def noise_floor(gt: np.ndarray, alignment: Alignment) -> float:
    """Return the mean CIEDE2000 between the target and itself, displaced as the input is.

    A network that made a perfect target out of the input would leave the input's geometry alone, and so be judged this
    far off. Measured on windows at full resolution, spread evenly.

    Args:
        gt: (H, W, 3) BGR integers.
    """
    cv2 = import_cv2()
    height, width = gt.shape[:2]
    side = min(_WINDOW, height, width)
    motion = alignment.matrix()
    lefts, tops = (np.linspace(0, length - side, _NUM_WINDOWS).round() for length in (width, height))
    still, moved = [], []
    for top in tops.astype(int):
        for left in lefts.astype(int):
            still.append(gt[top : top + side, left : left + side])
            # Window -> target -> where the input has that content.
            to_input = np.hstack([motion[:, :2], motion @ np.array([[left], [top], [1.0]])])
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            moved.append(cv2.warpAffine(gt, to_input, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101))
    pictures = (rgb_to_lab(to_rgb(np.concatenate(windows, 1))) for windows in (still, moved))
    return float(delta_e_2000(*pictures).mean())
