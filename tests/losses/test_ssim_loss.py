"""SSIM against scikit-image, its gradient against autograd through a plain implementation."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from basicsr.losses.ssim_loss import SSIMLoss, mean_ssim
from basicsr.utils.errors import UserError


def noisy_pair(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = F.interpolate(torch.rand(*shape[:2], 4, 5, dtype=dtype, generator=generator), shape[2:], mode='bicubic')
    return [target + 0.1 * torch.randn(shape, dtype=dtype, generator=generator), target]


def skimage_ssim(pred: torch.Tensor, target: torch.Tensor) -> float:
    options = {'gaussian_weights': True, 'sigma': 1.5, 'use_sample_covariance': False, 'data_range': 1}
    pairs = [[x.permute(1, 2, 0).double().numpy() for x in pair] for pair in zip(pred, target)]
    return float(np.mean([structural_similarity(*pair, channel_axis=-1, **options) for pair in pairs]))


def plain_ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The formula of the paper by 2-D convolutions."""
    taps = torch.arange(11, dtype=x.dtype) - 5
    window = torch.exp(-taps.square() / (2 * 1.5**2))
    kernel = torch.outer(window, window) / window.sum() ** 2

    def blur(image):
        return F.conv2d(image.flatten(0, 1).unsqueeze(1), kernel[None, None])

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    ssim = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))
    return ssim.mean()


@pytest.mark.parametrize('shape', [(2, 3, 40, 33), (1, 1, 11, 11), (1, 3, 11, 50)])
def test_value_is_that_of_scikit_image(shape):
    pred, target = noisy_pair(shape)
    expected = 1 - skimage_ssim(pred, target)
    assert SSIMLoss()(pred, target).item() == pytest.approx(expected, abs=1e-12)
    assert SSIMLoss(loss_weight=0.1)(pred.float(), target.float()).item() == pytest.approx(0.1 * expected, abs=1e-6)


def test_gradient_is_that_of_a_plain_implementation():
    pred, target = noisy_pair((2, 3, 24, 19))
    pred.requires_grad_(), target.requires_grad_()
    ours = torch.autograd.grad(mean_ssim(pred, target), (pred, target))
    plain = torch.autograd.grad(plain_ssim(pred, target), (pred, target))
    for gradient, expected in zip(ours, plain):
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-14)


def test_gradient_is_that_of_finite_differences():
    pred, target = noisy_pair((1, 2, 13, 12))
    assert torch.autograd.gradcheck(SSIMLoss(loss_weight=2.0), (pred.requires_grad_(), target))
    assert torch.autograd.gradcheck(SSIMLoss(), (pred.detach(), target.requires_grad_()))


def test_identical_images_cost_exactly_nothing():
    pred = noisy_pair((2, 3, 32, 32), torch.float32)[0].requires_grad_()
    value = SSIMLoss()(pred, pred.detach())
    (gradient,) = torch.autograd.grad(value, pred)
    assert value.item() == 0
    assert gradient.abs().max() * pred.numel() < 1e-2


@pytest.mark.parametrize('level', [0.0, 0.5, 1.0, 1.05, -0.05])
def test_flat_images_stay_finite(level):
    pred = torch.full((1, 3, 16, 16), level, requires_grad=True)
    target = noisy_pair((1, 3, 16, 16), torch.float32)[1]
    for other in (target, torch.zeros_like(target), torch.ones_like(target)):
        value = SSIMLoss()(pred, other)
        (gradient,) = torch.autograd.grad(value, pred)
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_float32_resolves_the_variance_of_a_bright_flat_patch():
    # True variance 1e-6 against C2 = 9e-4; rounding the blur to bfloat16 or TF32 would be off by more than 1e-2.
    generator = torch.Generator().manual_seed(0)
    target = 0.9 + 1e-3 * torch.randn(1, 3, 32, 32, generator=generator, dtype=torch.float64)
    pred = 0.9 + 1e-3 * torch.randn(1, 3, 32, 32, generator=generator, dtype=torch.float64)
    expected = 1 - skimage_ssim(pred, target)
    assert SSIMLoss()(pred.float(), target.float()).item() == pytest.approx(expected, abs=2e-5)


def test_autocast_and_half_precision_are_computed_in_float32():
    pred, target = noisy_pair((1, 3, 24, 24), torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        under_autocast = SSIMLoss()(pred, target)
    assert torch.equal(under_autocast, SSIMLoss()(pred, target))

    half, half_target = pred.bfloat16(), target.bfloat16()
    assert torch.equal(SSIMLoss()(half, half_target), SSIMLoss()(half.float(), half_target.float()))


@pytest.mark.parametrize('size', [(10, 64), (64, 8)])
def test_small_images_are_refused_with_their_size(size):
    with pytest.raises(UserError, match=f'SSIMLoss: images of {size[0]}x{size[1]} pixels are smaller than .* 11x11'):
        SSIMLoss()(torch.rand(1, 3, *size), torch.rand(1, 3, *size))


def test_images_of_different_shape_are_refused():
    with pytest.raises(UserError, match='SSIMLoss: the prediction is'):
        SSIMLoss()(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 32, 32))
