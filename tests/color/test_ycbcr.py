"""YCbCr against numbers that BasicSR gives, and against Pillow, whose YCbCr is full-range BT.601 (JFIF)."""

import numpy as np
import pytest
import torch
from PIL import Image

from basicsr.color import chroma_uv, luma, rgb_to_ycbcr
from basicsr.color.ycbcr import BT601_STUDIO_INVERSE, BT601_STUDIO_INVERSE_OFFSET

IMAGE = np.random.RandomState(0).randint(0, 256, (64, 48, 3)).astype(np.uint8)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image).transpose(2, 0, 1)).double() / 255


def test_studio_swing_equals_basicsr():
    codes = (rgb_to_ycbcr(as_tensor(IMAGE), range='studio') * 255).round()
    assert codes[:, 0, :2].T.tolist() == [[95, 140, 178], [124, 190, 170]]

    from_bgr = rgb_to_ycbcr(as_tensor(IMAGE[..., ::-1]).float(), range='studio')
    np.testing.assert_allclose(from_bgr[:, 0, 0], [0.33952203, 0.6765738, 0.5875164], atol=2e-7)


@pytest.mark.parametrize('rgb, luma', [((1, 1, 1), 235), ((0, 0, 0), 16), ((1, 0, 0), 81), ((0, 0, 1), 41)])
def test_studio_luma_of_primaries(rgb, luma):
    x = torch.tensor(rgb, dtype=torch.float64).view(3, 1, 1)
    assert round((rgb_to_ycbcr(x)[0] * 255).item()) == luma


def test_studio_inverse_constants_give_basicsr_round_trip():
    codes = np.array([87, 173, 150])  # of the B, G, R pixel 172, 47, 117
    rgb = np.array(BT601_STUDIO_INVERSE) @ codes * 255 + BT601_STUDIO_INVERSE_OFFSET
    assert rgb.round().tolist() == [118, 47, 173]


def test_full_range_equals_pillow_to_its_rounding():
    ours = rgb_to_ycbcr(as_tensor(IMAGE), range='full').permute(1, 2, 0).numpy() * 255
    pillow = np.asarray(Image.fromarray(IMAGE).convert('YCbCr')).astype(float)
    # Pillow centres chroma on 128, not 127.5, and rounds.
    assert np.abs(ours + [0, 0.5, 0.5] - pillow).max() < 1.01


def test_chroma_uv_has_the_definition_of_bt601():
    x = torch.rand(3, 8, 8, dtype=torch.float64)
    luma = 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]
    expected = torch.stack(((x[2] - luma) / 1.772, (x[0] - luma) / 1.402))
    torch.testing.assert_close(chroma_uv(x), expected, rtol=0, atol=1e-15)


def test_chroma_uv_of_studio_range_is_ycbcr_without_its_offset():
    x = torch.rand(3, 8, 8, dtype=torch.float64)
    expected = rgb_to_ycbcr(x, range='studio')[1:] - 128 / 255
    torch.testing.assert_close(chroma_uv(x, range='studio'), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize('range', ['full', 'studio'])
def test_grey_has_exactly_no_chroma(range):
    grey = torch.rand(1, 1, 101, 103).expand(2, 3, 101, 103)
    assert chroma_uv(grey, range=range).abs().max() == 0


def test_unknown_range_is_refused():
    with pytest.raises(ValueError, match="'studio' or 'full', not 'tv'"):
        rgb_to_ycbcr(torch.zeros(3, 1, 1), range='tv')


def test_luma_is_the_first_channel_of_the_full_range():
    x = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(luma(x), 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2], rtol=0, atol=1e-15)
    torch.testing.assert_close(luma(x), rgb_to_ycbcr(x, range='full')[:, 0])
