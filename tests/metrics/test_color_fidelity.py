"""Colour fidelity against scikit-image, colour-science and numpy, and on images changed by known amounts."""

import math

import colour
import numpy as np
import pytest
import skimage.color
import torch
from skimage.metrics import structural_similarity

from basicsr.color import lab_to_rgb, lch_to_lab, rgb_to_lab
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.metrics import color_fidelity as module
from basicsr.metrics.color_fidelity import BETTER, COLOR_FIDELITY, color_fidelity, color_fidelity_scores
from basicsr.metrics.color_fidelity_metrics import METRICS
from basicsr.metrics.percentiles import keep_all, percentiles_by_sorting
from basicsr.utils.errors import DataError
from basicsr.utils.registry import METRIC_REGISTRY

SIZE = (60, 80)
# The images of compatibility tests with BasicSR 1.4.2: 8-bit BGR, and what it says of them.
A = np.random.RandomState(0).randint(0, 256, (64, 48, 3)).astype(np.uint8)
B = np.clip(A.astype(int) + np.random.RandomState(1).randint(-20, 21, A.shape), 0, 255).astype(np.uint8)
PSNR, SSIM = 26.86642843839249, 0.9873393916778


def as_rgb(img: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(img[..., ::-1].copy()).permute(2, 0, 1).double() / 255


def as_array(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def noisy(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A result and a target that hold all kinds of colours, with black, white, greys and primaries among them."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(3, *SIZE, generator=generator, dtype=torch.float64)
    target[:, :2] = target[:1, :2]
    target[:, 2:4] = target[:, 2:4].round()
    result = target + 0.1 * torch.randn(target.shape, generator=generator, dtype=torch.float64)
    result[:, 4:6] = result[:1, 4:6]
    return result.clamp(0, 1), target


def hsv_image(saturation: float, value: float) -> torch.Tensor:
    """All hues at one saturation and value."""
    hue = np.broadcast_to(np.linspace(0, 1, SIZE[1], endpoint=False), SIZE)
    hsv = np.stack([hue, np.full(SIZE, saturation), np.full(SIZE, value)], -1)
    return torch.from_numpy(skimage.color.hsv2rgb(hsv)).permute(2, 0, 1)


def lch_image(lightness: float, chroma: float, turn: float = 0.0) -> torch.Tensor:
    """All hues, turned by so many degrees, at one L* and C*ab: sRGB."""
    hue = torch.linspace(0, 350, SIZE[1], dtype=torch.float64).expand(SIZE)
    lch = torch.stack([torch.full_like(hue, lightness), torch.full_like(hue, chroma), (hue + turn) % 360])
    return lab_to_rgb(lch_to_lab(lch))


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 2e-3), (torch.float32, 2e-3)])
def test_colour_differences_are_those_of_scikit_image(dtype, tolerance):
    result, target = noisy()
    labs = [skimage.color.rgb2lab(as_array(image)) for image in (result, target)]
    de00, de76 = skimage.color.deltaE_ciede2000(*labs), skimage.color.deltaE_cie76(*labs)
    scores = color_fidelity(result.to(dtype), target.to(dtype))

    # scikit-image's matrix has fewer digits: its L*a*b* is up to 0.05 away.
    assert scores['de76_mean'] == pytest.approx(de76.mean(), abs=tolerance)
    assert scores['de00_mean'] == pytest.approx(de00.mean(), abs=tolerance)
    assert scores['de00_median'] == pytest.approx(np.median(de00), abs=1e-2)
    assert scores['de00_p95'] == pytest.approx(np.percentile(de00, 95), abs=1e-2)
    assert scores['de00_p99'] == pytest.approx(np.percentile(de00, 99), abs=1e-2)


