"""Perceptual and style terms on VGG features."""

import os
import weakref
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from basicsr.archs.vgg_arch import VGGFeatureExtractor
from basicsr.losses.base_loss import ImageLoss
from basicsr.losses.loss_util import check_choice, check_same_shape
from basicsr.losses.shared_conversions import encoded, shared
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY

Criterion = Callable[[Tensor, Tensor], Tensor]

# Terms of equal settings hold one frozen network; it goes with the last of them.
_networks: weakref.WeakValueDictionary[tuple, VGGFeatureExtractor] = weakref.WeakValueDictionary()


class _FeatureLoss(ImageLoss):
    """Base of the terms that compare VGG features."""

    def __init__(
        self,
        loss_weight: float,
        layer_weights: dict[str, float],
        vgg_type: str,
        use_input_norm: bool,
        range_norm: bool,
        criterion: str,
        weights: str,
        space: str,
    ) -> None:
        super().__init__(loss_weight)
        name = type(self).__name__
        check_choice(name, 'criterion', criterion, tuple(_CRITERIA))
        check_choice(name, 'space', space, ('srgb', 'linear'))
        self.space = space
        self.layer_weights = dict(layer_weights)
        self.criterion = _CRITERIA[criterion]
        self.vgg = _network(tuple(self.layer_weights), vgg_type, use_input_norm, range_norm, weights)

    def features(self, pred: Tensor, target: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Features of both images, by layer; those of the target without gradient."""
        name = type(self).__name__
        check_same_shape(name, pred, target)
        height, width = pred.shape[-2:]
        if min(height, width) < self.vgg.min_size:
            raise UserError(
                f'{name}: images of {height}x{width} pixels are too small for {", ".join(self.layer_weights)}; '
                f'use patches of at least {self.vgg.min_size}x{self.vgg.min_size}, or a layer of an earlier block'
            )
        features = shared(self.vgg, encoded(pred, self.space))
        with torch.no_grad():
            return features, shared(self.vgg, encoded(target, self.space))

    def distance(self, first: dict[str, Tensor], second: dict[str, Tensor]) -> Tensor:
        """Weighted sum over the layers."""
        return sum(weight * self.criterion(first[name], second[name]) for name, weight in self.layer_weights.items())


@LOSS_REGISTRY.register()
class PerceptualLoss(_FeatureLoss):
    """Distance of VGG features, at least 0, and of their Gram matrices.

    Size: that of the features, which grow from layer to layer and differ between networks; weights of 0.01 to 0.1 are
    common with the default layer. Set it by its share of the gradient.
    Use it for texture and structure as people see them, at half the cost of a step again. Not for colour: features
    weigh structure over colour.
    Source: J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution"
    (2016).

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
        space: `linear` images are sRGB-encoded first.
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
        space: Literal['srgb', 'linear'] = 'srgb',
    ) -> None:
        layers = {'conv5_4': 1.0} if layer_weights is None else layer_weights
        super().__init__(loss_weight, layers, vgg_type, use_input_norm, range_norm, criterion, weights, space)
        self.perceptual_weight = perceptual_weight
        self.style_weight = style_weight

    def forward(self, pred: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """RGB (N, 3, H, W) twice -> perceptual and style loss, each None when its weight is 0."""
        features, target_features = self.features(pred, target)
        perceptual = style = None
        if self.perceptual_weight > 0:
            distance = self.distance(features, target_features)
            perceptual = self.loss_weight * self.perceptual_weight * distance
        if self.style_weight > 0:
            distance = self.distance(_grams(features), _grams(target_features))
            style = self.loss_weight * self.style_weight * distance
        return perceptual, style


@LOSS_REGISTRY.register()
class StyleLoss(_FeatureLoss):
    """Distance of the Gram matrices of VGG features: which features occur together, not where; at least 0.

    Size: that of the features squared, divided by their number; it depends on the layers. Set it by its share of the
    gradient.
    Use it for texture and grain where exact places do not matter. Not for structure. Beside a PerceptualLoss of the
    same layers it is nearly free, for the features are computed once.
    Source: L. Gatys, A. Ecker, M. Bethge, "Image style transfer using convolutional neural networks" (2016), equations
    3 to 5, with the normalisation of J. Johnson et al. (2016).

    Args:
        layer_weights: weight of each layer; when not given, 0.2 for the first ReLU of each block.
        vgg_type: vgg11, vgg13, vgg16 or vgg19, or one of them with `_bn`.
        use_input_norm: normalise the images as VGG was trained.
        range_norm: images are in [-1, 1], not in [0, 1].
        criterion: distance: `l1`, `l2` (mean squared) or `fro` (Frobenius norm over the whole batch, not a mean).
        weights: `pretrained`; `random`, from a fixed seed; `auto`, pretrained where they can be had; or a file.
        space: `linear` images are sRGB-encoded first.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        layer_weights: dict[str, float] | None = None,
        vgg_type: str = 'vgg19',
        use_input_norm: bool = True,
        range_norm: bool = False,
        criterion: Literal['l1', 'l2', 'fro'] = 'l1',
        weights: str = 'pretrained',
        space: Literal['srgb', 'linear'] = 'srgb',
    ) -> None:
        layers = {f'relu{block}_1': 0.2 for block in range(1, 6)} if layer_weights is None else layer_weights
        super().__init__(loss_weight, layers, vgg_type, use_input_norm, range_norm, criterion, weights, space)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """RGB (N, 3, H, W) twice -> scalar."""
        features, target_features = self.features(pred, target)
        return self.loss_weight * self.distance(_grams(features), _grams(target_features))


def gram_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) -> inner products of the channels divided by C H W, (N, C, C)."""
    num, channels, height, width = features.shape
    flat = features.reshape(num, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def _grams(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: gram_matrix(feature) for name, feature in features.items()}


def _network(
    layers: tuple[str, ...], vgg_type: str, use_input_norm: bool, range_norm: bool, weights: str
) -> VGGFeatureExtractor:
    """The network that a term of these settings already holds, or a new one."""
    is_file = weights not in ('pretrained', 'auto', 'random')
    source = os.path.abspath(weights) if is_file else weights
    key = (frozenset(layers), vgg_type, use_input_norm, range_norm, source)
    network = _networks.get(key)
    if network is None:
        network = VGGFeatureExtractor(list(layers), vgg_type, use_input_norm, range_norm, weights=weights)
        _networks[key] = network
    return network


def _frobenius(first: Tensor, second: Tensor) -> Tensor:
    return torch.linalg.vector_norm(first - second)


_CRITERIA: dict[str, Criterion] = {'l1': F.l1_loss, 'l2': F.mse_loss, 'fro': _frobenius}
