"""Colour differences against scikit-image, kornia and colour-science."""

import colour
import kornia
import numpy as np
import pytest
import skimage.color
import torch

from basicsr.losses import DeltaE76Loss, LabABLoss, LabLoss, OklabLoss


@pytest.fixture(scope='module')
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 12, 10, generator=generator, dtype=torch.float64) for _ in range(2)]


def to_linear(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(colour.models.eotf_sRGB(x.numpy()))


def kornia_lab_difference(pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return kornia.color.rgb_to_lab(pred) - kornia.color.rgb_to_lab(target)


@pytest.mark.parametrize('l_weight, ab_weight', [(1.0, 1.0), (0.3, 3.0), (1.0, 0.0)])
def test_lab_loss_equals_kornia(images, l_weight, ab_weight):
    weights = torch.tensor([l_weight, ab_weight, ab_weight]).view(3, 1, 1)
    expected = (weights * kornia_lab_difference(*images).abs()).mean() / 100
    loss = LabLoss(l_weight=l_weight, ab_weight=ab_weight)
    assert loss(*images).item() == pytest.approx(expected.item(), rel=1e-3)


def test_gradient_of_lab_loss_equals_kornia(images):
    pred, target = images[0].clone().requires_grad_(), images[1]
    (gradient,) = torch.autograd.grad(LabLoss()(pred, target), pred)
    (expected,) = torch.autograd.grad(kornia_lab_difference(pred, target).abs().mean() / 100, pred)
    torch.testing.assert_close(gradient, expected, rtol=1e-2, atol=1e-2 * expected.abs().max().item())


def test_lab_loss_without_lightness_is_the_ab_loss(images):
    assert LabLoss(l_weight=0, ab_weight=1.5)(*images).item() == pytest.approx(LabABLoss()(*images).item())


def test_one_step_of_grey_costs_a_third_of_what_it_costs_l1():
    greys = [torch.full((1, 3, 4, 4), level, dtype=torch.float64) for level in (0.5, 0.51)]
    assert LabLoss()(*greys).item() == pytest.approx(0.01 / 3, rel=0.1)


def test_delta_e_equals_scikit_image(images):
    labs = [skimage.color.rgb2lab(x.permute(0, 2, 3, 1).numpy()) for x in images]
    expected = skimage.color.deltaE_cie76(*labs).mean() / 100
    assert DeltaE76Loss()(*images).item() == pytest.approx(expected, abs=2e-3)
    shift = np.sqrt(skimage.color.deltaE_cie76(*labs) ** 2 + 0.01).mean() / 100 - 1e-3
    assert DeltaE76Loss()(*images).item() == pytest.approx(shift, rel=1e-4)


@pytest.mark.parametrize('loss', [LabLoss(), DeltaE76Loss(), OklabLoss()], ids=['lab', 'delta_e', 'oklab'])
def test_linear_light_gives_the_value_of_its_encoding(images, loss):
    linear = type(loss)(space='linear')(*[to_linear(x) for x in images])
    assert linear.item() == pytest.approx(loss(*images).item(), rel=1e-9)


def test_oklab_equals_colour_science(images):
    labs = []
    for image in images:
        xyz = colour.sRGB_to_XYZ(image.permute(0, 2, 3, 1).numpy())
        labs.append(colour.XYZ_to_Oklab(xyz))
    expected = np.abs(labs[0] - labs[1]).mean((0, 1, 2))
    assert OklabLoss()(*images).item() == pytest.approx(expected.mean(), rel=2e-3)
    weighed = OklabLoss(l_weight=2.0, ab_weight=0.5)(*images).item()
    assert weighed == pytest.approx((2 * expected[0] + 0.5 * expected[1] + 0.5 * expected[2]) / 3, rel=2e-3)