def test_colour_differences_are_those_of_colour_science():
    result, target = noisy(1)
    white = colour.CCS_ILLUMINANTS['CIE 1931 2 Degree Standard Observer']['D65']
    labs = [colour.XYZ_to_Lab(colour.sRGB_to_XYZ(as_array(image)), white) for image in (result, target)]
    scores = color_fidelity(result, target)
    assert scores['de76_mean'] == pytest.approx(colour.delta_E(*labs, method='CIE 1976').mean(), abs=2e-3)
    assert scores['de00_mean'] == pytest.approx(colour.delta_E(*labs, method='CIE 2000').mean(), abs=2e-3)


@pytest.mark.parametrize('level', [60, 100])
def test_numbers_of_a_level_by_hand(level):
    result, target = noisy(2)
    (hsv, hsv_gt), (lch, lch_gt) = (
        [convert(as_array(image)) for image in (result, target)]
        for convert in (skimage.color.rgb2hsv, lambda x: skimage.color.lab2lch(skimage.color.rgb2lab(x)))
    )
    mask = (hsv_gt[..., 1] >= level / 255) & (hsv_gt[..., 2] >= 0.1)
    has_hue = mask & (lch[..., 1] >= lch_gt[..., 1] / 4)
    turn = np.rad2deg(lch[..., 2] - lch_gt[..., 2])
    turn = np.abs((turn + 180) % 360 - 180)[has_hue]
    expected = {
        'masked_share': mask.mean(),
        'sat_ratio': hsv[mask][:, 1].mean() / hsv_gt[mask][:, 1].mean(),
        'value_ratio': hsv[mask][:, 2].mean() / hsv_gt[mask][:, 2].mean(),
        'hue_shift': turn.mean(),
        'hue_shift_p95': np.percentile(turn, 95),
        'chroma_ratio': lch[mask][:, 1].mean() / lch_gt[mask][:, 1].mean(),
        'collapsed': 1 - has_hue.sum() / mask.sum(),
    }
    assert 0.01 < expected['collapsed'] < 0.5
    scores = color_fidelity(result, target)
    for name, value in expected.items():
        assert scores[f'{name}_{level}'] == pytest.approx(value, rel=2e-3), name
    assert scores['sat_ratio_all'] == pytest.approx(hsv[..., 1].mean() / hsv_gt[..., 1].mean(), rel=1e-9)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_psnr_and_ssim_of_basicsr(dtype, tolerance):
    pair = as_rgb(A).to(dtype), as_rgb(B).to(dtype)
    scores = color_fidelity(*pair)
    assert scores['psnr'] == pytest.approx(PSNR, abs=tolerance * 10)
    assert scores['ssim'] == pytest.approx(SSIM, abs=tolerance)
    # Whole levels are what they are when rounded to 8 bits.
    assert color_fidelity(*pair, eight_bit=True)['ssim'] == pytest.approx(SSIM, abs=tolerance)
    for channel, name in enumerate('bgr'):
        mse = ((A[..., channel].astype(float) - B[..., channel]) ** 2).mean()
        assert scores[f'psnr_{name}'] == pytest.approx(10 * math.log10(255**2 / mse), abs=tolerance * 10)


def test_float_scores_differ_from_8_bits_by_what_rounding_explains():
    generator = torch.Generator().manual_seed(3)
    target = 0.1 + 0.8 * torch.rand(3, 60, 50, generator=generator, dtype=torch.float64)
    result = target + 2 / 255 * torch.randn(target.shape, generator=generator, dtype=torch.float64)
    rounded = [np.ascontiguousarray(as_array((i * 255).round())[..., ::-1]) for i in (result, target)]
    as_floats = color_fidelity(result, target)
    in_8_bits = color_fidelity(result, target, eight_bit=True)
    assert in_8_bits['psnr'] == pytest.approx(calculate_psnr(*rounded), abs=1e-9)
    assert in_8_bits['ssim'] == pytest.approx(calculate_ssim(*rounded), abs=1e-9)
    # Rounding adds an error of 1 / 12 square level to each image.
    mse = 255**2 / 10 ** (as_floats['psnr'] / 10)
    assert mse == pytest.approx(4, rel=0.1)
    assert in_8_bits['psnr'] == pytest.approx(10 * math.log10(255**2 / (mse + 2 / 12)), abs=0.05)


