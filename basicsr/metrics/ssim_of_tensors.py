"""SSIM of float images, on their device: the number of `calculate_ssim`, without rounding to 8 bits first.

The products of two images are taken from their sum s = x + y and difference d = x - y: with V for a variance in the
window and M for a mean, Wang et al. (2004), equation 13, is

    SSIM = (1 - 2 M[d]^2 / (M[s]^2 + M[d]^2 + 2 C1)) (1 - 2 V[d] / (V[s] + V[d] + 2 C2)).

That is four blurred images in place of five; and where both images are nearly equal, what is subtracted from 1 is
small, so float32 has digits enough.
"""

import math

import numpy as np
import torch
from torch import Tensor

from basicsr.utils.misc import import_cv2
from basicsr.utils.ssim_window import C1, C2, TAPS, WINDOW, blur_by_shifts

# Pixels at a time, so that what lies between two steps stays in a processor's cache, and is small on a GPU.
_STRIP = {'cpu': 2**17}
_STRIP_OF_GPU = 2**23


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of two float images, (C, H, W) -> scalar; NaN where the window of 11 pixels does not fit.

    Values are clamped to [0, 1], as a screen or a file does.
    """
    channels, height, width = x.shape
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    if min(rows, columns) < 1:
        return x.new_full((), math.nan)
    step = max(WINDOW, _STRIP.get(x.device.type, _STRIP_OF_GPU) // width)
    parts = [
        _dissimilarity(x[channel, top : top + step + WINDOW - 1], y[channel, top : top + step + WINDOW - 1])
        for channel in range(channels)
        for top in range(0, rows, step)
    ]
    # Apple's GPUs have no float64.
    total = torch.stack(parts).to(torch.float32 if x.device.type == 'mps' else torch.float64).sum()
    return 1 - total / (channels * rows * columns)


def _dissimilarity(x: Tensor, y: Tensor) -> Tensor:
    """Sum of 1 - SSIM over the places where the window fits, (H, W) -> scalar."""
    x, y = x.clamp(0, 1), y.clamp(0, 1)
    # Variances do not depend on the origin; around 0 they lose fewer digits in M[s^2] - M[s]^2.
    total, difference = (x + y).sub_(1), x - y
    mean, shift = _blur(total), _blur(difference)
    squared_shift = shift * shift
    spread = _blur(total.square_()).addcmul_(mean, mean, value=-1)
    noise = _blur(difference.square_()).sub_(squared_shift)

    mean = mean + 1
    light = squared_shift.mul(2).div_(squared_shift.addcmul_(mean, mean).add_(2 * C1))
    contrast = noise.mul(2).div_(spread.add_(noise).add_(2 * C2))
    return (light + contrast).addcmul_(light, contrast, value=-1).sum()


def _blur(x: Tensor) -> Tensor:
    """Gaussian window where it fits: (H, W) -> (H - 10, W - 10); OpenCV is faster on a CPU."""
    if x.device.type == 'cpu':
        half, taps = WINDOW // 2, np.array(TAPS)
        return torch.from_numpy(import_cv2().sepFilter2D(x.numpy(), -1, taps, taps)[half:-half, half:-half])
    return blur_by_shifts(x)
