"""Perceptual and style terms on VGG features."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from basicsr.archs.vgg_arch import VGGFeatureExtractor
from basicsr.losses.loss_util import check_same_shape
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.registry import LOSS_REGISTRY

Criterion = Callable[[Tensor, Tensor], Tensor]


@LOSS_REGISTRY.register()
class PerceptualLoss(nn.Module):
    """Distance of VGG features.

    J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution" (2016).

    Args:
        layer_weights: weight of each layer, {'conv5_4': 1.0} when not given; names as in `VGGFeatureExtractor`.
        vgg_type: vgg11, vgg13, vgg16 or vgg19, or one of them with `_bn`.
        use_input_norm: normalise the images as VGG was trained.
        range_norm: images are in [-1, 1], not in [0, 1].
        perceptual_weight: weight of the distance of the features; 0 leaves it out.
        style_weight: weight of the distance of their Gram matrices; 0 leaves it out.
        criterion: distance: `l1`, `l2` (mean squared) or `fro` (Frobenius norm over the whole batch, not a mean).
        loss_weight: multiplies both.
        weights: `pretrained`; `random`, from a fixed seed; `auto`, pretrained where they can be had; or a file.
    """

    def __init__(
        self,
        layer_weights: dict[str, float] | None = None,
        vgg_type: str = 'vgg19',
        use_input_norm: bool = True,
        range_norm: bool = False,
        perceptual_weight: float = 1.0,
        style_weight: float = 0.0,
        criterion: Literal['l1', 'l2', 'fro'] = 'l1',
        loss_weight: float = 1.0,
        weights: str = 'pretrained',
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.perceptual_weight = perceptual_weight
        self.style_weight = style_weight
        self.layer_weights = {'conv5_4': 1.0} if layer_weights is None else dict(layer_weights)
        self.criterion = _criterion(criterion)
        self.vgg = VGGFeatureExtractor(list(self.layer_weights), vgg_type, use_input_norm, range_norm, weights=weights)

    def forward(self, pred: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """RGB (N, 3, H, W) twice -> perceptual and style loss, each None when its weight is 0."""
        check_same_shape('PerceptualLoss', pred, target)
        self._check_size(pred)
        features = self.vgg(pred)
        with torch.no_grad():
            target_features = self.vgg(target)

        perceptual = style = None
        if self.perceptual_weight > 0:
            distance = self._distance(features, target_features)
            perceptual = self.loss_weight * self.perceptual_weight * distance
        if self.style_weight > 0:
            distance = self._distance(_grams(features), _grams(target_features))
            style = self.loss_weight * self.style_weight * distance
        return perceptual, style

    def _distance(self, first: dict[str, Tensor], second: dict[str, Tensor]) -> Tensor:
        return sum(weight * self.criterion(first[name], second[name]) for name, weight in self.layer_weights.items())

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if min(height, width) < self.vgg.min_size:
            raise UserError(
                f'PerceptualLoss: images of {height}x{width} pixels are too small for {", ".join(self.layer_weights)}; '
                f'use patches of at least {self.vgg.min_size}x{self.vgg.min_size}, or a layer of an earlier block'
            )


def gram_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) -> inner products of the channels divided by C H W, (N, C, C)."""
    num, channels, height, width = features.shape
    flat = features.reshape(num, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def _grams(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: gram_matrix(feature) for name, feature in features.items()}


def _criterion(name: str) -> Criterion:
    known = {'l1': F.l1_loss, 'l2': F.mse_loss, 'fro': _frobenius}
    if name not in known:
        raise OptionError(f'PerceptualLoss: criterion {name!r} is not one of {", ".join(known)}')
    return known[name]


def _frobenius(first: Tensor, second: Tensor) -> Tensor:
    return torch.linalg.vector_norm(first - second)