def test_ssim_of_flat_and_bright_images_in_float32():
    # Flat areas are where E[x^2] - E[x]^2 loses its digits.
    generator = torch.Generator().manual_seed(0)
    target = torch.full((3, 200, 150), 0.97)
    target[:, 90:] = 0.02
    target[1, :, 70:] += 0.01
    result = target + 0.004 * torch.rand(target.shape, generator=generator)
    arrays = [as_array(image).astype(np.float64) for image in (result, target)]
    options = {'gaussian_weights': True, 'sigma': 1.5, 'use_sample_covariance': False, 'data_range': 1.0}
    expected = structural_similarity(*arrays, channel_axis=2, **options)
    assert color_fidelity(result, target)['ssim'] == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize('size', [(11, 11), (11, 40), (400, 500)])
def test_ssim_does_not_depend_on_strips_or_device(size, monkeypatch):
    from basicsr.metrics import ssim_of_tensors

    pair = [torch.rand(3, *size, dtype=torch.float64) for _ in '12']
    arrays = [as_array(image) for image in pair]
    options = {'gaussian_weights': True, 'sigma': 1.5, 'use_sample_covariance': False, 'data_range': 1.0}
    expected = structural_similarity(*arrays, channel_axis=2, **options)
    assert ssim_of_tensors.ssim(*pair).item() == pytest.approx(expected, abs=1e-12)
    shifts_and_sums = ssim_of_tensors.blur_by_shifts
    monkeypatch.setattr(ssim_of_tensors, '_blur', shifts_and_sums)
    assert ssim_of_tensors.ssim(*pair).item() == pytest.approx(expected, abs=1e-12)


def test_saturation_and_value_changed_by_known_amounts():
    scores = color_fidelity(hsv_image(0.8 * 0.77, 0.6 * 1.25), hsv_image(0.8, 0.6))
    for level in (60, 100):
        assert scores[f'masked_share_{level}'] == 1
        assert scores[f'sat_ratio_{level}'] == pytest.approx(0.77)
        assert scores[f'value_ratio_{level}'] == pytest.approx(1.25)
        assert scores[f'collapsed_{level}'] == 0
    assert scores['sat_ratio_all'] == pytest.approx(0.77)


@pytest.mark.parametrize('turn', [0.0, 15.0, -15.0, 170.0])
def test_hue_and_chroma_changed_by_known_amounts(turn):
    target = lch_image(65, 24)
    assert target.min() > 0 and target.max() < 1
    scores = color_fidelity(lch_image(65, 18, turn), target)
    assert 0.2 < scores['masked_share_60'] < 1
    assert scores['hue_shift_60'] == pytest.approx(abs(turn), abs=1e-5)
    assert scores['hue_shift_p95_60'] == pytest.approx(abs(turn), abs=1e-5)
    assert scores['chroma_ratio_60'] == pytest.approx(0.75, abs=1e-6)


def test_painted_wall_that_an_average_hides():
    """The whole image has the saturation of the target, the wall has three quarters of it."""
    target = hsv_image(0.10, 0.9)
    target[:, :, :8] = torch.tensor([0.3, 0.45, 0.6]).view(3, 1, 1)  # S 0.5 on a tenth of the image
    result = hsv_image(0.10 + 0.115 * 0.1 / 0.9, 0.9)
    result[:, :, :8] = torch.tensor([0.369, 0.4845, 0.6]).view(3, 1, 1)  # S 0.385
    scores = color_fidelity(result, target)
    assert scores['sat_ratio_all'] == pytest.approx(1.0, abs=1e-3)
    assert scores['sat_ratio_60'] == pytest.approx(0.77, abs=1e-3)
    assert scores['masked_share_60'] == pytest.approx(0.1)


