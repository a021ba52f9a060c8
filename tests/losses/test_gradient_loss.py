"""Terms on derivatives against kornia and by hand."""

import math

import kornia
import pytest
import torch
from torch.nn import functional as F

from basicsr.losses import GradientLoss, TVLoss, WeightedTVLoss
from basicsr.utils.errors import OptionError, UserError


@pytest.fixture(scope='module')
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 14, 11, generator=generator, dtype=torch.float64) for _ in range(2)]


def test_differences_equal_total_variation_of_the_difference(images):
    difference = images[0] - images[1]
    # kornia adds up the steps of each image: 3 * 13 * 11 downwards and 3 * 14 * 10 to the right.
    down = kornia.losses.total_variation(difference, reduction='sum')
    assert GradientLoss(reduction='sum')(*images).item() == pytest.approx(down.sum().item() / 2, rel=1e-9)
    assert GradientLoss()(*images).item() == pytest.approx(WeightedTVLoss()(difference).item() / 2, rel=1e-9)


def test_sobel_equals_kornia(images):
    maps = kornia.filters.spatial_gradient(images[0] - images[1], mode='sobel', normalized=True)
    expected = maps[..., 1:-1, 1:-1].abs().mean()
    assert GradientLoss(operator='sobel')(*images).item() == pytest.approx(expected.item(), rel=1e-9)


def test_laplacian_equals_a_convolution(images):
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64).view(1, 1, 3, 3) / 4
    difference = (images[0] - images[1]).flatten(0, 1).unsqueeze(1)
    expected = F.conv2d(difference, kernel).abs().mean()
    assert GradientLoss(operator='laplacian')(*images).item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize('operator', ['difference', 'sobel', 'laplacian'])
def test_brightness_and_colour_of_areas_do_not_matter(images, operator):
    shifted = images[0] + torch.tensor([0.3, -0.1, 0.0]).view(3, 1, 1)
    assert GradientLoss(operator=operator)(shifted, images[0]).item() == pytest.approx(0, abs=1e-12)


def test_total_variation_is_the_same_in_all_directions():
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing='ij')
    for degrees in (0, 20, 45, 90):
        angle = math.radians(degrees)
        ramp = (0.01 * (math.cos(angle) * rows + math.sin(angle) * columns)).expand(1, 3, 40, 40)
        assert TVLoss()(ramp).item() == pytest.approx(math.sqrt(0.01**2 + 1e-6) - 1e-3, rel=1e-3)


def test_total_variation_of_a_flat_image_has_a_gradient_of_zero():
    flat = torch.full((1, 3, 6, 6), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(TVLoss()(flat), flat)
    assert gradient.abs().max() == 0


def test_small_images_and_mistakes_are_refused_by_name():
    with pytest.raises(UserError, match=r'GradientLoss: images of 2x9 pixels are too small; use .* at least 3x3'):
        GradientLoss(operator='sobel')(torch.rand(1, 3, 2, 9), torch.rand(1, 3, 2, 9))
    with pytest.raises(UserError, match='TVLoss: images of 1x9 pixels'):
        TVLoss()(torch.rand(1, 3, 1, 9))
    with pytest.raises(OptionError, match="GradientLoss: operator 'prewitt' is not one of difference, sobel"):
        GradientLoss(operator='prewitt')
    with pytest.raises(OptionError, match="GradientLoss: reduction 'none'"):
        GradientLoss(reduction='none')
