"""Terms that are made of others, for option files with room for one."""

from typing import Literal

from torch import Tensor, nn

from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.color_loss import ChromaLoss, Space, Where
from basicsr.losses.loss_util import check_reduction, check_same_shape
from basicsr.losses.pixel_loss import L1Loss
from basicsr.losses.ssim_loss import SSIMLoss
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import LOSS_REGISTRY


@LOSS_REGISTRY.register()
class ColorAwareLoss(ImageLoss):
    """l1_weight L1Loss + chroma_weight ChromaLoss + ssim_weight SSIMLoss, one scalar.

    Size: 1.6 times the gradient of L1Loss with the default weights, which give chroma and structure a quarter of its
    gradient each; `loss_weight: 0.16` gives a quarter of it.
    Use it as `pixel_opt` in option files of BasicSR and NAFNet, which know one pixel term. In a list, write the three
    terms instead: each is then logged, and can be weighed and left out on its own.

    Args:
        l1_weight: weight of L1Loss.
        chroma_weight: weight of ChromaLoss; 0 leaves it out.
        ssim_weight: weight of SSIMLoss; 0 leaves it out.
        space: encoding of both images, for chroma and structure.
        where: `saturated` averages the chroma over the pixels where the target is saturated.
        threshold: HSV saturation in [0, 1] from which a target pixel is saturated (and its V is at least 0.1).
    """

    is_anchor = True
    restores_gray = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        reduction: Literal['mean'] = 'mean',
        l1_weight: float = 1.0,
        chroma_weight: float = 0.36,
        ssim_weight: float = 0.067,
        space: Space = 'srgb',
        where: Where = 'all',
        threshold: float = 60 / 255,
    ) -> None:
        check_reduction('ColorAwareLoss', reduction, ('mean',))
        super().__init__(loss_weight, reduction)
        terms = [
            (l1_weight, L1Loss()),
            (chroma_weight, ChromaLoss(space=space, where=where, threshold=threshold)),
            (ssim_weight, SSIMLoss(space=space)),
        ]
        if l1_weight <= 0:
            raise OptionError(f'ColorAwareLoss: l1_weight {l1_weight} is not above 0; chroma and SSIM need an anchor')
        self.weights = [weight for weight, _ in terms if weight != 0]
        self.terms = nn.ModuleList(term for weight, term in terms if weight != 0)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """RGB in [0, 1], (N, 3, H, W) with sides of at least 11 (for SSIM) -> scalar."""
        check_same_shape('ColorAwareLoss', pred, target)
        return self.loss_weight * sum(w * term(pred, target) for w, term in zip(self.weights, self.terms))