def test_colours_that_came_out_grey_have_no_hue():
    target = lch_image(65, 24)
    half_grey = target.clone()
    half_grey[:, ::2] = half_grey[1:2, ::2]
    scores = color_fidelity(half_grey, target)
    assert scores['collapsed_60'] == pytest.approx(0.5)
    assert scores['hue_shift_60'] == pytest.approx(0, abs=1e-5)

    scores = color_fidelity(target.mean(0, keepdim=True).expand(3, -1, -1), target)
    assert scores['collapsed_60'] == 1
    assert scores['sat_ratio_60'] == scores['chroma_ratio_60'] == 0
    assert math.isnan(scores['hue_shift_60']) and math.isnan(scores['hue_shift_p95_60'])


def test_collapse_is_a_quarter_of_the_chroma():
    target = lch_image(65, 24)
    assert color_fidelity(lch_image(65, 6.1, 10), target)['collapsed_60'] == 0
    assert color_fidelity(lch_image(65, 5.9, 10), target)['collapsed_60'] == 1


@pytest.mark.parametrize('pixels, counts', [(99, False), (100, True)])
def test_too_few_pixels_are_no_score(pixels, counts):
    target = torch.full((3, 100, 120), 0.5, dtype=torch.float64)
    target.view(3, -1)[2, :pixels] = 0.9
    scores = color_fidelity(target.clone(), target)
    assert scores['masked_share_60'] == pytest.approx(pixels / 12000)
    for name in ('sat_ratio_60', 'value_ratio_60', 'hue_shift_60', 'hue_shift_p95_60', 'chroma_ratio_60'):
        assert math.isnan(scores[name]) != counts, name
    assert math.isnan(scores['collapsed_60']) != counts


def test_a_thousandth_of_a_large_image_is_asked_for():
    target = torch.full((3, 400, 500), 0.5)
    target.view(3, -1)[2, :199] = 0.9
    assert math.isnan(color_fidelity(target, target)['sat_ratio_60'])
    target.view(3, -1)[2, 199] = 0.9
    assert color_fidelity(target, target)['sat_ratio_60'] == 1


def test_dark_pixels_are_in_no_mask():
    target = torch.tensor([0.05, 0.02, 0.08], dtype=torch.float64).view(3, 1, 1).expand(3, *SIZE)
    assert color_fidelity(target, target)['masked_share_60'] == 0


def test_grey_targets_have_no_saturation_to_compare():
    target = torch.rand(1, *SIZE).expand(3, -1, -1)
    scores = color_fidelity(target * 0.9, target)
    assert math.isnan(scores['sat_ratio_all'])
    assert scores['masked_share_60'] == 0

    for saturation, counts in ((0.009, False), (0.011, True)):
        target = hsv_image(saturation, 0.5)
        assert math.isnan(color_fidelity(target, target)['sat_ratio_all']) != counts


def test_equal_images():
    _, target = noisy()
    scores = color_fidelity(target, target)
    ideal = {'psnr': 100, 'psnr_r': 100, 'psnr_g': 100, 'psnr_b': 100, 'ssim': 1}
    for name, better in BETTER.items():
        expected = ideal.get(name, 0 if better == 'lower' else better)
        assert expected is None or scores[name] == pytest.approx(expected, abs=1e-9), name


def test_what_a_screen_cannot_show_is_clamped():
    result, target = noisy()
    beyond = torch.where(result == 1, 1.7, torch.where(result == 0, -0.3, result))
    assert beyond.max() > 1 and beyond.min() < 0
    assert color_fidelity(beyond, target) == color_fidelity(result, target)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_a_broken_pixel_is_seen_everywhere(value):
    result, target = noisy()
    result[0, 30, 40] = value
    scores = color_fidelity(result, target)
    assert all(math.isnan(score) for score in scores.values()) == math.isnan(value)


