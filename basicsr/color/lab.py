"""CIE XYZ and L*a*b* (D65, 2 degree observer) of sRGB images, and back.

Every function is continuous with a bounded slope on all real numbers, so a prediction outside [0, 1] needs no clamp.
"""

from typing import Literal

import torch
from torch import Tensor

from basicsr.color.rgb import as_image, check_space, linear_to_srgb, mix_channels, power, srgb_to_linear

Matrix = tuple[tuple[float, float, float], ...]

# From the chromaticities of IEC 61966-2-1: R (0.64, 0.33), G (0.30, 0.60), B (0.15, 0.06), white D65 (0.3127, 0.3290).
SRGB_TO_XYZ: Matrix = (
    (0.41239079926595934, 0.35758433938387796, 0.1804807884018343),
    (0.2126390058715103, 0.7151686787677559, 0.07219231536073371),
    (0.019330818715591825, 0.11919477979462595, 0.9505321522496606),
)
# White is the sum of the rows and not a rounded table value: r = g = b is then exactly a* = b* = 0.
WHITE = tuple(sum(row) for row in SRGB_TO_XYZ)

# CIE 15:2004, section 8.2.1: f(t) = t^(1/3) above (6/29)^3, a line below.
_DELTA = 6 / 29


def rgb_to_xyz(x: Tensor, space: Literal['srgb', 'linear'] = 'srgb') -> Tensor:
    """RGB in [0, 1], (..., 3, H, W) -> CIE XYZ with Y of white = 1, same shape.

    Args:
        space: `srgb` for encoded values, `linear` for linear light (which may exceed 1).
    """
    return torch.stack([w * channel for w, channel in zip(WHITE, _relative_xyz(x, space))], dim=-3)


def xyz_to_lab(xyz: Tensor) -> Tensor:
    """CIE XYZ with Y of white = 1, (..., 3, H, W) -> L* in [0, 100], a*, b* in about [-128, 127], same shape."""
    return _lab([channel / w for w, channel in zip(WHITE, as_image(xyz).unbind(-3))])


def rgb_to_lab(x: Tensor, space: Literal['srgb', 'linear'] = 'srgb') -> Tensor:
    """RGB in [0, 1], (..., 3, H, W) -> L* in [0, 100], a*, b* in about [-128, 127], same shape.

    Args:
        space: `srgb` for encoded values, `linear` for linear light (which may exceed 1).
    """
    return _lab(_relative_xyz(x, space))


def lab_to_rgb(lab: Tensor, space: Literal['srgb', 'linear'] = 'srgb') -> Tensor:
    """L*a*b*, (..., 3, H, W) -> RGB, same shape, nominally [0, 1]; colours outside the sRGB gamut are not clipped."""
    check_space(space)
    lightness, a, b = as_image(lab).unbind(-3)
    fy = (lightness + 16) / 116
    relative = [_f_inverse(f) for f in (fy + a / 500, fy, fy - b / 200)]

    rgb = torch.stack([mix_channels(*relative, row, 1.0) for row in _RELATIVE_TO_RGB], dim=-3)
    return linear_to_srgb(rgb) if space == 'srgb' else rgb


def lab_to_lch(lab: Tensor) -> Tensor:
    """L*a*b* -> L*, chroma C*ab, hue h_ab in degrees in [0, 360), same shape; hue and gradient of grey are 0."""
    lightness, a, b = as_image(lab).unbind(-3)
    return torch.stack((lightness, *polar(a, b)), -3)


def lch_to_lab(lch: Tensor) -> Tensor:
    """L*, C*ab, h_ab in degrees -> L*a*b*, same shape."""
    lightness, chroma, hue = as_image(lch).unbind(-3)
    angle = torch.deg2rad(hue)
    return torch.stack((lightness, chroma * torch.cos(angle), chroma * torch.sin(angle)), -3)


def polar(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Length and angle, in degrees in [0, 360), of a vector; both 0, with gradient 0, where it vanishes."""
    # torch.hypot has no finite gradient at 0.
    length = torch.linalg.vector_norm(torch.stack((a, b)), dim=0)
    return length, torch.rad2deg(torch.atan2(b, a)) % 360


def _relative_xyz(x: Tensor, space: str) -> list[Tensor]:
    """RGB (..., 3, H, W) -> X / Xn, Y / Yn, Z / Zn, each (..., H, W)."""
    check_space(space)
    channels = as_image(x).unbind(-3)
    if space == 'srgb':
        # One channel at a time: a vectorised power rounds the last few elements differently, which would tint greys.
        channels = [srgb_to_linear(channel) for channel in channels]
    return [mix_channels(*channels, row, 1.0) for row in _RGB_TO_RELATIVE]


def _lab(relative_xyz: list[Tensor]) -> Tensor:
    # CIE 15:2004, equations 8.3 to 8.5.
    fx, fy, fz = (_f(channel) for channel in relative_xyz)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


def _f(t: Tensor) -> Tensor:
    # The line is the root's tangent where they meet, so above it everywhere else.
    return torch.minimum(power(t.clamp(min=_DELTA**3), 1 / 3), t / (3 * _DELTA**2) + 4 / 29)


def _f_inverse(f: Tensor) -> Tensor:
    return torch.where(f > _DELTA, f * f * f, 3 * _DELTA**2 * (f - 4 / 29))


def _invert(matrix: Matrix) -> Matrix:
    """Inverse of a 3x3 matrix, by cofactors."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * adjugate[0][0] + b * adjugate[1][0] + c * adjugate[2][0]
    return tuple(tuple(value / determinant for value in row) for row in adjugate)


# Relative to white, so the rows of both sum to 1.
_RGB_TO_RELATIVE = tuple(tuple(value / white for value in row) for row, white in zip(SRGB_TO_XYZ, WHITE))
_RELATIVE_TO_RGB = _invert(_RGB_TO_RELATIVE)
