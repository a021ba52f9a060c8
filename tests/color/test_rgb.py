"""The sRGB transfer function against colour-science, and the checks that all colour functions share."""

import colour
import numpy as np
import pytest
import torch

from basicsr.color import chroma_uv, linear_to_srgb, rgb_to_hsv, rgb_to_lab, srgb_to_linear
from basicsr.color.rgb import mix_channels


def test_transfer_function_is_that_of_colour_science():
    encoded = np.linspace(0, 1, 1001)
    linear = srgb_to_linear(torch.from_numpy(encoded)).numpy()

    np.testing.assert_allclose(linear, colour.models.eotf_sRGB(encoded), atol=1e-12)
    np.testing.assert_allclose(
        linear_to_srgb(torch.from_numpy(linear)).numpy(), colour.models.eotf_inverse_sRGB(linear), atol=1e-12
    )


def test_transfer_function_is_inverted_outside_the_unit_interval_too():
    values = torch.linspace(-0.5, 2.0, 501, dtype=torch.float64)

    # The two thresholds of the standard do not quite meet: up to 3e-8.
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(values)), values, rtol=0, atol=1e-7)


def test_mixing_is_the_weighted_sum_and_exact_for_grey():
    weights = (0.2, 0.5, 0.3)
    r, g, b = torch.rand(3, 50, dtype=torch.float64)

    torch.testing.assert_close(mix_channels(r, g, b, weights, 1.0), 0.2 * r + 0.5 * g + 0.3 * b, rtol=0, atol=1e-15)
    grey = torch.rand(10007)
    assert torch.equal(mix_channels(grey, grey, grey, weights, 1.0), grey)


@pytest.mark.parametrize('shape', [(4, 8, 8), (2, 1, 8, 8), (3, 8)])
def test_other_channel_counts_are_refused_with_the_shape(shape):
    with pytest.raises(ValueError, match=r'\(\.\.\., 3, H, W\), got .*' + str(shape[-2])):
        rgb_to_lab(torch.zeros(shape))


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r'torch\.uint8; divide by 255'):
        rgb_to_hsv(torch.zeros(3, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    x = torch.rand(3, 16, 16).to(dtype)
    assert torch.equal(rgb_to_lab(x), rgb_to_lab(x.float()))


@pytest.mark.parametrize('function', [rgb_to_lab, chroma_uv, rgb_to_hsv])
def test_leading_dimensions_are_a_batch(function):
    video = torch.rand(2, 4, 3, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(function(video)[1, 2], function(video[1, 2].contiguous()), rtol=1e-12, atol=1e-12)