def test_result_does_not_depend_on_strips(monkeypatch):
    result, target = noisy(4)
    expected = color_fidelity(result, target)
    for pixels in (1, 700, 10**6):
        monkeypatch.setitem(module._STRIP, 'cpu', pixels)
        assert color_fidelity(result, target) == pytest.approx(expected, rel=1e-12)


def test_the_way_of_a_gpu_gives_the_same(monkeypatch):
    result, target = noisy(6)
    expected = color_fidelity(result, target)
    monkeypatch.setattr(module, 'keep', keep_all)
    monkeypatch.setattr(module, 'percentiles', percentiles_by_sorting)
    assert color_fidelity(result, target) == pytest.approx(expected, rel=1e-12)


def test_types_and_shapes():
    result, target = noisy(5)
    expected = color_fidelity(result, target)
    assert list(expected) == list(COLOR_FIDELITY)
    assert color_fidelity(result[None], target[None]) == expected
    assert color_fidelity(result.float().requires_grad_(), target.float()) == pytest.approx(expected, rel=1e-4)
    # What half precision holds, in full precision.
    half = color_fidelity(result.half(), target.float())
    assert half == color_fidelity(result.half().float(), target.float())
    scores = color_fidelity_scores(result, target)
    assert scores.tolist() == pytest.approx(list(expected.values())) and not scores.requires_grad
    turned = [image.transpose(1, 2).contiguous().transpose(1, 2) for image in (result, target)]
    assert color_fidelity(*turned) == pytest.approx(expected, rel=1e-12)


def test_errors():
    with pytest.raises(DataError, match=r'\(3, 8, 8\) and \(3, 8, 9\)'):
        color_fidelity(torch.rand(3, 8, 8), torch.rand(3, 8, 9))
    for shape in ((1, 8, 8), (2, 3, 8, 8), (3, 8)):
        with pytest.raises(DataError, match='one RGB image'):
            color_fidelity(torch.rand(shape), torch.rand(shape))
    levels = torch.zeros(3, 8, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match='divide by 255'):
        color_fidelity(levels, levels)


def test_images_smaller_than_the_window_have_no_ssim():
    result, target = (image[:, :10] for image in noisy())
    scores = color_fidelity(result, target)
    assert math.isnan(scores['ssim']) and scores['psnr'] > 0


def test_metrics_for_option_files():
    expected = color_fidelity(as_rgb(A).float(), as_rgb(B).float())
    for name in COLOR_FIDELITY:
        metric = METRIC_REGISTRY.get(f'calculate_{name}')
        if name in METRICS:
            assert metric is METRICS[name]
            assert metric.better == BETTER[name]
        assert metric.higher_is_better is {'higher': True, 'lower': False}.get(BETTER[name])
    chw = [img.transpose(2, 0, 1) for img in (A, B)]
    for name in ('psnr_r', 'de00_p95', 'sat_ratio_100'):
        metric = METRIC_REGISTRY.get(f'calculate_{name}')
        assert metric(A, B) == pytest.approx(expected[name])
        assert metric(*chw, input_order='CHW') == pytest.approx(expected[name])
        assert metric(A, B, crop_border=4) == pytest.approx(metric(A[4:-4, 4:-4], B[4:-4, 4:-4]))
    assert METRICS['sat_ratio_60'].ideal == 1.0 and METRICS['sat_ratio_60'].higher_is_better is None
    with pytest.raises(DataError, match='different shapes'):
        METRICS['de00_mean'](A, B[:10])


def test_hue_shift_of_lab_is_that_of_lch():
    """The angle between vectors is the difference of the angles of colour-science."""
    target, result = lch_image(65, 24), lch_image(65, 24, 40)
    hues = [colour.models.Lab_to_LCHab(as_array(rgb_to_lab(image)))[..., 2] for image in (result, target)]
    assert np.abs((hues[0] - hues[1] + 180) % 360 - 180) == pytest.approx(40, abs=1e-6)
    assert np.hypot(*rgb_to_lab(target)[1:].numpy()) == pytest.approx(24, abs=1e-6)
