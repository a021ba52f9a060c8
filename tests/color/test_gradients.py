"""Gradients of the colour conversions: finite wherever a network can go, and equal to finite differences."""

import pytest
import torch

from basicsr.color import (
    chroma_uv,
    delta_e_76,
    lab_to_rgb,
    linear_to_srgb,
    luma,
    rgb_to_hsv,
    rgb_to_lab,
    rgb_to_oklab,
    rgb_to_ycbcr,
    round_chroma,
    saturation,
    srgb_to_linear,
)

LEVELS = (-0.3, -0.05, 0.0, 1e-38, 1e-4, 0.003, 0.04045, 0.5, 1.0, 1.05, 1.7)
# Every triple: black, white, greys, primaries, and what lies outside the gamut.
TORTURE = torch.cartesian_prod(*[torch.tensor(LEVELS)] * 3).T.reshape(3, len(LEVELS), -1)

CONVERSIONS = {
    'srgb_to_linear': srgb_to_linear,
    'linear_to_srgb': linear_to_srgb,
    'rgb_to_ycbcr': rgb_to_ycbcr,
    'chroma_uv': chroma_uv,
    'luma': luma,
    'round_chroma': lambda x: round_chroma(x, eps=0.01),
    'rgb_to_lab': rgb_to_lab,
    'rgb_to_lab_linear': lambda x: rgb_to_lab(x, space='linear'),
    'lab_to_rgb': lambda x: lab_to_rgb(x * 100),
    'rgb_to_oklab': rgb_to_oklab,
    'delta_e_76': lambda x: delta_e_76(rgb_to_lab(x), rgb_to_lab(torch.full_like(x, 0.5)), eps=0.1),
}
SINGULAR = {'rgb_to_hsv': rgb_to_hsv, 'saturation': saturation}


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('name', [*CONVERSIONS, *SINGULAR])
def test_values_and_gradients_are_finite_everywhere(name, dtype):
    x = TORTURE.to(dtype).requires_grad_()
    value = {**CONVERSIONS, **SINGULAR}[name](x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize('name', CONVERSIONS)
def test_gradient_is_that_of_finite_differences(name):
    colours = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    colours += [(-0.05, -0.05, -0.05), (1.05, 1.05, 1.05), (0.2, 0.7, 0.4)]
    x = torch.tensor(colours, dtype=torch.float64).T.reshape(3, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(CONVERSIONS[name], x)


@pytest.mark.parametrize('name', SINGULAR)
def test_gradient_of_hsv_is_that_of_finite_differences_off_its_edges(name):
    x = torch.tensor([[0.2, 0.7, 0.4], [0.9, 0.3, 0.5]], dtype=torch.float64).T.reshape(3, 1, 2).requires_grad_()
    assert torch.autograd.gradcheck(SINGULAR[name], x)


def test_lab_gradient_has_no_peak_in_the_dark():
    x = TORTURE.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(rgb_to_lab(x)[1].sum() / 100, x)
    # 2.5 is the largest slope of a* / 100 inside the cube; bright values outside it are a little steeper.
    assert gradient.abs().max() < 4
