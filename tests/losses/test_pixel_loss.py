"""Pixel terms against values that BasicSR and NAFNet give for the same numbers."""

import pytest
import torch
from torch.nn import functional as F

from basicsr.losses.pixel_loss import CharbonnierLoss, HuberLoss, L1Loss, MSELoss, PSNRLoss, WeightedTVLoss
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.schema import check_arguments


@pytest.fixture(scope='module')
def images():
    """Prediction, target, a weight of one channel, a weight of three."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, channels, 8, 8, generator=generator) for channels in (3, 3, 1, 3)]


@pytest.mark.parametrize(
    'loss, golden',
    [
        (L1Loss(), (0.3366489410, 0.3168341517, 0.3357189298)),
        (MSELoss(), (0.1709274650, 0.1570705026, 0.1686838865)),
        (CharbonnierLoss(), (0.3366489410, 0.3168341517, 0.3357189298)),
        (CharbonnierLoss(eps=1e-3), (0.3404277265, 0.3208462298, 0.3394846618)),
        (L1Loss(loss_weight=2.0, reduction='sum'), (258.546387, 125.438690, 124.111435)),
    ],
    ids=['l1', 'mse', 'charbonnier', 'charbonnier 1e-3', 'l1 sum'],
)
def test_values_equal_basicsr(images, loss, golden):
    pred, target, *weights = images
    for weight, expected in zip((None, *weights), golden):
        assert loss(pred, target, weight).item() == pytest.approx(expected, rel=1e-6)


def test_psnr_loss_equals_nafnet(images):
    pred, target, *_ = images
    assert PSNRLoss()(pred, target).item() == pytest.approx(-7.6734338, rel=1e-6)
    assert PSNRLoss(toY=True)(pred, target).item() == pytest.approx(-13.1605148, rel=1e-6)
    assert PSNRLoss(loss_weight=0.5)(pred, pred).item() == pytest.approx(-40, rel=1e-6)


def test_total_variation_equals_basicsr(images):
    pred, *_, weight = images
    assert WeightedTVLoss()(pred).item() == pytest.approx(0.6432448626, rel=1e-6)
    assert WeightedTVLoss(reduction='sum')(pred).item() == pytest.approx(216.1302795, rel=1e-6)
    assert WeightedTVLoss()(pred, weight).item() == pytest.approx(0.6313464642, rel=1e-6)


@pytest.mark.parametrize('loss_type', [L1Loss, MSELoss, CharbonnierLoss, PSNRLoss])
def test_gradient_at_the_target_is_zero(images, loss_type):
    pred = images[0].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_type()(pred, images[0]), pred)
    assert gradient.abs().max() == 0


@pytest.mark.parametrize('loss_type', [L1Loss, MSELoss, CharbonnierLoss])
def test_reduction_none_is_the_map(images, loss_type):
    pred, target, *_ = images
    error_map = loss_type(loss_weight=3.0, reduction='none')(pred, target)
    assert error_map.shape == pred.shape
    assert error_map.mean().item() == pytest.approx(3 * loss_type()(pred, target).item(), rel=1e-6)


@pytest.mark.parametrize('loss_type', [L1Loss, MSELoss, CharbonnierLoss, PSNRLoss])
def test_images_of_different_shape_are_refused_by_name(images, loss_type):
    with pytest.raises(UserError, match=rf'{loss_type.__name__}: .*\(2, 3, 8, 8\), the target \(2, 1, 8, 8\)'):
        loss_type()(images[0], images[2])


@pytest.mark.parametrize(
    'loss_type, reduction', [(L1Loss, 'avg'), (CharbonnierLoss, 'avg'), (PSNRLoss, 'sum'), (WeightedTVLoss, 'none')]
)
def test_unknown_reductions_are_refused_by_name(loss_type, reduction):
    with pytest.raises(OptionError, match=f"{loss_type.__name__}: reduction '{reduction}'"):
        loss_type(reduction=reduction)


@pytest.mark.parametrize('delta', [0.01, 0.2, 2.0])
def test_huber_loss_equals_torch(images, delta):
    pred, target, *_ = images
    expected = F.huber_loss(pred, target, delta=delta) / delta
    assert HuberLoss(delta=delta)(pred, target).item() == pytest.approx(expected.item(), rel=1e-5)
    assert HuberLoss(delta=delta)(pred, target).item() == pytest.approx(
        F.smooth_l1_loss(pred, target, beta=delta).item(), rel=1e-5
    )
    with pytest.raises(OptionError, match='HuberLoss: delta 0 is not above 0'):
        HuberLoss(delta=0)


def test_options_are_checked_against_the_constructors():
    arguments, problems = check_arguments(LOSS_REGISTRY.get('CharbonnierLoss'), {'eps': 1e-6}, ())
    assert problems == []
    assert arguments == {'loss_weight': 1.0, 'reduction': 'mean', 'eps': 1e-6}

    _, problems = check_arguments(LOSS_REGISTRY.get('L1Loss'), {'eps': 1e-6, 'reduction': 'avg'}, ())
    assert {path for path, _ in problems} == {('eps',), ('reduction',)}


def test_import_paths_of_basicsr():
    from basicsr.losses import basic_loss, losses

    for module in (basic_loss, losses):
        assert module.L1Loss is L1Loss
        assert module.WeightedTVLoss is WeightedTVLoss
    value = basic_loss.charbonnier_loss(torch.tensor([3.0]), torch.tensor([0.0]), eps=16.0)
    assert value.item() == 5.0
