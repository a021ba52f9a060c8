"""Values of BasicSR 1.4.2, which are those of MATLAB's rgb2ycbcr."""

import numpy as np
import pytest
import torch

from basicsr.utils import matlab_functions
from basicsr.utils.color_util import bgr2ycbcr, rgb2ycbcr, rgb2ycbcr_pt, ycbcr2bgr, ycbcr2rgb

IMAGE = np.random.RandomState(0).randint(0, 256, (64, 48, 3)).astype(np.uint8)
FLOAT_IMAGE = (IMAGE / 255.0).astype(np.float32)


def test_8_bit_values():
    assert bgr2ycbcr(IMAGE)[0, :2].tolist() == [[87, 173, 150], [133, 156, 200]]
    assert bgr2ycbcr(IMAGE, y_only=True)[0, :3].tolist() == [87, 133, 89]
    assert rgb2ycbcr(IMAGE)[0, :2].tolist() == [[95, 140, 178], [124, 190, 170]]


def test_float_values():
    result = bgr2ycbcr(FLOAT_IMAGE)
    assert result.dtype == np.float32
    assert result[0, 0] == pytest.approx([0.33952203, 0.6765738, 0.5875164], abs=1e-7)


def test_studio_swing_of_pure_colours():
    bgr = np.array([[[255, 255, 255], [0, 0, 0], [0, 0, 255], [255, 0, 0]]], np.uint8)
    assert bgr2ycbcr(bgr, y_only=True).tolist() == [[235, 16, 81, 41]]


def test_inverse():
    assert ycbcr2bgr(bgr2ycbcr(IMAGE))[0, 0].tolist() == [173, 47, 118]
    for there, back in ((bgr2ycbcr, ycbcr2bgr), (rgb2ycbcr, ycbcr2rgb)):
        assert np.abs(back(there(IMAGE)).astype(int) - IMAGE).max() <= 2
        assert back(there(FLOAT_IMAGE)) == pytest.approx(FLOAT_IMAGE, abs=1e-5)


def test_values_outside_the_cube_are_clipped_not_wrapped():
    # Y = 255 with neutral chroma is 1.164 * (255 - 16) = 278 in each channel.
    assert ycbcr2rgb(np.array([[[255, 128, 128], [0, 128, 128]]], np.uint8)).tolist() == [[[255] * 3, [0] * 3]]


def test_other_types_are_refused():
    with pytest.raises(TypeError, match='float64'):
        bgr2ycbcr(IMAGE / 255.0)


def test_tensors_agree_with_arrays():
    batch = torch.from_numpy(FLOAT_IMAGE).permute(2, 0, 1)[None]
    result = rgb2ycbcr_pt(batch)[0].permute(1, 2, 0).numpy()
    assert result == pytest.approx(rgb2ycbcr(FLOAT_IMAGE), abs=2e-7)
    assert torch.equal(rgb2ycbcr_pt(batch, y_only=True), rgb2ycbcr_pt(batch)[:, :1])


def test_old_module_has_the_same_functions():
    assert matlab_functions.bgr2ycbcr is bgr2ycbcr
    assert matlab_functions.ycbcr2rgb is ycbcr2rgb
