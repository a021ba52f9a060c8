"""Terms on the hue and on the amount of colour of each pixel."""

from torch import Tensor

from basicsr.color import round_chroma
from basicsr.losses.color_loss import (
    MAGNITUDE_EPS,
    ColorLoss,
    Space,
    Where,
    asymmetric_abs,
    check_asymmetry,
    chroma_vector,
    vector_length,
)
from basicsr.losses.loss_util import Reduction
from basicsr.losses.shared_conversions import encoded, shared
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY


@LOSS_REGISTRY.register()
class HueLoss(ColorLoss):
    """Error of hue, weighted by the chroma of the target: |t'| (1 - cos(p', t')), in [0, 1.1].

    p' and t' are the chroma vectors (Cb, Cr) with a third component `eps`. So it is 0 only where both are equal, smooth
    everywhere, and has a gradient at a grey prediction, of up to |t| / `eps`; where both chromas are well above `eps`
    it depends on the angle alone.
    Size: 0.4 of the gradient of L1Loss; `loss_weight: 0.67` gives a quarter of it.
    Use it beside ChromaLoss when hues shift while chroma is right. Not alone: it barely holds the chroma.

    Args:
        eps: chroma below which the hue counts less and less, in units of Cb and Cr.
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    restores_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        eps: float = 0.02,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, space, where, threshold, reduction)
        if eps <= 0:
            raise OptionError(f'HueLoss: eps {eps} is not above 0')
        self.eps = eps

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        chroma, target_chroma = (chroma_vector(image, 'ycbcr', self.space) for image in (pred, target))
        # |t'| (1 - p' t' / (|p'| |t'|)), written so that nothing is divided by |t'|.
        product = (chroma * target_chroma).sum(-3, keepdim=True) + self.eps**2
        return vector_length(target_chroma, self.eps) - product / vector_length(chroma, self.eps)


@LOSS_REGISTRY.register()
class SaturationLoss(ColorLoss):
    """L1 on the distance from the grey axis, the smooth sibling of HSV's max - min (saturation times value), in [0, 1].

    Nothing is divided by the value, so dark noise does not count, and there is no edge between hues.
    Size: 1.4 times the gradient of L1Loss; `loss_weight: 0.18` gives a quarter of it.
    Use it beside a vector term, with `asymmetry` above 1 when predictions come out pale. Not alone: it does not know
    hues, and has no gradient where the prediction is grey.

    Args:
        asymmetry: how much more too little saturation costs than too much.
        space: encoding of both images.
        where: `saturated` averages over the pixels where the target is saturated, so that small colourful areas count.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    dead_at_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        asymmetry: float = 1.0,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, space, where, threshold, reduction)
        check_asymmetry('SaturationLoss', asymmetry)
        self.asymmetry = asymmetry

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        amount, target_amount = (
            shared(round_chroma, encoded(image, self.space), MAGNITUDE_EPS) for image in (pred, target)
        )
        return asymmetric_abs(amount - target_amount, self.asymmetry).unsqueeze(-3)
