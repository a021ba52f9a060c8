"""Hue, saturation and value, and chroma. The hue of a nearly grey pixel has no useful gradient: it is for metrics."""

import torch
from torch import Tensor

from basicsr.color.rgb import as_image

# Far below the first 8-bit step (1 / 255): saturation is exact for every image that 8 or 16 bits can hold.
_DARKEST = 1e-6
# HSV saturation of darker pixels is mostly noise: with noise of 0.01 its error is 0.68 below V = 0.05, 0.03 above 0.2.
DARKEST_SATURATED = 0.1


def rgb_to_hsv(x: Tensor) -> Tensor:
    """sRGB in [0, 1], (..., 3, H, W) -> hue, saturation, value in [0, 1], same shape.

    The hue is in turns: red 0, green 1/3, blue 2/3; grey has hue 0.
    """
    x = as_image(x)
    r, g, b = x.unbind(-3)
    value = x.amax(-3)
    spread = value - x.amin(-3)

    # Smith, "Color gamut transform pairs" (SIGGRAPH 1978): position on the hexagon, in sixths of a turn.
    divisor = torch.where(spread > 0, spread, 1.0)
    from_green_or_blue = torch.where(g == value, 2 + (b - r) / divisor, 4 + (r - g) / divisor)
    sixths = torch.where(r == value, (g - b) / divisor, from_green_or_blue)
    return torch.stack([(sixths / 6) % 1, saturation(x), value], dim=-3)


def saturation(x: Tensor) -> Tensor:
    """sRGB in [0, 1], (..., 3, H, W) -> HSV saturation (max - min) / max in [0, 1], (..., H, W); 0 where max <= 0."""
    x = as_image(x)
    value = x.amax(-3)
    ratio = (value - x.amin(-3)) / value.clamp(min=_DARKEST)
    return torch.where(value > _DARKEST, ratio, 0.0)


def round_chroma(x: Tensor, eps: float = 0.0) -> Tensor:
    """RGB in [0, 1], (..., 3, H, W) -> distance from the grey axis in [0, 1], (..., H, W).

    It is HSV's max - min with circles in place of hexagons: equal to it at the primaries and their mixtures in equal
    parts, up to 13 % smaller between them, and smooth. A. Hanbury, "Constructing cylindrical coordinate colour spaces",
    Pattern Recognition Letters 29 (2008).

    Args:
        eps: makes it smooth at grey too: sqrt(chroma^2 + eps^2) - eps. 0 is the plain formula, with gradient 0 at grey.
    """
    r, g, b = as_image(x).unbind(-3)
    sides = torch.stack([r - g, g - b, b - r], dim=-3)
    if eps == 0:
        return torch.linalg.vector_norm(sides, dim=-3) * 0.5**0.5
    return (sides.square().sum(-3) / 2 + eps**2).sqrt() - eps


def is_saturated(x: Tensor, threshold: float) -> Tensor:
    """True where a colour is saturated and not dark: sRGB in [0, 1], (..., 3, H, W) -> (..., H, W).

    Args:
        threshold: smallest HSV saturation, in [0, 1]; OpenCV's 60 of 255 is 60 / 255. The value is at least 0.1.
    """
    return (saturation(x) >= threshold) & (x.amax(-3) >= DARKEST_SATURATED)
