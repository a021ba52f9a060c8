"""Structural similarity as a loss: one fused function that computes the value and its gradient together.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE Transactions on Image Processing 13 (2004).
"""

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from basicsr.losses.loss_util import check_same_shape
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY

# Sections III.B and III.C, for values in [0, 1]: C = (K L)^2 with K1 = 0.01, K2 = 0.03, and an 11-tap Gaussian.
C1, C2 = 0.01**2, 0.03**2
TAPS, SIGMA = 11, 1.5

_BELL = [math.exp(-((tap - TAPS // 2) ** 2) / (2 * SIGMA**2)) for tap in range(TAPS)]
_WINDOW = [value / sum(_BELL) for value in _BELL]


@LOSS_REGISTRY.register()
class SSIMLoss(nn.Module):
    """1 - SSIM, mean over channels and images, in [0, 2]; at weight 1 its gradient is about 4 times that of L1Loss."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images in [0, 1], (N, C, H, W) with sides of at least 11 -> scalar."""
        check_same_shape('SSIMLoss', pred, target)
        height, width = pred.shape[-2:]
        if min(height, width) < TAPS:
            raise UserError(
                f'SSIMLoss: images of {height}x{width} pixels are smaller than its {TAPS}x{TAPS} window; '
                f'use patches of at least {TAPS}x{TAPS}, or remove this term'
            )
        return self.loss_weight * (1 - mean_ssim(pred, target))


def mean_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Mean SSIM of two (N, C, H, W) images in [0, 1]; in float32 even for half precision, as its variances need."""
    dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
    return _MeanSSIM.apply(pred.to(dtype), target.to(dtype))


class _MeanSSIM(torch.autograd.Function):
    """Elementwise operations and shifts only: a convolution would be rounded by TF32, and by autocast."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, y: Tensor) -> Tensor:
        # Variances do not depend on the origin; around 0 they lose fewer digits in E[x^2] - E[x]^2.
        x, y = x - 0.5, y - 0.5
        mean_x, mean_y = _blur(x), _blur(y)
        covariance = _blur(x * y) - mean_x * mean_y
        variances = _blur(x * x + y * y) - (mean_x * mean_x + mean_y * mean_y)
        light_x, light_y = mean_x + 0.5, mean_y + 0.5

        # Equation 13: SSIM = (a1 a2) / (b1 b2).
        a1, b1 = 2 * (light_x * light_y) + C1, light_x * light_x + light_y * light_y + C1
        a2, b2 = 2 * covariance + C2, variances + C2
        ssim = a1 * a2 / (b1 * b2)

        gradients = [None, None]
        if any(ctx.needs_input_grad):
            # Chain rule through the four blurred maps E[x], E[y], E[x^2 + y^2] and E[xy]; SSIM is symmetric in x and y.
            by_product, by_squares = 2 * a1 / (b1 * b2), -ssim / b2
            from_product, from_squares = _blur_adjoint(by_product, x.shape), _blur_adjoint(by_squares, x.shape)
            for i, (u, v, mean_u, mean_v) in enumerate(((x, y, mean_x, mean_y), (y, x, mean_y, mean_x))):
                if ctx.needs_input_grad[i]:
                    by_light = 2 * ((mean_v + 0.5) * a2 / b2 - (mean_u + 0.5) * ssim) / b1
                    by_mean = by_light - by_product * mean_v - 2 * by_squares * mean_u
                    gradient = _blur_adjoint(by_mean, x.shape) + 2 * u * from_squares + v * from_product
                    gradients[i] = gradient / ssim.numel()
        ctx.save_for_backward(*gradients)
        return ssim.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return tuple(None if gradient is None else gradient * grad_output for gradient in ctx.saved_tensors)


def _blur(x: Tensor) -> Tensor:
    """Gaussian window where it fits: (..., H, W) -> (..., H - 10, W - 10)."""
    for dim in (-2, -1):
        size = x.shape[dim] - TAPS + 1
        blurred = x.narrow(dim, 0, size) * _WINDOW[0]
        for tap in range(1, TAPS):
            blurred.add_(x.narrow(dim, tap, size), alpha=_WINDOW[tap])
        x = blurred
    return x


def _blur_adjoint(x: Tensor, shape: torch.Size) -> Tensor:
    """Transpose of `_blur`: (..., H - 10, W - 10) -> `shape`, (..., H, W)."""
    for dim in (-1, -2):
        size = list(x.shape)
        size[dim] = shape[dim]
        spread = x.new_zeros(size)
        for tap in range(TAPS):
            spread.narrow(dim, tap, x.shape[dim]).add_(x, alpha=_WINDOW[tap])
        x = spread
    return x
