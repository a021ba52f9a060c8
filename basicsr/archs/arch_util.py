"""Blocks and initialisers that several networks share."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.init import trunc_normal_
from torch.nn.modules.batchnorm import _BatchNorm

from basicsr.utils.errors import OptionError, UserError

__all__ = [
    'LayerNorm2d',
    'ResidualBlockNoBN',
    'Upsample',
    'default_init_weights',
    'make_layer',
    'pixel_unshuffle',
    'to_1tuple',
    'to_2tuple',
    'to_3tuple',
    'to_4tuple',
    'to_ntuple',
    'trunc_normal_',
]


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of (N, C, H, W), at each pixel by itself (Ba et al., arXiv 1607.06450).

    Half precision is computed in float32. The output has the memory format of the input.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # With channels_last the permuted view is dense, and PyTorch's kernel is the fastest choice. Otherwise it would
        # copy the tensor and leave the output in channels_last: up to a quarter more time per training step.
        if x.is_contiguous(memory_format=torch.channels_last):
            y = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
            return y.permute(0, 3, 1, 2)

        dtype = torch.promote_types(x.dtype, torch.float32)
        y = _NormalizeChannels.apply(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype), self.eps)
        return y.to(x.dtype)


class _NormalizeChannels(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over dimension 1, with its gradient in closed form."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        normed = x - x.mean(1, keepdim=True)
        inv_std = normed.square().mean(1, keepdim=True).add_(eps).rsqrt_()
        normed.mul_(inv_std)
        ctx.save_for_backward(normed, inv_std, weight)
        return torch.addcmul(_per_channel(bias), normed, _per_channel(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        normed, inv_std, weight = ctx.saved_tensors
        grad_normed = grad * normed
        grad_weight, grad_bias = grad_normed.sum((0, 2, 3)), grad.sum((0, 2, 3))

        # With g = grad * weight: dx = (g - mean(g) - normed * mean(g * normed)) / std
        projection = grad_normed.mul_(_per_channel(weight)).mean(1, keepdim=True)
        grad_x = grad * _per_channel(weight)
        grad_x.sub_(grad_x.mean(1, keepdim=True)).addcmul_(normed, projection, value=-1).mul_(inv_std)
        return grad_x, grad_weight, grad_bias, None


def _per_channel(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.view(1, -1, 1, 1)


class ResidualBlockNoBN(nn.Module):
    """conv - ReLU - conv with a skip connection, and no normalisation (Lim et al., EDSR, CVPRW 2017).

    Args:
        num_feat: channels of the input and the output.
        res_scale: factor on the residual branch.
        pytorch_init: keep PyTorch's initialisation; otherwise Kaiming's, scaled by 0.1.
    """

    def __init__(self, num_feat: int = 64, res_scale: float = 1.0, pytorch_init: bool = False) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        if not pytorch_init:
            default_init_weights([self.conv1, self.conv2], 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(self.relu(self.conv1(x))) * self.res_scale


class Upsample(nn.Sequential):
    """Enlarge (N, num_feat, H, W) `scale` times by convolutions and pixel shuffles (Shi et al., CVPR 2016).

    Raises:
        OptionError: when `scale` is neither 3 nor a power of 2.
    """

    def __init__(self, scale: int, num_feat: int) -> None:
        if scale == 3:
            factors = [3]
        elif scale > 0 and scale & (scale - 1) == 0:
            factors = [2] * (scale.bit_length() - 1)
        else:
            raise OptionError(f'Upsample: scale must be 3 or a power of 2, got {scale}')

        steps = ((nn.Conv2d(num_feat, factor**2 * num_feat, 3, 1, 1), nn.PixelShuffle(factor)) for factor in factors)
        super().__init__(*(layer for step in steps for layer in step))


@torch.no_grad()
def default_init_weights(
    module_list: nn.Module | Iterable[nn.Module], scale: float = 1, bias_fill: float = 0, **kwargs: Any
) -> None:
    """Initialise all convolutions and linear layers by Kaiming's normal rule, and batch norms by ones, in place.

    Args:
        module_list: the modules; their submodules are included.
        scale: factor on the weights of convolutions and linear layers; small for residual blocks (Wang et al., ESRGAN).
        bias_fill: value of every bias.
        kwargs: arguments of `torch.nn.init.kaiming_normal_`.
    """
    roots = [module_list] if isinstance(module_list, nn.Module) else module_list
    for module in (layer for root in roots for layer in root.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, **kwargs).mul_(scale)
        elif isinstance(module, _BatchNorm) and module.affine:
            module.weight.fill_(1)
        else:
            continue
        if module.bias is not None:
            module.bias.fill_(bias_fill)


def make_layer(basic_block: Callable[..., nn.Module], num_basic_block: int, **kwarg: Any) -> nn.Sequential:
    """Stack `num_basic_block` blocks, each built as `basic_block(**kwarg)`."""
    return nn.Sequential(*(basic_block(**kwarg) for _ in range(num_basic_block)))


def pixel_unshuffle(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Move each `scale` x `scale` cell into the channels: (N, C, H, W) -> (N, C * scale**2, H / scale, W / scale).

    Raises:
        UserError: when `scale` does not divide the height and the width.
    """
    if x.shape[-2] % scale or x.shape[-1] % scale:
        raise UserError(
            f'pixel_unshuffle: {x.shape[-2]}x{x.shape[-1]} is not divisible by {scale}; pad or crop the input'
        )
    return F.pixel_unshuffle(x, scale)


def to_ntuple(n: int) -> Callable[[Any], tuple]:
    """Return a function that makes a tuple of an iterable, and repeats anything else `n` times."""

    def to_tuple(value: Any) -> tuple:
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    return to_tuple


to_1tuple = to_ntuple(1)
to_2tuple = to_ntuple(2)
to_3tuple = to_ntuple(3)
to_4tuple = to_ntuple(4)
