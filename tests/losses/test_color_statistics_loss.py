"""Terms on mean colours and brightness, by hand and against torchvision."""

import logging
import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from basicsr.losses import ColorConsistencyLoss, ColorDiversityLoss, ExposureLoss, GrayWorldLoss
from basicsr.utils.errors import OptionError


def halves(first: tuple, second: tuple, size: int = 32) -> torch.Tensor:
    """Image whose left half has one colour and whose right half has another."""
    colours = torch.tensor([first, second], dtype=torch.float64).T.reshape(1, 3, 1, 2)
    return colours.repeat_interleave(size // 2, dim=3).repeat_interleave(size, dim=2)


def test_consistency_compares_mean_tints():
    # Means (0.5, 0.3, 0.1) and (0.4, 0.4, 0.4): R - G, G - B, B - R are (0.2, 0.2, -0.4) and 0.
    pred = halves((0.9, 0.1, 0.1), (0.1, 0.5, 0.1))
    target = halves((0.4, 0.4, 0.4), (0.4, 0.4, 0.4))
    assert ColorConsistencyLoss()(pred, target).item() == pytest.approx(0.8 / 3)
    assert ColorConsistencyLoss()(pred, pred.flip(-1)).item() == pytest.approx(0, abs=1e-12)
    brighter = pred + 0.1
    assert ColorConsistencyLoss()(brighter, pred).item() == pytest.approx(0, abs=1e-12)


def test_gray_world_is_the_tint_of_the_mean():
    pred = halves((0.9, 0.1, 0.1), (0.1, 0.5, 0.1))
    assert GrayWorldLoss()(pred).item() == pytest.approx(0.8 / 3, abs=1e-3)
    assert GrayWorldLoss()(halves((1, 0, 0), (0, 1, 1))).item() == 0


def test_gray_world_warns_of_paired_data(monkeypatch):
    said = []
    monkeypatch.setattr(logging.getLogger('basicsr'), 'warning', said.append)
    GrayWorldLoss()
    assert len(said) == 1 and 'with paired data use ColorConsistencyLoss' in said[0]


def test_diversity_by_its_formula():
    # Of (0.8, 0.4, 0.3): mean 0.5, offsets 0.3, -0.1, -0.2; chroma sqrt((0.4^2 + 0.1^2 + 0.5^2) / 2).
    pred = halves((0.8, 0.4, 0.3), (0.8, 0.4, 0.3))
    expected = (math.exp(-15 * 0.2) + math.exp(-10 * math.sqrt(0.21))) / 2
    assert ColorDiversityLoss()(pred).item() == pytest.approx(expected, rel=0.03)
    assert ColorDiversityLoss()(halves((0.4,) * 3, (0.7,) * 3)).item() == 1


def test_diversity_falls_as_colour_grows_and_always_has_a_graph():
    strengths = torch.linspace(0, 1, 11, dtype=torch.float64, requires_grad=True)
    offsets = torch.tensor([0.3, -0.1, -0.2], dtype=torch.float64).view(3, 1, 1)
    values = torch.stack([ColorDiversityLoss()((0.5 + s * offsets).expand(1, 3, 4, 4)) for s in strengths])
    (slopes,) = torch.autograd.grad(values.sum(), strengths)
    assert slopes[0] == 0  # an exactly grey image: dead, but differentiable
    assert (slopes[1:] < 0).all()


def test_exposure_compares_patches_of_luma():
    generator = torch.Generator().manual_seed(0)
    pred, target = (torch.rand(2, 3, 32, 48, generator=generator) for _ in range(2))
    # torchvision's grey is BT.601 luma with four decimals.
    lumas = [F.avg_pool2d(tv.rgb_to_grayscale(x), 16) for x in (pred, target)]
    assert ExposureLoss()(pred, target).item() == pytest.approx((lumas[0] - lumas[1]).abs().mean().item(), rel=1e-2)
    fixed = (lumas[0] - 0.6).abs().mean().item()
    assert ExposureLoss(target=0.6)(pred, target).item() == pytest.approx(fixed, rel=1e-2)
    assert ExposureLoss(target=0.6)(pred).item() == pytest.approx(fixed, rel=1e-2)


def test_exposure_does_not_see_detail_inside_a_patch():
    pred = halves((0.2,) * 3, (0.8,) * 3, size=16)
    assert ExposureLoss(patch=16)(pred, pred.flip(-1)).item() == pytest.approx(0, abs=1e-12)
    assert ExposureLoss(patch=8)(pred, pred.flip(-1)).item() == pytest.approx(0.6)


def test_exposure_keeps_the_borders_and_small_images():
    target = torch.zeros(1, 3, 20, 20, dtype=torch.float64)
    pred = target.clone()
    pred[..., 16:] = 0.4  # four columns beyond the last whole patch
    # Patches 16x16, 16x4, 4x16, 4x4: two of four are wrong.
    assert ExposureLoss(patch=16)(pred, target).item() == pytest.approx(0.2)
    small = torch.full((1, 3, 5, 7), 0.3)
    assert ExposureLoss(patch=16)(small, small * 0).item() == pytest.approx(0.3)


def test_exposure_in_linear_light_is_that_of_the_encoded_image():
    # Linear 0.2140 and 0.0513 are sRGB 0.5 and 0.25.
    mid, dark = (torch.full((1, 3, 16, 16), level) for level in (0.21404, 0.05088))
    assert ExposureLoss(space='linear')(mid, dark).item() == pytest.approx(0.25, abs=1e-3)


def test_mistakes_are_refused_by_name():
    with pytest.raises(OptionError, match='ExposureLoss: without a target image it needs its argument `target`'):
        ExposureLoss()(torch.rand(1, 3, 16, 16))
    with pytest.raises(OptionError, match='ExposureLoss: patch 0'):
        ExposureLoss(patch=0)
