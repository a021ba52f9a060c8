"""Terms that compare chroma as a vector, which pulls a prediction that has gone grey back to its colour.

An angle (hue) or a magnitude (saturation) alone cannot: both have no gradient at a grey prediction.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from basicsr.color import chroma_uv, rgb_to_lab, saturation
from basicsr.losses.loss_util import Reduction, check_reduction, check_same_shape, weight_reduce_loss
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY

# HSV saturation of darker pixels is mostly noise: with noise of 0.01 its error is 0.68 below V = 0.05, 0.03 above 0.2.
DARKEST_SATURATED = 0.1

# In units of the image; rounds the magnitude's cone where chroma is 0, where a square root has no finite gradient.
_MAGNITUDE_EPS = 1e-3


def saturated_mask(target: Tensor, threshold: float) -> Tensor:
    """1 where the target is saturated and not dark, else 0: sRGB (N, 3, H, W) -> (N, 1, H, W), without gradient.

    Args:
        threshold: smallest HSV saturation, in [0, 1]; OpenCV's 60 of 255 is 60 / 255.
    """
    with torch.no_grad():
        mask = (saturation(target) >= threshold) & (target.amax(-3) >= DARKEST_SATURATED)
        return mask.unsqueeze(-3).to(torch.promote_types(target.dtype, torch.float32))


class ChromaVectorLoss(nn.Module):
    """Base of the terms that are L1 on two chroma components; subclasses say which."""

    def __init__(self, loss_weight: float, where: str, threshold: float, reduction: str) -> None:
        super().__init__()
        name = type(self).__name__
        check_reduction(name, reduction)
        if where not in ('all', 'saturated'):
            raise OptionError(f"{name}: where {where!r} is not one of 'all', 'saturated'")
        if not 0 <= threshold <= 1:
            raise OptionError(f'{name}: threshold {threshold} is an HSV saturation in [0, 1]; write 60 of 255 as 0.235')
        self.loss_weight = loss_weight
        self.where = where
        self.threshold = threshold
        self.reduction = reduction

    def chroma(self, image: Tensor) -> Tensor:
        """sRGB (N, 3, H, W) -> two components, 0 for grey, of the order of the RGB values, (N, 2, H, W)."""
        raise NotImplementedError

    def error(self, chroma: Tensor, target_chroma: Tensor) -> Tensor:
        """Two chroma images (N, 2, H, W) -> error of each pixel, (N, 1, H, W)."""
        return (chroma - target_chroma).abs().mean(-3, keepdim=True)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """sRGB in [0, 1], (N, 3, H, W) -> scalar, or (N, 1, H, W) with reduction `none`."""
        check_same_shape(type(self).__name__, pred, target)
        error = self.error(self.chroma(pred), self.chroma(target))
        mask = saturated_mask(target, self.threshold) if self.where == 'saturated' else None
        return self.loss_weight * weight_reduce_loss(error, mask, self.reduction)


@LOSS_REGISTRY.register()
class ChromaLoss(ChromaVectorLoss):
    """L1 on the chroma vector; weight 1 has about the gradient of L1Loss at weight 0.7 (`ycbcr`) or 2 (`lab`).

    Args:
        space: `ycbcr` is Cb, Cr of full-range BT.601; `lab` is a*, b* / 100, the perceptual one.
        magnitude_weight: adds this times the error of the vector's length, against colours that are right but pale.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        space: Literal['ycbcr', 'lab'] = 'ycbcr',
        magnitude_weight: float = 0.0,
        where: Literal['all', 'saturated'] = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, where, threshold, reduction)
        if space not in ('ycbcr', 'lab'):
            raise OptionError(f"ChromaLoss: space {space!r} is not one of 'ycbcr', 'lab'")
        self.space = space
        self.magnitude_weight = magnitude_weight

    def chroma(self, image: Tensor) -> Tensor:
        return chroma_uv(image) if self.space == 'ycbcr' else _lab_ab(image)

    def error(self, chroma: Tensor, target_chroma: Tensor) -> Tensor:
        error = super().error(chroma, target_chroma)
        if self.magnitude_weight == 0:
            return error
        return error + self.magnitude_weight * (_magnitude(chroma) - _magnitude(target_chroma)).abs()


@LOSS_REGISTRY.register()
class LabABLoss(ChromaVectorLoss):
    """L1 on a*, b* of CIE L*a*b* (D65), divided by 100; weight 1 has about the gradient of L1Loss at weight 2.

    Args:
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        where: Literal['all', 'saturated'] = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, where, threshold, reduction)

    def chroma(self, image: Tensor) -> Tensor:
        return _lab_ab(image)


def _lab_ab(image: Tensor) -> Tensor:
    return rgb_to_lab(image)[..., 1:, :, :] / 100


def _magnitude(chroma: Tensor) -> Tensor:
    return (chroma.square().sum(-3, keepdim=True) + _MAGNITUDE_EPS**2).sqrt()
