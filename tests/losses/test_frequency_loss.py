"""Spectral terms against numpy, Parseval's theorem, and convolutions with Haar's functions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from basicsr.losses import FFTLoss, FocalFrequencyLoss, MSELoss, WaveletLoss
from basicsr.losses.frequency_loss import _haar
from basicsr.utils.errors import OptionError, UserError

SIZES = [(16, 12), (15, 13), (16, 13), (1, 1)]


def images(height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize('size', SIZES)
def test_fft_is_the_mean_amplitude_of_the_whole_spectrum(size):
    pred, target = images(*size)
    expected = np.abs(np.fft.fft2((pred - target).numpy(), norm='ortho')).mean()
    assert FFTLoss()(pred, target).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('size', SIZES)
def test_focal_frequency_by_its_formula(size):
    pred, target = images(*size)
    amplitude = np.abs(np.fft.fft2((pred - target).numpy(), norm='ortho'))
    focus = amplitude / amplitude.max((-2, -1), keepdims=True)
    assert FocalFrequencyLoss()(pred, target).item() == pytest.approx((focus * amplitude**2).mean(), rel=1e-9)
    squared = FocalFrequencyLoss(alpha=2.0)(pred, target).item()
    assert squared == pytest.approx((focus**2 * amplitude**2).mean(), rel=1e-9)
    # Parseval: without the weight it is the mean squared error.
    plain = FocalFrequencyLoss(alpha=0.0)(pred, target).item()
    assert plain == pytest.approx(MSELoss()(pred, target).item(), rel=1e-9)


def test_gradient_of_the_amplitude_has_the_length_of_that_of_l1():
    # The transform is orthonormal, so a gradient of modulus 1 in the spectrum has mean square 1 in the image.
    for size in (32, 48):
        pred, target = images(size, size)
        pred.requires_grad_()
        for loss in (FFTLoss(), WaveletLoss()):
            (gradient,) = torch.autograd.grad(loss(pred, target), pred)
            assert (gradient * gradient.numel()).square().mean().item() == pytest.approx(1, rel=0.05)


def test_a_grid_stands_out_in_the_spectrum_and_not_among_pixels():
    target = torch.zeros(1, 1, 48, 48)
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(target.shape, generator=generator)
    grid = 0.05 * 2**0.5 * torch.cos(torch.arange(48) * 2 * torch.pi / 6).expand_as(target)
    assert FocalFrequencyLoss()(grid, target) > 1.8 * FocalFrequencyLoss()(noise, target)
    assert MSELoss()(grid, target).item() == pytest.approx(MSELoss()(noise, target).item(), rel=0.1)


def test_haar_equals_convolutions_and_keeps_the_energy():
    pred, _ = images(16, 12)
    signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64)
    expected = F.conv2d(pred.flatten(0, 1).unsqueeze(1), signs.view(4, 1, 2, 2) / 2, stride=2).unbind(1)
    parts = _haar(pred)
    for part, other in zip(parts, expected):
        torch.testing.assert_close(part.flatten(0, 1), other)
    energy = sum(part.square().sum() for part in parts)
    assert energy.item() == pytest.approx(pred.square().sum().item())


def test_wavelets_by_hand():
    # One level of [[3, 1], [1, 1]]: coarse 3, and three details of 1.
    pred = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).view(1, 1, 2, 2)
    assert WaveletLoss(levels=1)(pred, pred * 0).item() == pytest.approx((3 + 1 + 1 + 1) / 4)
    # Two levels of a flat difference d: what is left is 4 d, on 1 of 16 places.
    flat = torch.full((1, 3, 8, 8), 0.2)
    assert WaveletLoss(levels=2)(flat, flat * 0).item() == pytest.approx(0.2 * 4 / 16)


def test_odd_sides_are_not_left_out():
    target = torch.zeros(1, 1, 9, 9)
    pred = target.clone()
    pred[..., 8, 8] = 0.5
    assert WaveletLoss(levels=3)(pred, target) > 0


def test_mistakes_are_refused_by_name():
    with pytest.raises(UserError, match=r'WaveletLoss: images of 7x64 pixels are too small; use .* at least 8x8'):
        WaveletLoss()(torch.rand(1, 3, 7, 64), torch.rand(1, 3, 7, 64))
    with pytest.raises(OptionError, match='WaveletLoss: levels 0'):
        WaveletLoss(levels=0)
    with pytest.raises(OptionError, match='FocalFrequencyLoss: alpha -1'):
        FocalFrequencyLoss(alpha=-1)
