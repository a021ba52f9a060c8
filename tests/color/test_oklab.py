"""OkLab against colour-science."""

import colour
import numpy as np
import pytest
import torch

from basicsr.color import rgb_to_oklab


def test_oklab_is_that_of_colour_science():
    x = torch.rand(3, 30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = colour.XYZ_to_Oklab(colour.sRGB_to_XYZ(x.permute(1, 2, 0).numpy()))
    # colour-science goes through an XYZ matrix of 4 digits.
    np.testing.assert_allclose(rgb_to_oklab(x).permute(1, 2, 0).numpy(), expected, atol=3e-4)


def test_lightness_of_every_8_bit_grey_is_the_cube_root():
    grey = torch.arange(256, dtype=torch.float64) / 255
    lab = rgb_to_oklab(grey.expand(3, 1, 256))

    np.testing.assert_allclose(lab[0, 0].numpy(), np.cbrt(colour.models.eotf_sRGB(grey.numpy())), atol=1e-12)
    assert lab[1:].abs().max() == 0


def test_linear_light_needs_no_decoding():
    x = torch.full((3, 1, 1), 0.125, dtype=torch.float64)
    assert rgb_to_oklab(x, space='linear').flatten().tolist() == pytest.approx([0.5, 0, 0], abs=1e-9)


def test_unknown_space_is_refused():
    with pytest.raises(ValueError, match="'srgb' or 'linear', not 'xyz'"):
        rgb_to_oklab(torch.zeros(3, 1, 1), space='xyz')
