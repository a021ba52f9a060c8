"""HSV against scikit-image."""

import colorsys

import numpy as np
import pytest
import skimage.color
import torch

from basicsr.color import rgb_to_hsv, round_chroma, saturation


def test_hsv_is_that_of_scikit_image():
    levels = torch.randint(0, 256, (3, 40, 40), generator=torch.Generator().manual_seed(0))
    levels[:, :4] = levels[:1, :4]  # greys
    levels[1, 4:8] = levels[0, 4:8]  # two equal channels
    x = levels.double() / 255

    expected = skimage.color.rgb2hsv(x.permute(1, 2, 0).numpy())
    np.testing.assert_allclose(rgb_to_hsv(x).permute(1, 2, 0).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(saturation(x).numpy(), expected[..., 1], atol=1e-12)


@pytest.mark.parametrize(
    'rgb, hsv',
    [
        ((1, 0, 0), (0, 1, 1)),
        ((0, 0.5, 0), (1 / 3, 1, 0.5)),
        ((0, 0, 1), (2 / 3, 1, 1)),
        ((0.5, 0.25, 0.5), (5 / 6, 0.5, 0.5)),
        ((0, 0, 0), (0, 0, 0)),
        ((-0.2, -0.3, -0.1), (3 / 4, 0, -0.1)),
    ],
)
def test_named_colours(rgb, hsv):
    x = torch.tensor(rgb, dtype=torch.float64).view(3, 1, 1)
    assert rgb_to_hsv(x).flatten().tolist() == pytest.approx(hsv, abs=1e-12)


def test_round_chroma_is_the_hexagon_on_a_circle():
    # Hue, saturation, value: at multiples of 60 degrees the chroma is S V, half-way between them sqrt(3) / 2 of it.
    for turn in range(12):
        red, green, blue = colorsys.hsv_to_rgb(turn / 12, 0.6, 0.9)
        x = torch.tensor([red, green, blue], dtype=torch.float64).view(3, 1, 1)
        expected = 0.6 * 0.9 * (1 if turn % 2 == 0 else 3**0.5 / 2)
        assert round_chroma(x).item() == pytest.approx(expected)
        assert round_chroma(x, eps=1e-3).item() == pytest.approx(expected, abs=1e-3)


def test_round_chroma_of_grey_is_zero_with_a_gradient_of_zero():
    x = torch.full((3, 2, 2), 0.4, requires_grad=True)
    for eps in (0.0, 1e-3):
        value = round_chroma(x, eps)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        assert value.abs().max() == 0
        assert gradient.abs().max() == 0
