"""The window of SSIM, and its constants, for losses and metrics alike."""

import math

from torch import Tensor

# Wang, Bovik, Sheikh, Simoncelli (2004), sections III.B and III.C: C = (K L)^2 with K1 = 0.01, K2 = 0.03, here for
# values in [0, 1] (L = 1), and a Gaussian window of 11 x 11 with sigma 1.5.
C1, C2 = 0.01**2, 0.03**2
WINDOW, SIGMA = 11, 1.5
_BELL = [math.exp(-((tap - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for tap in range(WINDOW)]
TAPS = [value / sum(_BELL) for value in _BELL]


def blur_by_shifts(x: Tensor) -> Tensor:
    """Gaussian window where it fits, (..., H, W) -> (..., H - 10, W - 10), in shifts and sums.

    A convolution would be rounded by TF32, and by autocast.
    """
    for dim in (-2, -1):
        size = x.shape[dim] - WINDOW + 1
        blurred = x.narrow(dim, 0, size) * TAPS[0]
        for tap in range(1, WINDOW):
            blurred.add_(x.narrow(dim, tap, size), alpha=TAPS[tap])
        x = blurred
    return x
