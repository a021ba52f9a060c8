"""Structural similarity, of one scale and of several."""

import logging
from typing import Literal

from torch import Tensor

from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.fused_ssim import SCALE_WEIGHTS, ms_ssim_per_channel, num_scales_of, ssim_per_channel
from basicsr.losses.loss_util import Reduction, check_choice, check_same_shape, reduce_loss
from basicsr.losses.shared_conversions import encoded
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.ssim_window import WINDOW


class _SimilarityLoss(ImageLoss):
    """1 - a similarity of each image."""

    def __init__(self, loss_weight: float, space: str, reduction: str) -> None:
        super().__init__(loss_weight, reduction)
        check_choice(type(self).__name__, 'space', space, ('srgb', 'linear'))
        self.space = space

    def similarity(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images in [0, 1], (N, C, H, W) -> (N, C)."""
        raise NotImplementedError

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Images in [0, 1], (N, C, H, W) with sides of at least 11 -> scalar, or (N,) with reduction `none`."""
        name = type(self).__name__
        check_same_shape(name, pred, target)
        height, width = pred.shape[-2:]
        if min(height, width) < WINDOW:
            raise UserError(
                f'{name}: images of {height}x{width} pixels are smaller than its {WINDOW}x{WINDOW} window; '
                f'use patches of at least {WINDOW}x{WINDOW}, or remove this term'
            )
        similarity = self.similarity(encoded(pred, self.space), encoded(target, self.space))
        return self.loss_weight * reduce_loss(1 - similarity.mean(1), self.reduction)


@LOSS_REGISTRY.register()
class SSIMLoss(_SimilarityLoss):
    """1 - SSIM, mean over windows, channels and images, in [0, 2].

    Size: 4 times the gradient of L1Loss; `loss_weight: 0.067` gives a quarter of it.
    Use it for local contrast and texture, which L1 blurs. Not for colour: the channels are compared one by one, and a
    tint of flat areas hardly counts.
    Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Transactions on Image Processing 13 (2004).

    Args:
        space: `linear` images are sRGB-encoded first.
        reduction: over the images.
    """

    def __init__(
        self, loss_weight: float = 1.0, space: Literal['srgb', 'linear'] = 'srgb', reduction: Reduction = 'mean'
    ) -> None:
        super().__init__(loss_weight, space, reduction)

    def similarity(self, pred: Tensor, target: Tensor) -> Tensor:
        return ssim_per_channel(pred, target)


@LOSS_REGISTRY.register()
class MSSSIMLoss(_SimilarityLoss):
    """1 - MS-SSIM, the product of the contrast and structure of up to five scales and of the coarsest one's SSIM.

    In [0, 1]. A scale's similarity s below 0.1 goes on as 0.1 exp(s / 0.1 - 1): defined, and with a gradient, even
    where it is negative. Five scales need sides above 160 pixels, four above 80, three above 40, two above 20; with
    fewer, the exponents are scaled to the same sum, and the log says so once.
    Size: 2 times the gradient of L1Loss; `loss_weight: 0.11` gives a quarter of it.
    Use it as SSIMLoss, where larger structures and local contrast matter too. Not for exact brightness or colour,
    which only the coarsest scale sees.
    Source: Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality assessment",
    Asilomar Conference on Signals, Systems and Computers (2003).

    Args:
        space: `linear` images are sRGB-encoded first.
        reduction: over the images.
    """

    def __init__(
        self, loss_weight: float = 1.0, space: Literal['srgb', 'linear'] = 'srgb', reduction: Reduction = 'mean'
    ) -> None:
        super().__init__(loss_weight, space, reduction)
        self._said_fewer_scales = False

    def similarity(self, pred: Tensor, target: Tensor) -> Tensor:
        num_scales = num_scales_of(*pred.shape[-2:])
        if num_scales < len(SCALE_WEIGHTS) and not self._said_fewer_scales:
            self._said_fewer_scales = True
            logging.getLogger('basicsr').info(
                'MSSSIMLoss: patches of %dx%d pixels have room for %d of its %d scales; it uses those',
                *pred.shape[-2:],
                num_scales,
                len(SCALE_WEIGHTS),
            )
        return ms_ssim_per_channel(pred, target, num_scales)
