"""What the terms on images have in common.

The sizes in their docstrings are norms of the gradient at the parameters of the last layer, which predict those of the
whole network; geometric means over states of small networks between the first and some hundredth iteration, on
photographs in [0, 1]. In another run they are off by a factor of 2 or 3 either way.
"""

from torch import Tensor, nn

from basicsr.losses.loss_util import check_reduction, check_same_shape, weight_reduce_loss


class ImageLoss(nn.Module):
    """Base of the terms on images; the attributes tell those who check a list of terms what a term is for.

    Attributes:
        is_full_reference: compares the prediction with the target, and is smallest where both are equal.
        is_anchor: holds brightness, colour and detail to the target, so that one can train on it alone.
        restores_gray: compares colour as a vector: its gradient pulls a grey prediction to the colour of the target.
        dead_at_gray: compares amounts of colour: without gradient at a grey prediction, so it needs one that restores.
    """

    is_full_reference = True
    is_anchor = False
    restores_gray = False
    dead_at_gray = False

    def __init__(self, loss_weight: float = 1.0, reduction: str = 'mean') -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.loss_weight = loss_weight
        self.reduction = reduction


class PixelLoss(ImageLoss):
    """Base of the terms that are a weighted mean of an error of each pixel; subclasses say which error."""

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        """Two images (N, C, H, W) -> (N, C, H, W), or (N, 1, H, W)."""
        raise NotImplementedError

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W), weight (N, 1 or C, H, W) -> scalar, or the error map with reduction `none`."""
        check_same_shape(type(self).__name__, pred, target)
        error = self.error(pred, target)
        if weight is not None and error.shape[1] == 1:
            weight = weight.mean(1, keepdim=True)
        return self.loss_weight * weight_reduce_loss(error, weight, self.reduction)
