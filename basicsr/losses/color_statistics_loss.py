"""Terms on the mean colour and brightness of an image, or of its patches."""

import logging

from torch import Tensor
from torch.nn import functional as F

from basicsr.color import luma, round_chroma
from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.color_loss import Space
from basicsr.losses.loss_util import Reduction, check_choice, check_same_shape, reduce_loss
from basicsr.losses.shared_conversions import encoded, shared
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY

# In units of the image; rounds absolute values and square roots at 0.
_EPS = 1e-3


@LOSS_REGISTRY.register()
class ColorConsistencyLoss(ImageLoss):
    """Error of an image's mean tint: mean over R - G, G - B, B - R of |that of the mean of p - that of the mean of t|.

    In [0, 1.4]. Size: 2.6 times the gradient of L1Loss; `loss_weight: 0.094` gives a quarter of it.
    Use it against a cast over the whole image, such as a white balance that drifts. Not for local colour: it pushes
    every pixel alike, and a red wall may pay for a green one.
    Source: the paired form of the colour constancy term of C. Guo et al., "Zero-reference deep curve estimation for
    low-light image enhancement" (2020).

    Args:
        reduction: over the images.
    """

    restores_gray = True

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """RGB (N, 3, H, W) -> scalar, or (N,) with reduction `none`."""
        check_same_shape('ColorConsistencyLoss', pred, target)
        error = _mean_tint(pred - target).abs().mean(1)
        return self.loss_weight * reduce_loss(error, self.reduction)


@LOSS_REGISTRY.register()
class GrayWorldLoss(ImageLoss):
    """Tint of the mean colour of the prediction alone, without a target: mean over R - G, G - B, B - R of its size.

    In [0, 0.7]; rounded at 0. Size: 3 times the gradient of L1Loss; `loss_weight: 0.08` gives a quarter of it.
    Use it without targets, as a weak prior against a colour cast. Not with paired data: it assumes that every image is
    grey on average, and pulls coloured rooms to grey; ColorConsistencyLoss compares with the target.
    Source: C. Guo et al., "Zero-reference deep curve estimation for low-light image enhancement" (2020), section 3.3,
    with absolute values in place of squares.

    Args:
        reduction: over the images.
    """

    is_full_reference = False

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)
        logging.getLogger('basicsr').warning(
            'GrayWorldLoss pulls every image to a grey mean, whatever its target; with paired data use '
            'ColorConsistencyLoss'
        )

    def forward(self, pred: Tensor) -> Tensor:
        """RGB (N, 3, H, W) -> scalar, or (N,) with reduction `none`."""
        size = (_mean_tint(pred).square() + _EPS**2).sqrt() - _EPS
        return self.loss_weight * reduce_loss(size.mean(1), self.reduction)


@LOSS_REGISTRY.register()
class ColorDiversityLoss(ImageLoss):
    """Penalty on a prediction with little colour, without a target: exp(-15 s) / 2 + exp(-10 c) / 2, in (0, 1].

    s is the mean distance of a pixel's channels from their mean, c its mean distance from the grey axis. Both are
    rounded at 0, and nothing branches on a value, so there is always a graph; but the gradient at an exactly grey image
    is 0, as for any amount of colour.
    Size: 3.6 times the gradient of L1Loss; `loss_weight: 0.07` gives a quarter of it.
    Use it without targets, or in small doses with a weight that falls to 0. It has no minimum at the target: with
    paired data prefer SaturationLoss, beside a vector term.

    Args:
        spread_rate: 15 in the formula.
        chroma_rate: 10 in the formula.
        reduction: over the images.
    """

    is_full_reference = False
    dead_at_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        spread_rate: float = 15.0,
        chroma_rate: float = 10.0,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, reduction)
        self.spread_rate = spread_rate
        self.chroma_rate = chroma_rate

    def forward(self, pred: Tensor) -> Tensor:
        """RGB (N, 3, H, W) -> scalar, or (N,) with reduction `none`."""
        offset = pred - pred.mean(1, keepdim=True)
        spread = ((offset.square() + _EPS**2).sqrt() - _EPS).mean((1, 2, 3))
        chroma = shared(round_chroma, pred, _EPS).mean((1, 2))
        penalty = ((-self.spread_rate * spread).exp() + (-self.chroma_rate * chroma).exp()) / 2
        return self.loss_weight * reduce_loss(penalty, self.reduction)


@LOSS_REGISTRY.register()
class ExposureLoss(ImageLoss):
    """Error of the mean luma (BT.601, of sRGB values) of patches: mean of |that of p - that of t|, in [0, 1].

    Size: 1.4 times the gradient of L1Loss; `loss_weight: 0.18` gives a quarter of it.
    Use it when areas come out too dark or too bright: it does not see detail, so it pushes whole areas. Not with
    `target` on paired data: a fixed brightness pulls away from the true one.
    Source: the paired form of the exposure term of C. Guo et al., "Zero-reference deep curve estimation for low-light
    image enhancement" (2020), section 3.3, where `patch` is 16 and `target` 0.6.

    Args:
        patch: side of a patch in pixels; those at the lower and right border may be smaller.
        target: mean luma to reach in place of that of the target image.
        space: `linear` images are sRGB-encoded first.
        reduction: over the patches.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        patch: int = 16,
        target: float | None = None,
        space: Space = 'srgb',
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__(loss_weight, reduction)
        check_choice('ExposureLoss', 'space', space, ('srgb', 'linear'))
        if patch < 1:
            raise OptionError(f'ExposureLoss: patch {patch} is not a number of pixels')
        self.patch = patch
        self.target = target
        self.space = space
        self.is_full_reference = target is None

    def forward(self, pred: Tensor, target: Tensor | None = None) -> Tensor:
        """RGB in [0, 1], (N, 3, H, W) -> scalar, or (N, 1, rows, columns) of patches with reduction `none`."""
        if self.target is not None:
            wanted = self.target
        elif target is not None:
            check_same_shape('ExposureLoss', pred, target)
            wanted = self._brightness(target)
        else:
            raise OptionError('ExposureLoss: without a target image it needs its argument `target`, a mean luma')
        return self.loss_weight * reduce_loss((self._brightness(pred) - wanted).abs(), self.reduction)

    def _brightness(self, image: Tensor) -> Tensor:
        brightness = luma(encoded(image, self.space)).unsqueeze(1)
        return F.avg_pool2d(brightness, self.patch, ceil_mode=True, count_include_pad=False)


def _mean_tint(image: Tensor) -> Tensor:
    """(N, 3, H, W) -> R - G, G - B, B - R of the mean colour, (N, 3)."""
    mean = image.mean((2, 3))
    return mean - mean.roll(-1, dims=1)
