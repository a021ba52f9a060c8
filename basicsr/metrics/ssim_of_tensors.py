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

# Wang, Bovik, Sheikh, Simoncelli 2004, section III-C: window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03.
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_BELL = [math.exp(-((tap - _WINDOW // 2) ** 2) / (2 * _SIGMA**2)) for tap in range(_WINDOW)]
_TAPS = [value / sum(_BELL) for value in _BELL]

# Pixels at a time, so that what lies between two steps stays in a processor's cache, and is small on a GPU.
_STRIP = {'cpu': 2**17}
_STRIP_OF_GPU = 2**23


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of two float images, (C, H, W) -> scalar; NaN where the window of 11 pixels does not fit.

    Values are clamped to [0, 1], as a screen or a file does.
    """
    channels, height, width = x.shape
    rows, columns = height - _WINDOW + 1, width - _WINDOW + 1
    if min(rows, columns) < 1:
        return x.new_full((), math.nan)
    step = max(_WINDOW, _STRIP.get(x.device.type, _STRIP_OF_GPU) // width)
    parts = [
        _dissimilarity(x[channel, top : top + step + _WINDOW - 1], y[channel, top : top + step + _WINDOW - 1])
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
    light = squared_shift.mul(2).div_(squared_shift.addcmul_(mean, mean).add_(2 * _C1))
    contrast = noise.mul(2).div_(spread.add_(noise).add_(2 * _C2))
    return (light + contrast).addcmul_(light, contrast, value=-1).sum()


def _blur(x: Tensor) -> Tensor:
    """Gaussian window where it fits: (H, W) -> (H - 10, W - 10)."""
    if x.device.type == 'cpu':
        half, taps = _WINDOW // 2, np.array(_TAPS)
        return torch.from_numpy(import_cv2().sepFilter2D(x.numpy(), -1, taps, taps)[half:-half, half:-half])
    return _blur_by_shifts(x)


def _blur_by_shifts(x: Tensor) -> Tensor:
    """The same in shifts and sums: a GPU would round a convolution to TF32."""
    for dim in (-2, -1):
        size = x.shape[dim] - _WINDOW + 1
        blurred = x.narrow(dim, 0, size) * _TAPS[0]
        for tap in range(1, _WINDOW):
            blurred.add_(x.narrow(dim, tap, size), alpha=_TAPS[tap])
        x = blurred
    return x
