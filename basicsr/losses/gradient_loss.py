"""Terms on the steps between neighbouring pixels.

They are written with shifts, which neither autocast nor TF32 rounds, and act on the difference of both images: a
filter is linear, so it is needed once.
"""

from typing import Literal

from torch import Tensor

from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.loss_util import Reduction, check_choice, check_same_shape, weight_reduce_loss
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY

# In units of the image; rounds the length of the gradient where the image is flat.
_TV_EPS = 1e-3


@LOSS_REGISTRY.register()
class GradientLoss(ImageLoss):
    """L1 on derivatives: mean of |D(p - t)|, in [0, 1] (`difference`) or [0, 2] (`laplacian`).

    Size: 0.2 of the gradient of L1Loss (`sobel` 0.03, `laplacian` 0.13); `loss_weight: 1.2` (8, 2) gives a quarter
    of it.
    Use it for edges and fine texture that L1 leaves soft. Not for colour or brightness: it does not see areas.

    Args:
        operator: `difference` of neighbours, mean over both directions; `sobel`, which looks at 3x3 pixels and at less
            fine detail, divided by 8; `laplacian`, four neighbours against the centre, divided by 4, the finest.
        reduction: over the pixels; `none` is not offered, for the directions differ in size.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        operator: Literal['difference', 'sobel', 'laplacian'] = 'difference',
        reduction: Literal['mean', 'sum'] = 'mean',
    ) -> None:
        super().__init__(loss_weight, reduction)
        check_choice('GradientLoss', 'reduction', reduction, ('mean', 'sum'))
        check_choice('GradientLoss', 'operator', operator, tuple(_OPERATORS))
        self.operator = operator

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W), weight (N, 1 or C, H, W) -> scalar.

        A difference has the weight of its first pixel, the others that of their centre.
        """
        check_same_shape('GradientLoss', pred, target)
        check_size('GradientLoss', pred, 2 if self.operator == 'difference' else 3)
        maps = _OPERATORS[self.operator](pred - target)
        weights = [None if weight is None else _same_pixels(weight, part, self.operator) for part in maps]
        total = sum(weight_reduce_loss(part.abs(), w, self.reduction) for part, w in zip(maps, weights))
        return self.loss_weight * total / len(maps)


@LOSS_REGISTRY.register()
class TVLoss(ImageLoss):
    """Total variation of the prediction alone: mean length of the gradient, sqrt(dx^2 + dy^2 + 1e-6) - 1e-3.

    In [0, 1.4]. The same for edges of all directions; WeightedTVLoss, |dx| + |dy|, prefers horizontal and vertical
    ones.
    Size: 0.3 of the gradient of L1Loss; `loss_weight: 0.8` gives a quarter of it.
    Use it in small doses against noise, with a weight that falls to 0: it has no minimum at the target, and flattens
    texture.
    Source: L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60
    (1992).
    """

    is_full_reference = False

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__(loss_weight, reduction)

    def forward(self, pred: Tensor, weight: Tensor | None = None) -> Tensor:
        """Image (N, C, H, W), weight (N, 1 or C, H, W) -> scalar, or (N, C, H - 1, W - 1) with reduction `none`."""
        check_size('TVLoss', pred, 2)
        down, right = (step[..., : pred.shape[-2] - 1, : pred.shape[-1] - 1] for step in _differences(pred))
        length = (down.square() + right.square() + _TV_EPS**2).sqrt() - _TV_EPS
        weight = None if weight is None else weight[..., :-1, :-1]
        return self.loss_weight * weight_reduce_loss(length, weight, self.reduction)


def check_size(term: str, image: Tensor, smallest: int) -> None:
    """Refuse an image with a side below `smallest` pixels.

    Raises:
        UserError: with its size.
    """
    height, width = image.shape[-2:]
    if min(height, width) < smallest:
        raise UserError(
            f'{term}: images of {height}x{width} pixels are too small; use patches of at least {smallest}x{smallest}'
        )


def _differences(x: Tensor) -> list[Tensor]:
    """Steps downwards, (..., H - 1, W), and to the right, (..., H, W - 1)."""
    return [x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]]


def _sobel(x: Tensor) -> list[Tensor]:
    """Derivatives downwards and to the right, (..., H - 2, W - 2), of a unit slope 1."""
    rows = (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4
    columns = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    return [(columns[..., 2:, :] - columns[..., :-2, :]) / 2, (rows[..., 2:] - rows[..., :-2]) / 2]


def _laplacian(x: Tensor) -> list[Tensor]:
    """Mean of the four neighbours minus the centre, (..., H - 2, W - 2)."""
    vertical = x[..., :-2, 1:-1] + x[..., 2:, 1:-1]
    horizontal = x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return [(vertical + horizontal) / 4 - x[..., 1:-1, 1:-1]]


_OPERATORS = {'difference': _differences, 'sobel': _sobel, 'laplacian': _laplacian}


def _same_pixels(weight: Tensor, part: Tensor, operator: str) -> Tensor:
    """Weights of the pixels that a map of derivatives stands for: the first ones of a step, else the centres."""
    first = 0 if operator == 'difference' else 1
    return weight[..., first : first + part.shape[-2], first : first + part.shape[-1]]
