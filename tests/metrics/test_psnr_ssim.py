"""Values of BasicSR 1.4.2, and agreement with scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from basicsr.metrics.metric_util import reorder_image, to_y_channel
from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_psnr_pt, calculate_ssim, calculate_ssim_pt
from basicsr.utils.color_util import bgr2ycbcr
from basicsr.utils.errors import DataError
from basicsr.utils.registry import METRIC_REGISTRY

A = np.random.RandomState(0).randint(0, 256, (64, 48, 3)).astype(np.uint8)
B = np.clip(A.astype(int) + np.random.RandomState(1).randint(-20, 21, A.shape), 0, 255).astype(np.uint8)


def to_batch(*imgs):
    return torch.stack([torch.from_numpy(img[..., ::-1].copy()).permute(2, 0, 1) for img in imgs]).float() / 255


@pytest.mark.parametrize(
    ('crop_border', 'test_y_channel', 'psnr', 'ssim'),
    [
        (0, False, 26.86642843839249, 0.9873393916778),
        (0, True, 31.65189608562769, 0.9872203535912),
        (4, False, 26.877884189566803, 0.9874879230655),
        (4, True, 31.628796728241383, 0.9873420579481),
    ],
)
def test_values_of_basicsr(crop_border, test_y_channel, psnr, ssim):
    options = {'crop_border': crop_border, 'test_y_channel': test_y_channel}
    assert calculate_psnr(A, B, **options) == pytest.approx(psnr, abs=1e-9)
    assert calculate_ssim(A, B, **options) == pytest.approx(ssim, abs=1e-9)
    chw = [img.transpose(2, 0, 1) for img in (A, B)]
    assert calculate_psnr(*chw, input_order='CHW', **options) == pytest.approx(psnr, abs=1e-9)
    assert calculate_ssim(*chw, input_order='CHW', **options) == pytest.approx(ssim, abs=1e-9)


@pytest.mark.parametrize(
    ('test_y_channel', 'psnr', 'ssim'),
    [(False, 26.87786302072656, 0.98748792328), (True, 31.62873382772, 0.98734205832)],
)
def test_tensor_values_of_basicsr(test_y_channel, psnr, ssim):
    pairs = to_batch(A, A), to_batch(B, A)
    psnrs = calculate_psnr_pt(*pairs, crop_border=4, test_y_channel=test_y_channel).tolist()
    ssims = calculate_ssim_pt(*pairs, crop_border=4, test_y_channel=test_y_channel).tolist()
    # The second pair is of equal images: the epsilon of 1e-8 limits its PSNR to 80.
    assert psnrs == pytest.approx([psnr, 80.0], abs=1e-5)
    assert ssims == pytest.approx([ssim, 1.0], abs=1e-8)


def test_grey_images():
    grey = A[..., 0], B[..., 0]
    for test_y_channel in (False, True):
        assert calculate_psnr(*grey, test_y_channel=test_y_channel) == pytest.approx(26.77545012220871, abs=1e-6)


def test_agreement_with_scikit_image():
    assert calculate_psnr(A, B) == pytest.approx(peak_signal_noise_ratio(A, B, data_range=255), abs=1e-9)
    options = {'gaussian_weights': True, 'sigma': 1.5, 'use_sample_covariance': False, 'data_range': 255}
    ssim, ssim_map = structural_similarity(A, B, channel_axis=2, full=True, **options)
    assert calculate_ssim(A, B) == pytest.approx(ssim, abs=1e-6)
    assert calculate_ssim(A, B) == pytest.approx(ssim_map[5:-5, 5:-5].mean(), abs=1e-6)
    pair = to_batch(A), to_batch(B)
    assert calculate_ssim_pt(*pair).item() == pytest.approx(ssim, abs=1e-6)


def test_equal_images():
    assert calculate_psnr(A, A) == math.inf
    assert calculate_ssim(A, A) == 1.0


def test_small_images_have_no_ssim():
    small = A[:8, :8], B[:8, :8]
    assert math.isnan(calculate_ssim(*small))
    assert calculate_ssim_pt(to_batch(small[0]), to_batch(small[1])).isnan().all()


def test_errors():
    for metric in (calculate_psnr, calculate_ssim):
        with pytest.raises(DataError, match=r'\(64, 48, 3\) and \(60, 48, 3\)'):
            metric(A, B[:60])
        with pytest.raises(ValueError, match='HCW'):
            metric(A, B, 0, input_order='HCW')
    with pytest.raises(DataError, match='shapes'):
        calculate_psnr_pt(to_batch(A), to_batch(B[:60]))


def test_registered_and_higher_is_better():
    for name in ('calculate_psnr', 'calculate_ssim'):
        assert METRIC_REGISTRY.get(name).higher_is_better is True


def test_reorder_image():
    assert reorder_image(A[..., 0]).shape == (64, 48, 1)
    assert np.array_equal(reorder_image(A.transpose(2, 0, 1), 'CHW'), A)


def test_to_y_channel_does_not_round():
    y = to_y_channel(A)
    assert y.shape == (64, 48, 1)
    assert np.array_equal(y[..., 0].round(), bgr2ycbcr(A, y_only=True))
    assert not np.array_equal(y, y.round())
