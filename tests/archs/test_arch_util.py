"""LayerNorm2d is judged by F.layer_norm on rows and by numerical gradients, the initialisers by their statistics."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from basicsr.archs.arch_util import (
    LayerNorm2d,
    ResidualBlockNoBN,
    Upsample,
    default_init_weights,
    make_layer,
    pixel_unshuffle,
    to_2tuple,
    to_3tuple,
    to_ntuple,
    trunc_normal_,
)
from basicsr.utils.errors import OptionError, UserError

FORMATS = pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])


def _norm(channels: int, dtype: torch.dtype = torch.float32) -> LayerNorm2d:
    norm = LayerNorm2d(channels).to(dtype)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2.0)
        norm.bias.normal_()
    return norm


def _judge(x: torch.Tensor, norm: LayerNorm2d) -> torch.Tensor:
    """One row per pixel, so that the reference knows nothing of channels in front."""
    n, c, h, w = x.shape
    rows = torch.stack([x[:, channel].reshape(-1) for channel in range(c)], dim=1)
    rows = F.layer_norm(rows, (c,), norm.weight, norm.bias, 1e-6)
    return torch.stack([rows[:, channel].reshape(n, h, w) for channel in range(c)], dim=1)


@FORMATS
def test_layer_norm_values_and_gradients(memory_format):
    torch.manual_seed(0)
    norm = _norm(6)
    start = (torch.randn(2, 6, 5, 7) * 3 + 4).contiguous(memory_format=memory_format)
    grad = torch.randn(2, 6, 5, 7).contiguous(memory_format=memory_format)

    results = []
    for function in (norm, lambda x: _judge(x, norm)):
        x = start.clone().requires_grad_()
        y = function(x)
        results.append((y, *torch.autograd.grad(y, (x, norm.weight, norm.bias), grad)))
    for ours, expected in zip(*results):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert results[0][0].is_contiguous(memory_format=memory_format)


def test_layer_norm_of_two_known_channels():
    # mean 3, variance 1: the normalised values are -1 and 1, up to eps = 1e-6.
    norm = LayerNorm2d(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([10.0, 100.0]))
        norm.bias.copy_(torch.tensor([1.0, 2.0]))
    y = norm(torch.tensor([2.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3))
    torch.testing.assert_close(y[0, :, 1, 1], torch.tensor([-9.0, 102.0]), rtol=1e-5, atol=0)


def test_layer_norm_of_equal_channels_is_the_bias():
    norm = _norm(4)
    x = torch.full((1, 4, 3, 3), 7.0, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    torch.testing.assert_close(y, norm.bias.view(1, 4, 1, 1).expand(1, 4, 3, 3))
    assert torch.isfinite(x.grad).all()


@FORMATS
def test_layer_norm_gradcheck(memory_format):
    torch.manual_seed(0)
    norm = _norm(5, torch.float64)
    x = torch.randn(2, 5, 3, 2, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()

    def function(x, weight, bias):
        return torch.func.functional_call(norm, {'weight': weight, 'bias': bias}, (x,))

    assert torch.autograd.gradcheck(function, (x, norm.weight, norm.bias))


@FORMATS
def test_layer_norm_computes_half_precision_in_float32(memory_format):
    torch.manual_seed(0)
    norm = _norm(16).bfloat16().float()
    x = (torch.randn(1, 16, 6, 5) + 20).to(torch.bfloat16).contiguous(memory_format=memory_format)
    expected = _judge(x.float(), norm)

    # Only the result is rounded, to 8 significant bits; computing in bfloat16 would be wrong in the first.
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(norm(x).float(), expected, rtol=1.01 * 2**-8, atol=1e-5)
    in_bfloat16 = norm.bfloat16()(x)
    assert in_bfloat16.dtype == torch.bfloat16
    torch.testing.assert_close(in_bfloat16.float(), expected, rtol=1.01 * 2**-8, atol=1e-5)


@FORMATS
def test_layer_norm_survives_float16_where_squares_overflow(memory_format):
    norm = _norm(3)
    x = (
        torch.tensor([-6e4, 0.0, 6e4])
        .half()
        .view(1, 3, 1, 1)
        .repeat(1, 1, 4, 4)
        .contiguous(memory_format=memory_format)
    )
    with torch.autocast('cpu', torch.float16):
        torch.testing.assert_close(norm(x).float(), _judge(x.float(), norm), rtol=1.01 * 2**-11, atol=1e-4)


def test_default_init_weights_follows_he_et_al():
    # He et al., ICCV 2015: standard deviation sqrt(2 / fan_in).
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.Linear(512, 256), nn.PReLU())
    default_init_weights(layers, scale=0.1, bias_fill=0.5)

    assert layers[0].weight.std().item() == pytest.approx(0.1 * math.sqrt(2 / (64 * 9)), rel=0.02)
    assert layers[2].weight.std().item() == pytest.approx(0.1 * math.sqrt(2 / 512), rel=0.02)
    for layer in layers[:3]:
        assert layer.bias.eq(0.5).all()
    assert layers[1].weight.eq(1).all()
    assert layers[3].weight.eq(0.25).all()


def test_default_init_weights_takes_lists_and_arguments_of_kaiming_normal():
    torch.manual_seed(0)
    linear, conv = nn.Linear(400, 300), nn.Conv2d(32, 32, 3, bias=False)
    default_init_weights([linear, conv], mode='fan_out', nonlinearity='linear')
    assert linear.weight.std().item() == pytest.approx(math.sqrt(1 / 300), rel=0.02)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(1 / (32 * 9)), rel=0.03)
    assert linear.weight.requires_grad


def test_residual_block_adds_the_scaled_branch():
    torch.manual_seed(0)
    block = make_layer(ResidualBlockNoBN, 2, num_feat=4, res_scale=0.5, pytorch_init=True)
    x = torch.randn(1, 4, 6, 6)
    expected = x
    for part in block:
        inner = F.conv2d(expected, part.conv1.weight, part.conv1.bias, padding=1).clamp(min=0)
        expected = expected + 0.5 * F.conv2d(inner, part.conv2.weight, part.conv2.bias, padding=1)
    torch.testing.assert_close(block(x.clone()), expected)
    assert len(block) == 2 and block[0] is not block[1]


def test_residual_block_starts_small():
    torch.manual_seed(0)
    weight = ResidualBlockNoBN(64).conv1.weight
    assert weight.std().item() == pytest.approx(0.1 * math.sqrt(2 / (64 * 9)), rel=0.02)


@pytest.mark.parametrize(
    ('scale', 'weights'),
    [
        (1, {}),
        (2, {'0.weight': (16, 4, 3, 3)}),
        (3, {'0.weight': (36, 4, 3, 3)}),
        (8, {'0.weight': (16, 4, 3, 3), '2.weight': (16, 4, 3, 3), '4.weight': (16, 4, 3, 3)}),
    ],
)
def test_upsample(scale, weights):
    upsample = Upsample(scale, 4)
    assert {k: tuple(v.shape) for k, v in upsample.state_dict().items() if k.endswith('weight')} == weights
    assert upsample(torch.zeros(1, 4, 5, 6)).shape == (1, 4, 5 * scale, 6 * scale)


@pytest.mark.parametrize('scale', [0, 5, 6, -2])
def test_upsample_refuses_other_scales(scale):
    with pytest.raises(OptionError, match=f'scale must be 3 or a power of 2, got {scale}'):
        Upsample(scale, 4)


@pytest.mark.parametrize('scale', [2, 3])
def test_pixel_unshuffle_gathers_cells_and_is_undone_by_pixel_shuffle(scale):
    x = torch.arange(2 * 3 * 6 * 12.0).view(2, 3, 6, 12)
    y = pixel_unshuffle(x, scale)
    # Channel c, row offset i, column offset j land in channel (c * scale + i) * scale + j.
    for c, i, j in np.ndindex(3, scale, scale):
        torch.testing.assert_close(y[:, (c * scale + i) * scale + j], x[:, c, i::scale, j::scale])
    torch.testing.assert_close(F.pixel_shuffle(y, scale), x)


def test_pixel_unshuffle_refuses_sizes_that_do_not_divide():
    with pytest.raises(UserError, match='6x7 is not divisible by 2'):
        pixel_unshuffle(torch.zeros(1, 3, 6, 7), 2)


def test_tuples():
    assert to_2tuple(3) == (3, 3)
    assert to_2tuple([4, 5]) == (4, 5)
    assert to_3tuple(0.5) == (0.5, 0.5, 0.5)
    assert to_ntuple(5)(1) == (1, 1, 1, 1, 1)


def test_trunc_normal_stays_in_its_range():
    torch.manual_seed(0)
    weight = trunc_normal_(torch.empty(100, 100), std=1.0, a=-1.0, b=1.0)
    assert weight.abs().max() <= 1
    # Standard deviation of a normal distribution cut at one sigma: sqrt(1 - 2 phi(1) / (2 Phi(1) - 1)) = 0.5396.
    assert weight.std().item() == pytest.approx(0.5396, rel=0.02)
