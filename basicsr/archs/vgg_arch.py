"""VGG features for perceptual losses."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from basicsr.archs.vgg_weights import load_vgg_weights, torchvision_model
from basicsr.utils.errors import OptionError, suggest
from basicsr.utils.registry import ARCH_REGISTRY

# K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition" (2014), table 1:
# number of convolutions in each of the five blocks.
BLOCKS = {'vgg11': (1, 1, 2, 2, 2), 'vgg13': (2, 2, 2, 2, 2), 'vgg16': (2, 2, 3, 3, 3), 'vgg19': (2, 2, 4, 4, 4)}

# What torchvision's weights were trained with, for RGB in [0, 1].
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@ARCH_REGISTRY.register()
class VGGFeatureExtractor(nn.Module):
    """Features of chosen VGG layers; frozen unless `requires_grad`.

    Args:
        layer_name_list: `conv{b}_{i}`, `relu{b}_{i}`, `pool{b}`, and `bn{b}_{i}` for types ending in `_bn`. A `conv`
            feature is the one before its ReLU. Layers above the last one named are not built.
        vgg_type: vgg11, vgg13, vgg16 or vgg19, or one of them with `_bn`.
        use_input_norm: normalise RGB in [0, 1] by the mean and deviation of ImageNet.
        range_norm: the input is in [-1, 1]; bring it to [0, 1] first.
        remove_pooling: leave the pooling layers out.
        pooling_stride: stride of the 2x2 pooling.
        weights: `pretrained`, `auto`, `random` or a file: see `load_vgg_weights`.
    """

    def __init__(
        self,
        layer_name_list: list[str],
        vgg_type: str = 'vgg19',
        use_input_norm: bool = True,
        range_norm: bool = False,
        requires_grad: bool = False,
        remove_pooling: bool = False,
        pooling_stride: int = 2,
        weights: str = 'pretrained',
    ) -> None:
        super().__init__()
        names = [name for name in layer_names(vgg_type) if not (remove_pooling and name.startswith('pool'))]
        _check_layers(layer_name_list, names, vgg_type)
        self.layer_name_list = list(layer_name_list)
        self.use_input_norm = use_input_norm
        self.range_norm = range_norm
        self.requires_grad = requires_grad

        last = max(names.index(name) for name in layer_name_list)
        self.vgg_net = _build_layers(vgg_type, names[: last + 1], layer_name_list, pooling_stride, weights)
        self.vgg_net.requires_grad_(requires_grad)
        num_pools = sum(name.startswith('pool') for name in names[: last + 1])
        self.min_size = _min_size(num_pools, pooling_stride)

        self.register_buffer('mean', torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.train(requires_grad)

    def train(self, mode: bool = True) -> 'VGGFeatureExtractor':
        """Switch modes; a frozen network stays in evaluation mode, whatever the module that holds it does."""
        return super().train(mode and self.requires_grad)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """RGB (N, 3, H, W), sides of at least `min_size` -> {layer name: features}."""
        if self.range_norm:
            x = (x + 1) / 2
        if self.use_input_norm:
            x = (x - self.mean) / self.std
        features = {}
        for name, layer in self.vgg_net.named_children():
            x = layer(x)
            if name in self.layer_name_list:
                features[name] = x
        return features


def layer_names(vgg_type: str) -> list[str]:
    """Names of all layers of a VGG, in order.

    Raises:
        OptionError: for an unknown type.
    """
    known = [*BLOCKS, *(f'{base}_bn' for base in BLOCKS)]
    if vgg_type not in known:
        raise OptionError(f'vgg_type {vgg_type!r} is not one of {", ".join(known)}{suggest(vgg_type, known)}')
    kinds = ('conv', 'bn', 'relu') if vgg_type.endswith('_bn') else ('conv', 'relu')
    names = []
    for block, num_convs in enumerate(BLOCKS[vgg_type.removesuffix('_bn')], start=1):
        names += [f'{kind}{block}_{i}' for i in range(1, num_convs + 1) for kind in kinds]
        names.append(f'pool{block}')
    return names


def _build_layers(
    vgg_type: str, names: list[str], wanted: list[str], pooling_stride: int, weights: str
) -> nn.Sequential:
    """Layers `names` of a VGG; a ReLU that follows a wanted layer must leave that feature as it is."""
    model = torchvision_model(vgg_type)
    model.load_state_dict(load_vgg_weights(vgg_type, weights), strict=False, assign=True)
    layers = OrderedDict()
    previous = None
    for name, layer in zip(layer_names(vgg_type), model.features):
        if name not in names:
            continue
        if isinstance(layer, nn.MaxPool2d):
            layer = nn.MaxPool2d(kernel_size=2, stride=pooling_stride)
        elif isinstance(layer, nn.ReLU):
            layer = nn.ReLU(inplace=previous not in wanted)
        layers[name] = layer
        previous = name
    return nn.Sequential(layers)


def _check_layers(wanted: list[str], names: list[str], vgg_type: str) -> None:
    if not wanted:
        raise OptionError(f'{vgg_type}: no layers are named; the last convolution is {_last_conv(names)}')
    for name in wanted:
        if name not in names:
            near = suggest(name, names)
            raise OptionError(f'{vgg_type} has no layer {name!r}{near}; its last convolution is {_last_conv(names)}')


def _last_conv(names: list[str]) -> str:
    return [name for name in names if name.startswith('conv')][-1]


def _min_size(num_pools: int, stride: int) -> int:
    """Smallest side of which every pooling still gives one pixel."""
    size = 1
    for _ in range(num_pools):
        size = (size - 1) * stride + 2
    return size
