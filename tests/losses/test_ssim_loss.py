"""SSIM against scikit-image, its gradient against autograd through a plain implementation."""

import logging

import numpy as np
import pytest
import pytorch_msssim
import torch
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from basicsr.losses.fused_ssim import mean_ssim, ms_ssim_per_channel
from basicsr.losses.ssim_loss import MSSSIMLoss, SSIMLoss
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


def test_planes_are_treated_alike_in_any_chunks(monkeypatch):
    pred, target = noisy_pair((3, 3, 20, 17))
    whole = SSIMLoss(reduction='none')(pred, target)
    monkeypatch.setattr('basicsr.losses.fused_ssim._CHUNK', 1)
    torch.testing.assert_close(SSIMLoss(reduction='none')(pred, target), whole, rtol=0, atol=1e-15)
    assert whole.shape == (3,)
    assert whole.tolist() == pytest.approx([1 - skimage_ssim(p[None], t[None]) for p, t in zip(pred, target)])


def float64_window() -> torch.Tensor:
    """Its own one is rounded to float32, so that it does not add up to 1."""
    window = torch.exp(-(torch.arange(11, dtype=torch.float64) - 5).square() / (2 * 1.5**2))
    return (window / window.sum()).expand(3, 1, 1, 11)


@pytest.mark.parametrize('size', [(161, 161), (176, 192), (163, 200)])
def test_ms_ssim_equals_pytorch_msssim(size):
    pred, target = noisy_pair((2, 3, *size))
    expected = pytorch_msssim.ms_ssim(pred, target, data_range=1, size_average=False, win=float64_window())
    ours = 1 - MSSSIMLoss(reduction='none')(pred, target)
    # It keeps the exponents in float32.
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-7)
    in_float32 = MSSSIMLoss()(pred.float(), target.float()).item()
    assert in_float32 == pytest.approx(1 - expected.mean().item(), abs=1e-5)


@pytest.mark.parametrize('num_scales, side', [(4, 96), (3, 60), (2, 30), (1, 20)])
def test_fewer_scales_equal_pytorch_msssim_with_scaled_exponents(num_scales, side):
    exponents = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:num_scales])
    # Its check of the size asks for room for five scales, whatever the exponents.
    pred, target = noisy_pair((1, 3, 176, 170))
    options = {'weights': list(1.0001 * exponents / exponents.sum()), 'win': float64_window()}
    expected = pytorch_msssim.ms_ssim(pred, target, data_range=1, **options).item()
    assert ms_ssim_per_channel(pred, target, num_scales).mean().item() == pytest.approx(expected, abs=1e-6)

    small = [image[..., :side, : side + 7] for image in (pred, target)]
    assert MSSSIMLoss()(*small).item() == 1 - ms_ssim_per_channel(*small, num_scales).mean().item()


def test_gradient_of_ms_ssim_equals_pytorch_msssim():
    pred, target = noisy_pair((1, 3, 164, 170))
    pred.requires_grad_()
    (gradient,) = torch.autograd.grad(MSSSIMLoss()(pred, target), pred)
    similarity = pytorch_msssim.ms_ssim(pred, target, data_range=1, win=float64_window())
    (expected,) = torch.autograd.grad(-similarity, pred)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9 * expected.abs().max().item())


@pytest.mark.parametrize('side', [11, 24, 48])
def test_ms_ssim_of_an_inverted_image_has_a_finite_gradient_that_is_not_dead(side):
    target = noisy_pair((1, 3, side, side))[1]
    pred = (1 - target).requires_grad_()
    assert mean_ssim(pred, target) < 0
    value = MSSSIMLoss()(pred, target)
    (gradient,) = torch.autograd.grad(value, pred)
    assert 0.9 < value.item() <= 1
    assert gradient.isfinite().all()
    assert (gradient * gradient.numel()).square().mean().sqrt() > 1e-6
    step = 0.5 * gradient / gradient.abs().max()
    assert MSSSIMLoss()(pred - step, target) < value


def test_fewer_scales_are_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(logging.getLogger('basicsr'), 'info', lambda text, *values: said.append(text % values))
    loss = MSSSIMLoss()
    for side in (176, 64, 64, 32):
        loss(torch.rand(1, 1, side, side), torch.rand(1, 1, side, side))
    assert said == ['MSSSIMLoss: patches of 64x64 pixels have room for 3 of its 5 scales; it uses those']


def test_small_images_are_refused_by_ms_ssim_too():
    with pytest.raises(UserError, match='MSSSIMLoss: images of 10x64 pixels are smaller than its 11x11 window'):
        MSSSIMLoss()(torch.rand(1, 3, 10, 64), torch.rand(1, 3, 10, 64))


def test_linear_light_is_encoded_first():
    pred, target = (image.clamp(0, 1) for image in noisy_pair((1, 3, 24, 24)))
    linear = [torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) for x in (pred, target)]
    for loss in (SSIMLoss, MSSSIMLoss):
        assert loss(space='linear')(*linear).item() == pytest.approx(loss()(pred, target).item())
