"""Terms that compare the chroma of each pixel as a vector, and what all terms on the colour of each pixel share.

A vector pulls a prediction that has gone grey back to its colour. An angle or an amount alone cannot: both have no
gradient at a grey prediction.
"""

from typing import Literal

import torch
from torch import Tensor

from basicsr.color import chroma_uv, is_saturated, rgb_to_lab
from basicsr.losses.base_loss import PixelLoss
from basicsr.losses.loss_util import Reduction, check_choice
from basicsr.losses.shared_conversions import encoded, shared
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY

Space = Literal['srgb', 'linear']
Where = Literal['all', 'saturated']

# In units of the image; rounds the magnitude's cone where chroma is 0, where a square root has no finite gradient.
MAGNITUDE_EPS = 1e-3


def saturated_mask(target: Tensor, threshold: float) -> Tensor:
    """1 where the target is saturated and not dark, else 0: sRGB (N, 3, H, W) -> (N, 1, H, W), without gradient.

    Args:
        threshold: smallest HSV saturation, in [0, 1]; OpenCV's 60 of 255 is 60 / 255.
    """
    with torch.no_grad():
        mask = is_saturated(target, threshold)
        return mask.unsqueeze(-3).to(torch.promote_types(target.dtype, torch.float32))


class ColorLoss(PixelLoss):
    """Base of the terms on the colour of each pixel.

    Args:
        space: encoding of both images; `linear` light is encoded first where a term needs sRGB.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, reduction)
        name = type(self).__name__
        check_choice(name, 'space', space, ('srgb', 'linear'))
        check_choice(name, 'where', where, ('all', 'saturated'))
        if not 0 <= threshold <= 1:
            raise OptionError(f'{name}: threshold {threshold} is an HSV saturation in [0, 1]; write 60 of 255 as 0.235')
        self.space = space
        self.where = where
        self.threshold = threshold

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """RGB in [0, 1], (N, 3, H, W), weight (N, 1 or 3, H, W) -> scalar, or (N, 1, H, W) with reduction `none`."""
        if self.where == 'saturated':
            mask = shared(saturated_mask, encoded(target, self.space), self.threshold)
            weight = mask if weight is None else mask * weight
        return super().forward(pred, target, weight)


@LOSS_REGISTRY.register()
class ChromaLoss(ColorLoss):
    """L1 on the chroma vector, mean over its two components, in [0, 1]: 0 for grey, 0.5 for the strongest colours.

    Size: 0.7 (`ycbcr`) or 1.9 (`lab`) of the gradient of L1Loss; `loss_weight: 0.36` or 0.13 gives a quarter of it.
    Use it first when colours wash out or shift, with `where: saturated` when they are rare. Not for brightness, which
    it does not see.

    Args:
        components: `ycbcr` is Cb, Cr of full-range BT.601; `lab` is a*, b* / 100, the perceptual one.
        magnitude_weight: adds this times the error of the vector's length, against colours that are right but pale.
        asymmetry: how much more that length costs where the prediction has too little chroma than where too much.
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    restores_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        components: Literal['ycbcr', 'lab'] = 'ycbcr',
        magnitude_weight: float = 0.0,
        asymmetry: float = 1.0,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, space, where, threshold, reduction)
        check_choice('ChromaLoss', 'components', components, ('ycbcr', 'lab'))
        check_asymmetry('ChromaLoss', asymmetry)
        self.components = components
        self.magnitude_weight = magnitude_weight
        self.asymmetry = asymmetry

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        chroma, target_chroma = (chroma_vector(image, self.components, self.space) for image in (pred, target))
        error = (chroma - target_chroma).abs().mean(-3, keepdim=True)
        if self.magnitude_weight == 0:
            return error
        gain = vector_length(chroma, MAGNITUDE_EPS) - vector_length(target_chroma, MAGNITUDE_EPS)
        return error + self.magnitude_weight * asymmetric_abs(gain, self.asymmetry)


@LOSS_REGISTRY.register()
class LabABLoss(ColorLoss):
    """L1 on a*, b* of CIE L*a*b* (D65) divided by 100, mean over both, in [0, 1]; 0.01 to 0.02 is just noticeable.

    Size: 1.9 times the gradient of L1Loss; `loss_weight: 0.13` gives a quarter of it.
    Use it as ChromaLoss; equal steps look more alike than in YCbCr. Not for lightness: that is LabLoss.
    Source: CIE 15:2004, section 8.2.1.

    Args:
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    restores_gray = True

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        chroma, target_chroma = (chroma_vector(image, 'lab', self.space) for image in (pred, target))
        return (chroma - target_chroma).abs().mean(-3, keepdim=True)


def chroma_vector(image: Tensor, components: str, space: str) -> Tensor:
    """RGB (N, 3, H, W) -> two components, 0 for grey, of the order of the RGB values, (N, 2, H, W)."""
    if components == 'lab':
        return shared(rgb_to_lab, image, space)[..., 1:, :, :] / 100
    return shared(chroma_uv, encoded(image, space))


def asymmetric_abs(gain: Tensor, asymmetry: float) -> Tensor:
    """|gain|, times `asymmetry` where it is negative."""
    return gain.abs() if asymmetry == 1 else gain.abs() * torch.where(gain < 0, asymmetry, 1.0)


def check_asymmetry(term: str, asymmetry: float) -> None:
    """Refuse what would reward a loss of chroma."""
    if asymmetry <= 0:
        raise OptionError(f'{term}: asymmetry {asymmetry} is not above 0; 1 treats too little and too much alike')


def vector_length(chroma: Tensor, eps: float) -> Tensor:
    """sqrt(u^2 + v^2 + eps^2), (N, 2, H, W) -> (N, 1, H, W)."""
    return (chroma.square().sum(-3, keepdim=True) + eps**2).sqrt()
