"""L*a*b* against the ColorChecker, colour-science, scikit-image and kornia."""

import colour
import kornia
import numpy as np
import pytest
import skimage.color
import torch

from basicsr.color import lab_to_lch, lab_to_rgb, lch_to_lab, rgb_to_lab
from basicsr.color.lab import SRGB_TO_XYZ, rgb_to_xyz, xyz_to_lab

# X-Rite ColorChecker Classic, BabelColor average: 8-bit sRGB, and its L*a*b* (D65) as colour-science computes it.
COLOR_CHECKER = """
116 79 65 37.2740 13.6833 14.5286    197 144 127 64.4426 17.7889 16.9332   91 120 155 49.5248 -1.0117 -22.1637
91 108 64 43.2407 -14.6565 22.5520   131 127 175 55.1744 12.2335 -24.8187  95 189 172 70.7374 -32.0653 0.0339
224 124 48 62.0628 33.4164 55.8322   69 90 167 40.1928 15.9697 -43.9961    197 80 95 50.0182 47.9755 15.5746
93 58 104 30.2855 24.3176 -20.8308   156 187 58 71.4966 -28.4202 58.8958   227 161 39 70.8482 14.7457 67.1837
40 62 145 29.2624 21.3332 -48.4177   61 147 70 54.3457 -42.5705 32.9318    178 54 57 41.8429 50.1302 27.2280
236 200 15 81.3882 -2.2801 80.9322   191 79 146 50.3859 52.2717 -14.5936   0 133 165 51.2575 -18.6295 -25.5281
241 242 235 95.2464 -1.5495 3.2578   201 202 201 81.2232 -0.5202 0.3798    161 163 163 66.8364 -0.7084 -0.2480
121 121 121 50.8275 0.0045 0.0020    83 84 85 35.6657 -0.1812 -0.7219      50 50 50 20.7878 0.0025 0.0011
"""


def as_image(rows: np.ndarray) -> torch.Tensor:
    """(K, 3) colours -> (3, 1, K)."""
    return torch.from_numpy(np.ascontiguousarray(rows.T)).view(3, 1, -1)


def cube(steps: int) -> torch.Tensor:
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing='ij')).view(3, steps, -1)


def largest_distance(lab: torch.Tensor, other: np.ndarray) -> float:
    return float(np.linalg.norm(lab.permute(1, 2, 0).numpy() - other, axis=-1).max())


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_color_checker(dtype):
    patches = np.array(COLOR_CHECKER.split(), dtype=float).reshape(24, 6)
    lab = rgb_to_lab(as_image(patches[:, :3] / 255).to(dtype))

    assert largest_distance(lab, patches[None, :, 3:]) < 0.02


def test_rgb_cube_against_other_libraries():
    x = cube(18)
    channels_last = x.permute(1, 2, 0).numpy()

    # They differ among themselves by as much: matrices of 4 to 6 digits, and white from rounded tables.
    assert largest_distance(rgb_to_lab(x), skimage.color.rgb2lab(channels_last)) < 0.05
    assert largest_distance(rgb_to_lab(x), kornia.color.rgb_to_lab(x[None])[0].permute(1, 2, 0).numpy()) < 0.05
    white = colour.CCS_ILLUMINANTS['CIE 1931 2 Degree Standard Observer']['D65']
    science = colour.XYZ_to_Lab(colour.sRGB_to_XYZ(channels_last), white)
    assert largest_distance(rgb_to_lab(x), science) < 0.05


def test_matrix_follows_from_the_primaries_of_iec_61966_2_1():
    xy = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
    primaries = np.stack([xy[:, 0] / xy[:, 1], np.ones(3), (1 - xy.sum(1)) / xy[:, 1]])
    white = np.array([0.3127, 0.3290, 1 - 0.3127 - 0.3290]) / 0.3290
    np.testing.assert_allclose(SRGB_TO_XYZ, primaries * np.linalg.solve(primaries, white), atol=1e-15)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_greys_are_exactly_neutral(dtype):
    grey = torch.rand(1, 1, 101, 103, dtype=dtype).expand(2, 3, 101, 103)
    assert rgb_to_lab(grey)[:, 1:].abs().max() == 0
    white = rgb_to_lab(torch.ones(3, 1, 1, dtype=dtype)).flatten().tolist()
    assert white == pytest.approx([100, 0, 0], abs=1e-4)


@pytest.mark.parametrize('space', ['srgb', 'linear'])
def test_lab_to_rgb_inverts_also_out_of_gamut(space):
    x = cube(12) * 1.4 - 0.2
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(x, space=space), space=space), x, rtol=0, atol=1e-6)


def test_linear_input_needs_no_decoding():
    # 18 % grey is the textbook example of L* = 49.5; read as sRGB it would be 18.9.
    card = torch.full((3, 1, 1), 0.18, dtype=torch.float64)
    assert rgb_to_lab(card, space='linear')[0].item() == pytest.approx(49.496, abs=1e-3)
    assert rgb_to_lab(card, space='srgb')[0].item() == pytest.approx(18.9, abs=0.05)


def test_going_through_xyz_gives_the_same():
    x = cube(6)
    torch.testing.assert_close(xyz_to_lab(rgb_to_xyz(x)), rgb_to_lab(x), rtol=0, atol=1e-10)
    # scikit-image has a matrix of 6 digits that makes a slightly yellower white.
    expected = skimage.color.rgb2xyz(x.permute(1, 2, 0).numpy())
    np.testing.assert_allclose(rgb_to_xyz(x).permute(1, 2, 0).numpy(), expected, atol=4e-4)


def test_unknown_space_is_refused():
    with pytest.raises(ValueError, match="'srgb' or 'linear', not 'raw'"):
        rgb_to_lab(torch.zeros(3, 1, 1), space='raw')


def test_lch_against_colour_science_and_back():
    lab = rgb_to_lab(cube(7))
    lch = lab_to_lch(lab)
    coloured = lch[1] > 1e-9  # the hue of grey is nobody's
    expected = torch.from_numpy(colour.models.Lab_to_LCHab(lab.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    torch.testing.assert_close(lch[:2], expected[:2], rtol=0, atol=1e-10)
    torch.testing.assert_close(lch[2][coloured], expected[2][coloured], rtol=0, atol=1e-9)
    torch.testing.assert_close(lch_to_lab(lch), lab, rtol=0, atol=1e-10)


def test_lch_of_grey_has_a_finite_gradient():
    lab = torch.tensor([50.0, 0.0, 0.0]).view(3, 1, 1).requires_grad_()
    lch = lab_to_lch(lab)
    assert lch.flatten().tolist() == [50.0, 0.0, 0.0]
    lch.sum().backward()
    assert lab.grad.flatten().tolist() == [1.0, 0.0, 0.0]
