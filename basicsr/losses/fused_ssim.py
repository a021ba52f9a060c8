"""SSIM and MS-SSIM, fused: one function computes the value and its gradient together.

Elementwise operations and shifts only: a convolution would be rounded by TF32, and by autocast.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from basicsr.utils.ssim_window import C1, C2, WINDOW, blur_by_shifts

# Wang, Simoncelli, Bovik (2003), section 3.2: exponents of the five scales, finest first.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

# Below this a scale's similarity turns into an exponential tail, which stays positive: it may be negative, and a power
# of a negative number is not a number.
_FLOOR = 0.1

# Pixels that the CPU treats at a time, so that its temporaries stay in the cache; a GPU takes all at once.
_CHUNK = 2**19


def mean_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Mean SSIM of two (N, C, H, W) images in [0, 1]."""
    return ssim_per_channel(pred, target).mean()


def ssim_per_channel(pred: Tensor, target: Tensor) -> Tensor:
    """Mean SSIM, (N, C, H, W) in [0, 1] -> (N, C); in float32 even for half precision, as its variances need."""
    return _Similarity.apply(*_at_least_float32(pred, target), True)


def ms_ssim_per_channel(pred: Tensor, target: Tensor, num_scales: int = 5) -> Tensor:
    """MS-SSIM, (N, C, H, W) in [0, 1] -> (N, C); in float32 even for half precision."""
    pred, target = _at_least_float32(pred, target)
    # The published exponents add up to 1.0001; fewer are scaled to that sum.
    scale_up = sum(SCALE_WEIGHTS) / sum(SCALE_WEIGHTS[:num_scales])
    exponents = [weight * scale_up for weight in SCALE_WEIGHTS[:num_scales]]
    product = 1.0
    for scale, exponent in enumerate(exponents):
        is_coarsest = scale == num_scales - 1
        similarity = _Similarity.apply(pred, target, is_coarsest)
        product = product * _keep_positive(similarity).pow(exponent)
        if not is_coarsest:
            pred, target = _halve(pred), _halve(target)
    return product


def num_scales_of(height: int, width: int) -> int:
    """Number of scales of which the coarsest still holds a window."""
    fitting = [n for n in range(1, len(SCALE_WEIGHTS) + 1) if min(height, width) > (WINDOW - 1) * 2 ** (n - 1)]
    return fitting[-1]


def _halve(x: Tensor) -> Tensor:
    # Odd sides get a row or column of zeros at both ends, as in pytorch-msssim, whose values people compare with.
    return F.avg_pool2d(x, 2, padding=(x.shape[-2] % 2, x.shape[-1] % 2))


def _keep_positive(x: Tensor) -> Tensor:
    tail = _FLOOR * (x.clamp(max=_FLOOR) / _FLOOR - 1).exp()
    return torch.where(x >= _FLOOR, x, tail)


def _at_least_float32(*images: Tensor) -> list[Tensor]:
    dtype = torch.float32
    for image in images:
        dtype = torch.promote_types(dtype, image.dtype)
    return [image.to(dtype) for image in images]


class _Similarity(torch.autograd.Function):
    """Mean of SSIM, or of its contrast and structure part alone, of every plane: (N, C, H, W) -> (N, C)."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, y: Tensor, with_luminance: bool) -> Tensor:
        # Variances do not depend on the origin; around 0 they lose fewer digits in E[x^2] - E[x]^2.
        num_planes = x.shape[0] * x.shape[1]
        planes = [image.reshape(num_planes, *image.shape[2:]) for image in (x, y)]
        gradients = [torch.empty_like(plane) if need else None for plane, need in zip(planes, ctx.needs_input_grad)]
        values = x.new_empty(num_planes)
        step = max(1, _CHUNK // planes[0][0].numel()) if x.device.type == 'cpu' else num_planes
        for start in range(0, num_planes, step):
            part = slice(start, start + step)
            values[part], found = _similarity(*(p[part] - 0.5 for p in planes), with_luminance, ctx.needs_input_grad)
            for whole, gradient in zip(gradients, found):
                if whole is not None:
                    whole[part] = gradient
        ctx.save_for_backward(*(None if gradient is None else gradient.view(x.shape) for gradient in gradients))
        return values.view(x.shape[:2])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        by_plane = grad_output[:, :, None, None]
        return *(None if gradient is None else gradient * by_plane for gradient in ctx.saved_tensors), None


def _similarity(
    x: Tensor, y: Tensor, with_luminance: bool, needs_gradient: tuple[bool, ...]
) -> tuple[Tensor, list[Tensor | None]]:
    """Planes minus 0.5, (P, H, W) -> mean similarity of each, (P,), and its gradients with respect to both.

    Operations are in place where they can be: memory traffic is what this costs.
    """
    mean_x, mean_y = blur_by_shifts(x), blur_by_shifts(y)
    product, squares = mean_x * mean_y, (mean_x * mean_x).addcmul_(mean_y, mean_y)
    covariance = blur_by_shifts(x * y).sub_(product)
    variances = blur_by_shifts((x * x).addcmul_(y, y)).sub_(squares)

    # Wang et al. (2004), equation 13: luminance (a1 / b1) times contrast and structure (a2 / b2). a1 and b1 are of the
    # means plus 0.5.
    b2 = variances.add_(C2)
    contrast = covariance.mul_(2).add_(C2).div_(b2)
    if with_luminance:
        total = mean_x + mean_y
        b1 = squares.add_(total).add_(0.5 + C1)
        luminance = product.mul_(2).add_(total).add_(0.5 + C1).div_(b1)
        similarity = luminance * contrast
    else:
        b1 = luminance = None
        similarity = contrast
    values = similarity.mean((-2, -1))
    if not any(needs_gradient):
        return values, [None, None]

    # Chain rule through the four blurred maps E[x], E[y], E[x^2 + y^2] and E[xy], all halved: the similarity's
    # derivative is by_product with respect to 2 E[xy], and -by_squares with respect to E[x^2 + y^2].
    by_product = b2.reciprocal() if luminance is None else luminance.div_(b2)
    by_squares = similarity / b2
    from_product, from_squares = _blur_adjoint(by_product), _blur_adjoint(by_squares)
    gradients: list[Tensor | None] = [None, None]
    for i, (u, v, mean_u, mean_v) in enumerate(((x, y, mean_x, mean_y), (y, x, mean_y, mean_x))):
        if needs_gradient[i]:
            by_mean = mean_u * by_squares
            by_mean.addcmul_(mean_v, by_product, value=-1)
            if with_luminance:
                by_light = (contrast - similarity).mul_(0.5)
                by_mean += by_light.addcmul_(mean_v, contrast).addcmul_(mean_u, similarity, value=-1).div_(b1)
            gradient = _blur_adjoint(by_mean).addcmul_(u, from_squares, value=-1).addcmul_(v, from_product)
            gradients[i] = gradient.mul_(2 / similarity[0].numel())
    return values, gradients


def _blur_adjoint(x: Tensor) -> Tensor:
    """Transpose of `blur_by_shifts`: (..., H - 10, W - 10) -> (..., H, W). The window is symmetric."""
    return blur_by_shifts(F.pad(x, (WINDOW - 1,) * 4))
