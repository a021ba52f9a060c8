"""Terms that compare two images pixel by pixel, and BasicSR's total variation."""

import math
from typing import Literal

from torch import Tensor

from basicsr.color import rgb_to_ycbcr
from basicsr.losses.base_loss import ImageLoss, PixelLoss
from basicsr.losses.loss_util import Reduction, check_reduction, check_same_shape, weighted_loss
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY


@weighted_loss
def l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """|pred - target|."""
    return (pred - target).abs()


@weighted_loss
def mse_loss(pred: Tensor, target: Tensor) -> Tensor:
    """(pred - target)^2."""
    return (pred - target).square()


@weighted_loss
def charbonnier_loss(pred: Tensor, target: Tensor, eps: float = 1e-12) -> Tensor:
    """sqrt((pred - target)^2 + eps)."""
    return ((pred - target).square() + eps).sqrt()


@LOSS_REGISTRY.register()
class L1Loss(PixelLoss):
    """Mean absolute error, |p - t|, in [0, 1].

    Size: the reference. Every other docstring compares the gradient at the last layer's parameters with this one's.
    Use it as the anchor of a list. It is a mean over pixels, so it barely feels colours that are rare.
    """

    is_anchor = True

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        return l1_loss(pred, target, reduction='none')


@LOSS_REGISTRY.register()
class MSELoss(PixelLoss):
    """Mean squared error, (p - t)^2, in [0, 1].

    Size: 0.3 of the gradient of L1Loss, falling with the error; `loss_weight: 0.85` gives a quarter of it at first.
    Use it to punish large errors. Not beside other terms with fixed weights: it fades during a run.
    """

    is_anchor = True

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        return mse_loss(pred, target, reduction='none')


@LOSS_REGISTRY.register()
class CharbonnierLoss(PixelLoss):
    """L1, rounded at 0: sqrt((p - t)^2 + eps), from sqrt(eps) to 1.

    Size: that of L1Loss for errors above sqrt(eps); `loss_weight: 0.25` gives a quarter of it.
    Use it as L1Loss, where the last steps should be smooth; common values of `eps` are 1e-6 and 1e-12.
    Source: P. Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging",
    International Conference on Image Processing (1994).

    Args:
        eps: inside the root, as in BasicSR: the error below which it turns quadratic is sqrt(eps).
    """

    is_anchor = True

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean', eps: float = 1e-12) -> None:
        super().__init__(loss_weight, reduction)
        self.eps = eps

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        return charbonnier_loss(pred, target, reduction='none', eps=self.eps)


@LOSS_REGISTRY.register()
class HuberLoss(PixelLoss):
    """Quadratic below `delta`, linear above: d^2 / (2 delta) for d = |p - t| < delta, else d - delta / 2; in [0, 1].

    It is Huber's function divided by `delta`, which makes its slope that of L1Loss.
    Size: that of L1Loss for errors above `delta`; `loss_weight: 0.25` gives a quarter of it.
    Use it as L1Loss, where errors below `delta` are noise that should not be chased.
    Source: P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    Args:
        delta: an error, in units of the image.
    """

    is_anchor = True

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean', delta: float = 0.01) -> None:
        super().__init__(loss_weight, reduction)
        if delta <= 0:
            raise OptionError(f'HuberLoss: delta {delta} is not above 0; L1Loss is the limit of small ones')
        self.delta = delta

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        # With q = min(d, delta) both branches are (d - q / 2) q / delta.
        distance = (pred - target).abs()
        quadratic = distance.clamp(max=self.delta)
        return (distance - quadratic / 2) * quadratic / self.delta


@LOSS_REGISTRY.register()
class PSNRLoss(ImageLoss):
    """Negative PSNR in dB, mean over images, as NAFNet trains with: 10 log10(MSE + 1e-8); from -80 to 0.

    Size: 140 times the gradient of L1Loss, more as the error falls; `loss_weight: 0.002` gives a quarter of it.
    Use it alone, for PSNR: its scale then does not matter. Beside other terms it takes over late in a run, and within a
    batch the images that are already good take over.
    Source: L. Chen, X. Chu, X. Zhang, J. Sun, "Simple baselines for image restoration" (2022).

    Args:
        toY: compare BasicSR's luma (BT.601, studio swing) in place of RGB.
    """

    is_anchor = True

    def __init__(self, loss_weight: float = 1.0, reduction: Literal['mean'] = 'mean', toY: bool = False) -> None:
        check_reduction('PSNRLoss', reduction, ('mean',))
        super().__init__(loss_weight, reduction)
        self.toY = toY

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """RGB in [0, 1], (N, 3, H, W) -> scalar."""
        check_same_shape('PSNRLoss', pred, target)
        if self.toY:
            pred, target = (rgb_to_ycbcr(image, range='studio')[:, :1] for image in (pred, target))
        mse = (pred - target).square().mean(dim=(1, 2, 3))
        return self.loss_weight * 10 / math.log(10) * (mse + 1e-8).log().mean()


@LOSS_REGISTRY.register()
class WeightedTVLoss(ImageLoss):
    """Total variation, of the prediction alone: mean step between vertical neighbours plus that between horizontal.

    In [0, 2]. Size: 0.5 of the gradient of L1Loss; `loss_weight: 0.5` gives a quarter of it.
    Use it in small doses against noise, with a weight that falls to 0: it flattens texture. TVLoss treats all
    directions alike.
    """

    is_full_reference = False

    def __init__(self, loss_weight: float = 1.0, reduction: Literal['mean', 'sum'] = 'mean') -> None:
        check_reduction('WeightedTVLoss', reduction, ('mean', 'sum'))
        super().__init__(loss_weight, reduction)

    def forward(self, pred: Tensor, weight: Tensor | None = None) -> Tensor:
        """Image (N, C, H, W), weight (N, 1 or C, H, W) -> scalar. A step has the weight of its first pixel."""
        total = 0.0
        for dim in (-2, -1):
            steps = pred.shape[dim] - 1
            first, second = pred.narrow(dim, 0, steps), pred.narrow(dim, 1, steps)
            weight_of_first = None if weight is None else weight.narrow(dim, 0, steps)
            total = total + l1_loss(first, second, weight_of_first, self.reduction)
        return self.loss_weight * total
