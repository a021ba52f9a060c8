"""Colour differences between L*a*b* images."""

import math

import torch
from torch import Tensor

from basicsr.color.rgb import as_image


def delta_e_76(lab: Tensor, reference: Tensor, eps: float = 0.0) -> Tensor:
    """Euclidean distance of two L*a*b* images, (..., 3, H, W) -> (..., H, W); a just noticeable one is about 2.3.

    Args:
        eps: makes it smooth where both are equal, for use as a loss: sqrt(d^2 + eps^2) - eps. 0 is the formula of
            CIE 1976, with gradient 0 where both are equal.
    """
    difference = as_image(lab) - as_image(reference)
    if eps == 0 and difference.requires_grad:
        return torch.linalg.vector_norm(difference, dim=-3)  # the gradient of a root is infinite at 0
    squares = difference.square().sum(-3)
    return squares.sqrt_() if eps == 0 else (squares + eps**2).sqrt() - eps


@torch.no_grad()
def delta_e_2000(lab: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 of two L*a*b* images, (..., 3, H, W) -> (..., H, W); about 1 for a just noticeable difference.

    A metric, without gradient: the formula jumps where hues are opposite. Equations: G. Sharma, W. Wu, E. Dalal, "The
    CIEDE2000 color-difference formula", Color Research and Application 30 (2005), with kL = kC = kH = 1.
    """
    # Operations are in place where they can be: memory traffic is half of what this costs.
    l1, a1, b1 = as_image(lab).unbind(-3)
    l2, a2, b2 = as_image(reference).unbind(-3)

    # Chroma and hue with a stretched a* axis (equations 2 to 7).
    mean_chroma = _length(a1, b1).add_(_length(a2, b2)).div_(2)
    stretch = _chroma_weight(mean_chroma).mul_(-0.5).add_(1.5)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)

    # Differences (equations 8 to 11). The hue of a grey counts for nothing: its difference is multiplied by 0.
    hue_step = _shorter_way(h2 - h1)
    delta_l, delta_c = l2 - l1, c2 - c1
    delta_h = (c1 * c2).sqrt_().mul_(2).mul_(torch.sin(hue_step * (math.pi / 360)))

    # Means (equations 12 to 14); that of hues is half-way on the shorter arc.
    mean_l, mean_c = (l1 + l2).div_(2), c1.add_(c2).div_(2)
    mean_h = h1.add_(hue_step, alpha=0.5)

    # Weights (equations 15 to 21).
    t = (
        _cos(mean_h, 1, -30, -0.17)
        .add_(_cos(mean_h, 2, 0, 0.24))
        .add_(_cos(mean_h, 3, 6, 0.32))
        .add_(_cos(mean_h, 4, -63, -0.20))
        .add_(1)
    )
    lightness_term = mean_l.sub_(50).square_()
    weight_l = lightness_term.mul(0.015).div_(lightness_term.add_(20).sqrt_()).add_(1)
    weight_c = mean_c.mul(0.045).add_(1)
    weight_h = t.mul_(mean_c).mul_(0.015).add_(1)
    from_blue = mean_h.sub_(_turns(mean_h)).sub_(275).div_(25)
    angle = from_blue.square_().neg_().exp_().mul_(60)
    rotation = _chroma_weight(mean_c).mul_(torch.sin(torch.deg2rad_(angle))).mul_(-2)

    # Equation 22.
    dl, dc, dh = delta_l.div_(weight_l), delta_c.div_(weight_c), delta_h.div_(weight_h)
    total = dl.square_().addcmul_(dc, dc).addcmul_(dh, dh)
    return total.addcmul_(rotation.mul_(dc), dh).clamp_(min=0).sqrt_()


def hue_difference(lab: Tensor, reference: Tensor) -> Tensor:
    """Signed difference of the hue angles h_ab, in degrees in [-180, 180], (..., 3, H, W) -> (..., H, W).

    Positive is from red towards yellow. It means nothing where either image is nearly grey: mask those pixels.
    """
    _, a, b = as_image(lab).unbind(-3)
    _, ref_a, ref_b = as_image(reference).unbind(-3)
    return torch.rad2deg(torch.atan2(ref_a * b - ref_b * a, ref_a * a + ref_b * b))


def _length(a: Tensor, b: Tensor) -> Tensor:
    return (a * a).addcmul_(b, b).sqrt_()


def _hue(a: Tensor, b: Tensor) -> Tensor:
    """Angle of a vector in degrees in [0, 360]; anything for one of length 0."""
    return torch.atan2(-b, -a).mul_(180 / math.pi).add_(180)


def _shorter_way(hue_step: Tensor) -> Tensor:
    """Difference of two hues -> the same in [-180, 180]; half a turn, and what rounding makes of it, is kept."""
    turns = (hue_step * ((1 - 4e-7) / 360)).round_()
    return hue_step.sub_(turns, alpha=360)


def _turns(degrees: Tensor) -> Tensor:
    """Whole turns in an angle, in degrees."""
    return (degrees / 360).floor_().mul_(360)


def _chroma_weight(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), as in equations 4 and 17; the ratio first, for 7th powers strain float32."""
    ratio = chroma / 25
    square = ratio * ratio
    power = ratio.mul_(square).mul_(square.square_())
    return power.div_(power + 1).sqrt_()


def _cos(degrees: Tensor, factor: int, offset: float, weight: float) -> Tensor:
    """weight cos(factor degrees + offset)."""
    radians = degrees * (factor * math.pi / 180)
    return radians.add_(offset * math.pi / 180).cos_().mul_(weight)
