"""Terms on the whole colour difference of each pixel, lightness included, in perceptual spaces."""

from torch import Tensor

from basicsr.color import delta_e_76, rgb_to_lab, rgb_to_oklab
from basicsr.losses.color_loss import ColorLoss, Space, Where
from basicsr.losses.loss_util import Reduction
from basicsr.losses.shared_conversions import shared
from basicsr.utils.registry import LOSS_REGISTRY

# In units of L*a*b*, far below what can be seen (2.3); rounds the distance where both colours are equal.
_DELTA_E_EPS = 0.1


class _OpponentLoss(ColorLoss):
    """Weighted mean of the absolute errors of lightness and of two opponent components."""

    restores_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        l_weight: float = 1.0,
        ab_weight: float = 1.0,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, space, where, threshold, reduction)
        self.l_weight = l_weight
        self.ab_weight = ab_weight

    def components(self, image: Tensor) -> Tensor:
        """RGB (N, 3, H, W) -> lightness in [0, 1] and two components of the same unit."""
        raise NotImplementedError

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        lightness, a, b = (self.components(pred) - self.components(target)).abs().split(1, dim=-3)
        return (self.l_weight * lightness + self.ab_weight * (a + b)) / 3


@LOSS_REGISTRY.register()
class LabLoss(_OpponentLoss):
    """(l_weight |dL*| + ab_weight (|da*| + |db*|)) / 300 of CIE L*a*b* (D65): the mean over channels of Lab / 100.

    In [0, 1]. In raw units, 0 to 100, Lab drowns every other term; here one unit of grey costs a third of what it costs
    L1Loss, and the colours the rest.
    Size: 1.6 times the gradient of L1Loss; `loss_weight: 0.15` gives a quarter of it.
    Use it when lightness and colour are to be weighed apart: `l_weight: 0.3, ab_weight: 3` for colourisation. LabABLoss
    is its colour part.
    Source: CIE 15:2004, section 8.2.1.

    Args:
        l_weight: weight of the lightness.
        ab_weight: weight of a* and b*.
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    def components(self, image: Tensor) -> Tensor:
        return shared(rgb_to_lab, image, self.space) / 100


@LOSS_REGISTRY.register()
class OklabLoss(_OpponentLoss):
    """(l_weight |dL| + ab_weight (|da| + |db|)) / 3 of OkLab, in [0, 1].

    Size: 0.6 of the gradient of L1Loss; `loss_weight: 0.42` gives a quarter of it.
    Use it as LabLoss, when blues turn purple: OkLab's hues are more even. Its a and b are smaller than those of
    Lab / 100 (chroma is at most 0.33), so `ab_weight: 3` balances them as LabLoss does.
    Source: B. Ottosson, "A perceptual color space for image processing" (2020).

    Args:
        l_weight: weight of the lightness.
        ab_weight: weight of a and b.
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    def components(self, image: Tensor) -> Tensor:
        return shared(rgb_to_oklab, image, self.space)


@LOSS_REGISTRY.register()
class DeltaE76Loss(ColorLoss):
    """Euclidean distance in CIE L*a*b* (D65) divided by 100: (sqrt(dE^2 + 0.1^2) - 0.1) / 100.

    In [0, 2.6]; 0.023 is just noticeable.
    Size: 2.7 times the gradient of L1Loss; `loss_weight: 0.094` gives a quarter of it.
    Use it for colour accuracy as the metric of this name counts it: all components of a pixel together, so that a pixel
    is not left half right. CIEDE2000 jumps at opposite hues: it is a metric only.
    Source: CIE 15:2004, section 8.2.1.

    Args:
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    restores_gray = True

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        labs = [shared(rgb_to_lab, image, self.space) for image in (pred, target)]
        return delta_e_76(*labs, eps=_DELTA_E_EPS).unsqueeze(-3) / 100
