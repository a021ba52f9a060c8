"""Terms on the spectrum and on the wavelet coefficients of the difference of both images.

Fourier and Haar transforms are linear, so one transform of the difference does; and orthonormal, so the scale does not
depend on the size of the patches.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.gradient_loss import check_size
from basicsr.losses.loss_util import Reduction, check_same_shape, reduce_loss
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY


@LOSS_REGISTRY.register()
class FFTLoss(ImageLoss):
    """Mean amplitude of the spectrum of p - t, by the orthonormal Fourier transform.

    Of the order of the standard deviation of the difference.
    Size: 0.07 of the gradient of L1Loss; `loss_weight: 3.5` gives a quarter of it.
    Use it for texture and periodic patterns (a mosaic's grid, moire), which stand out in a spectrum. Not for local
    errors: a spectrum does not know places. A weight of 0.1 on an unnormalised transform, as in other code, is about
    0.1 sqrt(H W) here.

    Args:
        reduction: over images and channels.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images (N, C, H, W) -> scalar, or (N, C) with reduction `none`."""
        check_same_shape('FFTLoss', pred, target)
        amplitude = _spectrum(pred - target).abs()
        return self.loss_weight * reduce_loss(_mean_of_spectrum(amplitude, pred.shape[-1]), self.reduction)


@LOSS_REGISTRY.register()
class FocalFrequencyLoss(ImageLoss):
    """Mean squared amplitude of the spectrum of p - t, each frequency weighted by its share of the largest error.

    The weight is (amplitude / largest amplitude of that channel)^alpha, without gradient. In [0, 1].
    Size: 0.1 to 0.3 of the gradient of L1Loss, falling with the error; `loss_weight: 1` gives about a quarter of it.
    Use it when a few frequencies stay wrong, such as a grid. Not late in a run beside L1: it is quadratic and fades.
    Source: L. Jiang, B. Dai, W. Wu, C. C. Loy, "Focal frequency loss for image reconstruction and synthesis" (2021),
    equation 8.

    Args:
        alpha: how much the weight concentrates on the largest errors; with 0 this is MSELoss.
        reduction: over images and channels.
    """

    def __init__(self, loss_weight: float = 1.0, alpha: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)
        if alpha < 0:
            raise OptionError(f'FocalFrequencyLoss: alpha {alpha} is below 0, which would favour the small errors')
        self.alpha = alpha

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images (N, C, H, W) -> scalar, or (N, C) with reduction `none`."""
        check_same_shape('FocalFrequencyLoss', pred, target)
        power = torch.view_as_real(_spectrum(pred - target)).square().sum(-1)
        with torch.no_grad():
            largest = power.amax((-2, -1), keepdim=True).clamp(min=torch.finfo(power.dtype).tiny)
            focus = (power / largest).pow(self.alpha / 2)
        return self.loss_weight * reduce_loss(_mean_of_spectrum(focus * power, pred.shape[-1]), self.reduction)


@LOSS_REGISTRY.register()
class WaveletLoss(ImageLoss):
    """L1 on the Haar wavelet coefficients of p - t: mean over the details of all levels and what is left, in [0, 2].

    Size: 0.3 of the gradient of L1Loss; `loss_weight: 0.86` gives a quarter of it.
    Use it for detail at several sizes at once; unlike a spectrum it knows places. Errors of large areas weigh less than
    in L1Loss, by 2 to the power of `levels`: keep an anchor beside it.
    Source: S. Mallat, "A theory for multiresolution signal decomposition: the wavelet representation", IEEE
    Transactions on Pattern Analysis and Machine Intelligence 11 (1989).

    Args:
        levels: how often the image is halved; sides are at least 2 to this power. Odd ones repeat their last pixel.
        reduction: over images and channels.
    """

    def __init__(self, loss_weight: float = 1.0, levels: int = 3, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)
        if levels < 1:
            raise OptionError(f'WaveletLoss: levels {levels} is not at least 1')
        self.levels = levels

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images (N, C, H, W) -> scalar, or (N, C) with reduction `none`."""
        check_same_shape('WaveletLoss', pred, target)
        check_size('WaveletLoss', pred, 2**self.levels)
        coarse, total, count = pred - target, 0.0, 0
        for _ in range(self.levels):
            coarse, *details = _haar(coarse)
            total = total + sum(detail.abs().sum((-2, -1)) for detail in details)
            count += sum(detail[0, 0].numel() for detail in details)
        total, count = total + coarse.abs().sum((-2, -1)), count + coarse[0, 0].numel()
        return self.loss_weight * reduce_loss(total / count, self.reduction)


def _spectrum(x: Tensor) -> Tensor:
    """Left half of the orthonormal spectrum, (..., H, W // 2 + 1)."""
    # The CPU has no transform in half precision.
    return torch.fft.rfft2(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x, norm='ortho')


def _mean_of_spectrum(half: Tensor, width: int) -> Tensor:
    """Mean over the whole spectrum of what is equal at opposite frequencies, (N, C, H, W // 2 + 1) -> (N, C)."""
    # The columns in between stand for two; the first, and the last of an even width, are their own mirror images.
    columns = half.sum(-2)
    alone = columns[..., 0] if width % 2 else columns[..., 0] + columns[..., -1]
    return (2 * columns.sum(-1) - alone) / (half.shape[-2] * width)


def _haar(x: Tensor) -> list[Tensor]:
    """One level of the orthonormal Haar transform: the coarse and three detail parts, each (..., H / 2, W / 2)."""
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode='replicate')
    top, bottom = x[..., ::2, :], x[..., 1::2, :]
    rows = (top + bottom, top - bottom)
    parts = [(row[..., ::2], row[..., 1::2]) for row in rows]
    return [part for left, right in parts for part in ((left + right) / 2, (left - right) / 2)]
