"""Adversarial terms against values that BasicSR gives for the same numbers; penalties by hand."""

import math

import pytest
import torch

from basicsr.losses import GANLoss, MultiScaleGANLoss, g_path_regularize, gradient_penalty_loss, r1_penalty
from basicsr.utils.errors import OptionError

GOLDEN = {
    'vanilla': (0.08939767, 0.89397669, 0.07749837, 0.77498364),
    'lsgan': (0.24649408, 2.46494079, 0.12269547, 1.2269547),
    'wgan': (0.0118993, 0.11899304, -0.0118993, -0.11899304),
    'hinge': (0.0118993, 1.21728218, 0.0118993, 1.00197983),
}
ORDER = [(True, False), (True, True), (False, False), (False, True)]


@pytest.fixture(scope='module')
def logits():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 8, 8, generator=generator)[:, :1] * 4 - 2


@pytest.mark.parametrize('gan_type', GOLDEN)
def test_values_equal_basicsr(logits, gan_type):
    loss = GANLoss(gan_type, loss_weight=0.1)
    for (is_real, is_disc), expected in zip(ORDER, GOLDEN[gan_type]):
        assert loss(logits, is_real, is_disc=is_disc).item() == pytest.approx(expected, rel=1e-5)


def test_softplus_by_hand():
    loss = GANLoss('wgan_softplus', loss_weight=0.5)
    output = torch.tensor([1.0, -2.0])
    real = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2
    fake = (math.log1p(math.exp(1)) + math.log1p(math.exp(-2))) / 2
    assert loss(output, True).item() == pytest.approx(0.5 * real)
    assert loss(output, False, is_disc=True).item() == pytest.approx(fake)


def test_labels():
    output = torch.tensor([0.25])
    assert GANLoss('lsgan', real_label_val=0.75)(output, True).item() == 0.25
    assert GANLoss('lsgan', fake_label_val=-0.75)(output, False).item() == 1.0


def test_several_scales_are_averaged_and_inner_lists_give_their_last(logits):
    loss, single = MultiScaleGANLoss('lsgan', loss_weight=0.1), GANLoss('lsgan', loss_weight=0.1)
    outputs = [logits, [logits * 100, logits[..., :4]]]
    expected = (single(logits, True) + single(logits[..., :4], True)) / 2
    assert loss(outputs, True).item() == pytest.approx(expected.item())
    assert loss(logits, True, is_disc=True).item() == pytest.approx(GOLDEN['lsgan'][1], rel=1e-5)


@pytest.mark.parametrize('loss_type', [GANLoss, MultiScaleGANLoss])
def test_unknown_types_are_refused_by_name(loss_type):
    with pytest.raises(OptionError, match=f"{loss_type.__name__}: gan_type 'dragan' is not one of vanilla, lsgan"):
        loss_type('dragan')


def test_r1_penalty_of_a_quadratic():
    # d/dx of sum(x^2) is 2 x: per image the sum of 4 x^2, and its own gradient is 8 x / N.
    images = torch.tensor([[1.0, 2.0], [0.0, 3.0]], requires_grad=True)
    penalty = r1_penalty(images.square().sum(1), images)
    assert penalty.item() == (4 * (1 + 4) + 4 * 9) / 2
    (gradient,) = torch.autograd.grad(penalty, images)
    torch.testing.assert_close(gradient, 4 * images.detach())


def test_gradient_penalty_of_a_linear_discriminator():
    # Its gradient is the same everywhere, 0.6 and 0.9 and 0.2 in the three channels: length 1.1.
    slope = torch.tensor([0.6, 0.9, 0.2]).view(3, 1, 1).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(2, 3, 4, 4, generator=generator) for _ in range(2))

    def discriminator(x):
        return (x * slope).sum((1, 2, 3))

    penalty = gradient_penalty_loss(discriminator, real, fake)
    assert penalty.item() == pytest.approx(0.01, rel=1e-4)
    (gradient,) = torch.autograd.grad(penalty, slope)
    torch.testing.assert_close(gradient, 2 * 0.1 * slope.detach() / 1.1, rtol=1e-3, atol=1e-5)
    half = torch.zeros(2, 1, 4, 4)
    half[..., :2] = 1
    # Where the weight is 0 the length is 0, and (0 - 1)^2 = 1; divided by the mean weight of one half.
    weighted = gradient_penalty_loss(discriminator, real, fake, half)
    assert weighted.item() == pytest.approx((0.01 + 1) / 2 / 0.5, rel=1e-4)


def test_path_lengths_of_a_linear_generator():
    # The image is a weighted copy of the latents, so the path length is the length of the weighted noise.
    latents = torch.ones(2, 1, 12, requires_grad=True)
    gain = torch.tensor(3.0, requires_grad=True)
    torch.manual_seed(0)
    noise = torch.randn(2, 3, 2, 2) / 2
    torch.manual_seed(0)
    penalty, mean_length, running = g_path_regularize((gain * latents).view(2, 3, 2, 2), latents, 1.0, decay=0.1)
    lengths = 3 * noise.flatten(1).norm(dim=1)
    assert mean_length.item() == pytest.approx(lengths.mean().item())
    assert running.item() == pytest.approx(0.9 + 0.1 * lengths.mean().item())
    assert penalty.item() == pytest.approx((lengths - running).square().mean().item(), rel=1e-5)
    assert not mean_length.requires_grad and not running.requires_grad
    assert torch.autograd.grad(penalty, gain)[0] != 0


def test_import_path_of_older_releases():
    from basicsr.losses import losses

    assert losses.GANLoss is GANLoss
