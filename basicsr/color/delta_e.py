"""Colour differences between L*a*b* images."""

import math

import torch
from torch import Tensor

from basicsr.color.lab import polar
from basicsr.color.rgb import as_image


def delta_e_76(lab: Tensor, reference: Tensor, eps: float = 0.0) -> Tensor:
    """Euclidean distance of two L*a*b* images, (..., 3, H, W) -> (..., H, W); a just noticeable one is about 2.3.

    Args:
        eps: makes it smooth where both are equal, for use as a loss: sqrt(d^2 + eps^2) - eps. 0 is the formula of
            CIE 1976, with gradient 0 where both are equal.
    """
    difference = as_image(lab) - as_image(reference)
    if eps == 0:
        return torch.linalg.vector_norm(difference, dim=-3)
    return (difference.square().sum(-3) + eps**2).sqrt() - eps


@torch.no_grad()
def delta_e_2000(lab: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 of two L*a*b* images, (..., 3, H, W) -> (..., H, W); about 1 for a just noticeable difference.

    A metric, without gradient: the formula jumps where hues are opposite. Equations: G. Sharma, W. Wu, E. Dalal, "The
    CIEDE2000 color-difference formula", Color Research and Application 30 (2005), with kL = kC = kH = 1.
    """
    l1, a1, b1 = as_image(lab).unbind(-3)
    l2, a2, b2 = as_image(reference).unbind(-3)

    # Chroma and hue with a stretched a* axis (equations 2 to 7).
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _chroma_weight(mean_chroma)
    c1, h1 = polar(a1 * stretch, b1)
    c2, h2 = polar(a2 * stretch, b2)

    # Differences (equations 8 to 11). Hues differ by at most half a turn; a grey has no hue, so its difference is 0.
    both_coloured = c1 * c2 != 0
    hue_step = h2 - h1
    hue_step = hue_step - 360 * (hue_step > 180) + 360 * (hue_step < -180)
    hue_step = torch.where(both_coloured, hue_step, 0.0)
    delta_l, delta_c = l2 - l1, c2 - c1
    delta_h = 2 * (c1 * c2).sqrt() * torch.sin(torch.deg2rad(hue_step / 2))

    # Means (equations 12 to 14).
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = _mean_hue(h1, h2, both_coloured)

    # Weights (equations 15 to 21).
    t = (
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.20 * _cos(4 * mean_h - 63)
    )
    lightness_term = (mean_l - 50).square()
    weight_l = 1 + 0.015 * lightness_term / (20 + lightness_term).sqrt()
    weight_c = 1 + 0.045 * mean_c
    weight_h = 1 + 0.015 * mean_c * t
    angle = 60 * torch.exp(-((mean_h - 275) / 25).square())
    rotation = -2 * _chroma_weight(mean_c) * torch.sin(torch.deg2rad(angle))

    # Equation 22.
    dl, dc, dh = delta_l / weight_l, delta_c / weight_c, delta_h / weight_h
    return (dl * dl + dc * dc + dh * dh + rotation * dc * dh).clamp(min=0).sqrt()


def hue_difference(lab: Tensor, reference: Tensor) -> Tensor:
    """Signed difference of the hue angles h_ab, in degrees in [-180, 180], (..., 3, H, W) -> (..., H, W).

    Positive is from red towards yellow. It means nothing where either image is nearly grey: mask those pixels.
    """
    _, a, b = as_image(lab).unbind(-3)
    _, ref_a, ref_b = as_image(reference).unbind(-3)
    return torch.rad2deg(torch.atan2(ref_a * b - ref_b * a, ref_a * a + ref_b * b))


def _chroma_weight(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), as in equations 4 and 17; the ratio first, for 7th powers strain float32."""
    ratio = (chroma / 25).pow(7)
    return (ratio / (ratio + 1)).sqrt()


def _mean_hue(h1: Tensor, h2: Tensor, both_coloured: Tensor) -> Tensor:
    """Mean on the shorter arc; the sum where one of them is grey (equation 14)."""
    total = h1 + h2
    wrapped = torch.where(total < 360, total + 360, total - 360)
    mean = torch.where((h1 - h2).abs() <= 180, total, wrapped) / 2
    return torch.where(both_coloured, mean, total)


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(degrees * (math.pi / 180))
