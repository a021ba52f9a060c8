"""The sRGB transfer function, and the channel arithmetic that the other colour spaces share."""

import torch
from torch import Tensor


def srgb_to_linear(x: Tensor) -> Tensor:
    """sRGB-encoded values -> linear light, any shape; 0 -> 0, 1 -> 1, values outside [0, 1] are kept."""
    # IEC 61966-2-1, section 5.2. The clamp is inside the branch: `where` alone lets the power's NaN into the gradient.
    upper = power((x.clamp(min=0.04045) + 0.055) / 1.055, 2.4)
    return torch.where(x <= 0.04045, x / 12.92, upper)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Linear light -> sRGB-encoded values, any shape; 0 -> 0, 1 -> 1, values outside [0, 1] are kept."""
    upper = 1.055 * x.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(x <= 0.0031308, 12.92 * x, upper)


def power(x: Tensor, exponent: float) -> Tensor:
    """Positive values to a power, any shape: twice as fast as `torch.pow`, and a few ulp from it."""
    return x.log().mul_(exponent).exp_()


def as_image(x: Tensor) -> Tensor:
    """Check that `x` is a floating-point (..., 3, H, W) image; half precision, too coarse for colours, becomes float32.

    Raises:
        ValueError: for another shape, or integers.
    """
    if x.dim() < 3 or x.shape[-3] != 3:
        raise ValueError(f'expected a colour image of shape (..., 3, H, W), got {tuple(x.shape)}')
    if not x.is_floating_point():
        raise ValueError(f'expected a floating-point image with values in [0, 1], got {x.dtype}; divide by 255 first')
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_space(space: str) -> None:
    """Refuse what is neither sRGB-encoded nor linear light.

    Raises:
        ValueError: naming both.
    """
    if space not in ('srgb', 'linear'):
        raise ValueError(f"the RGB space is 'srgb' or 'linear', not {space!r}")


def mix_channels(r: Tensor, g: Tensor, b: Tensor, weights: tuple[float, float, float], grey: float) -> Tensor:
    """Weighted sum of three channels with weights that add up to `grey`.

    It is written around `g`, so that r = g = b gives `grey * g` without a rounding error: greys stay exactly neutral.
    There is no matrix product, which autocast or TF32 would round.
    """
    mixed = torch.add(weights[0] * (r - g), b - g, alpha=weights[2])
    return torch.add(mixed, g, alpha=grey) if grey else mixed
