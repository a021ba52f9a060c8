"""Terms that compare two images pixel by pixel, and total variation."""

import math
from typing import Literal

from torch import Tensor, nn

from basicsr.color import rgb_to_ycbcr
from basicsr.losses.loss_util import Reduction, check_reduction, check_same_shape, weighted_loss
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


class PixelLoss(nn.Module):
    """Base of the terms that are a weighted mean of a per-pixel error; subclasses say which error."""

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.loss_weight = loss_weight
        self.reduction = reduction

    def error(self, pred: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        """Weighted and reduced error of two images of one shape."""
        raise NotImplementedError

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W), weight (N, 1 or C, H, W) -> scalar, or a map with reduction `none`."""
        check_same_shape(type(self).__name__, pred, target)
        return self.loss_weight * self.error(pred, target, weight, self.reduction)


@LOSS_REGISTRY.register()
class L1Loss(PixelLoss):
    """Mean absolute error; the reference that the other terms' weights are relative to."""

    error = staticmethod(l1_loss)


@LOSS_REGISTRY.register()
class MSELoss(PixelLoss):
    """Mean squared error. Its gradient shrinks with the error, so beside other terms it fades during a run."""

    error = staticmethod(mse_loss)


@LOSS_REGISTRY.register()
class CharbonnierLoss(PixelLoss):
    """L1, rounded at 0: sqrt((pred - target)^2 + eps).

    Args:
        eps: inside the root, as in BasicSR: the error below which it turns quadratic is sqrt(eps).
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean', eps: float = 1e-12) -> None:
        super().__init__(loss_weight, reduction)
        self.eps = eps

    def error(self, pred: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        return charbonnier_loss(pred, target, weight, reduction, eps=self.eps)


@LOSS_REGISTRY.register()
class PSNRLoss(nn.Module):
    """Negative PSNR in dB, mean over images, as NAFNet trains with: loss_weight * 10 log10(MSE + 1e-8).

    The value is negative. Its gradient is about 140 times that of L1: beside other terms use a weight near 0.002.

    Args:
        toY: compare BasicSR's luma (BT.601, studio swing) in place of RGB.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Literal['mean'] = 'mean', toY: bool = False) -> None:
        super().__init__()
        check_reduction('PSNRLoss', reduction, ('mean',))
        self.loss_weight = loss_weight
        self.toY = toY

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """RGB in [0, 1], (N, 3, H, W) -> scalar."""
        check_same_shape('PSNRLoss', pred, target)
        if self.toY:
            pred, target = (rgb_to_ycbcr(image, range='studio')[:, :1] for image in (pred, target))
        mse = (pred - target).square().mean(dim=(1, 2, 3))
        return self.loss_weight * 10 / math.log(10) * (mse + 1e-8).log().mean()


@LOSS_REGISTRY.register()
class WeightedTVLoss(nn.Module):
    """Total variation, of the prediction alone: mean step between vertical neighbours plus that between horizontal."""

    def __init__(self, loss_weight: float = 1.0, reduction: Literal['mean', 'sum'] = 'mean') -> None:
        super().__init__()
        check_reduction('WeightedTVLoss', reduction, ('mean', 'sum'))
        self.loss_weight = loss_weight
        self.reduction = reduction

    def forward(self, pred: Tensor, weight: Tensor | None = None) -> Tensor:
        """Image (N, C, H, W), weight (N, 1 or C, H, W) -> scalar. A step has the weight of its first pixel."""
        total = 0.0
        for dim in (-2, -1):
            steps = pred.shape[dim] - 1
            first, second = pred.narrow(dim, 0, steps), pred.narrow(dim, 1, steps)
            weight_of_first = None if weight is None else weight.narrow(dim, 0, steps)
            total = total + l1_loss(first, second, weight_of_first, self.reduction)
        return self.loss_weight * total
