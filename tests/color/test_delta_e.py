"""Colour differences against the test data of the CIEDE2000 paper, and against scikit-image."""

import numpy as np
import pytest
import skimage.color
import torch

from basicsr.color import delta_e_76, delta_e_2000, hue_difference

# G. Sharma, W. Wu, E. Dalal (2005), table 1: L1 a1 b1, L2 a2 b2, Delta E 00.
SHARMA = """
50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
 6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
 2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""
PAIRS = torch.tensor([float(value) for value in SHARMA.split()], dtype=torch.float64).view(34, 7)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_ciede2000_of_the_34_published_pairs_in_both_orders(dtype):
    first, second = (PAIRS[:, columns].to(dtype).view(34, 3, 1, 1) for columns in (slice(0, 3), slice(3, 6)))
    expected = PAIRS[:, 6].numpy()
    np.testing.assert_allclose(delta_e_2000(first, second).flatten().numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(delta_e_2000(second, first).flatten().numpy(), expected, atol=1e-4)


def test_random_colours_against_scikit_image():
    generator = torch.Generator().manual_seed(0)
    span = torch.tensor([100.0, 200, 200], dtype=torch.float64).view(3, 1, 1)
    origin = torch.tensor([0.0, -100, -100], dtype=torch.float64).view(3, 1, 1)
    lab, reference = (torch.rand(3, 50, 50, dtype=torch.float64, generator=generator) * span + origin for _ in '12')
    arrays = [image.permute(1, 2, 0).numpy() for image in (lab, reference)]

    np.testing.assert_allclose(delta_e_2000(lab, reference).numpy(), skimage.color.deltaE_ciede2000(*arrays), atol=1e-9)
    np.testing.assert_allclose(delta_e_76(lab, reference).numpy(), skimage.color.deltaE_cie76(*arrays), atol=1e-12)


def test_equal_images_differ_by_zero():
    lab = PAIRS[:, :3].reshape(34, 3, 1, 1).clone().requires_grad_()
    assert delta_e_2000(lab, lab).abs().max() == 0
    for eps in (0.0, 0.1):
        value = delta_e_76(lab, lab.detach(), eps=eps)
        assert value.abs().max() < 1e-16
        (gradient,) = torch.autograd.grad(value.sum(), lab)
        assert gradient.abs().max() == 0


def test_eps_rounds_the_cone():
    lab = torch.tensor([50.0, 3, 4], dtype=torch.float64).view(3, 1, 1)
    reference = torch.tensor([50.0, 0, 0], dtype=torch.float64).view(3, 1, 1)
    assert delta_e_76(lab, reference, eps=12.0).item() == pytest.approx(1.0)  # 5, 12, 13


@pytest.mark.parametrize('hue, other', [(10, 25), (25, 10), (175, -170), (-170, 175), (90, 90)])
def test_hue_difference_is_the_signed_angle(hue, other):
    def colour_at(degrees: float, chroma: float) -> torch.Tensor:
        angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        return torch.stack([torch.tensor(50.0).double(), chroma * angle.cos(), chroma * angle.sin()]).view(3, 1, 1)

    expected = (other - hue + 180) % 360 - 180
    measured = hue_difference(colour_at(other, 30.0), colour_at(hue, 50.0)).item()
    assert measured == pytest.approx(expected, abs=1e-9)
