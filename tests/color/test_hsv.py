"""HSV against scikit-image."""

import numpy as np
import pytest
import skimage.color
import torch

from basicsr.color import rgb_to_hsv, saturation


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
