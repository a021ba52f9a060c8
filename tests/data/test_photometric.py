"""Photometric jitter, judged by colour-science and scikit-image."""

import random

import colour
import numpy as np
import pytest
import skimage.color
import torch

from basicsr.data.photometric import (
    PHOTOMETRIC_SIZE,
    PhotometricOptions,
    apply_photometric,
    describe_photometric,
    draw_photometric,
)
from basicsr.utils.misc import seed_all
from basicsr.utils.schema import check_section


def image(low: float = 0.0, high: float = 1.0, count: int = 1) -> torch.Tensor:
    """Random linear light in [low, high], sRGB-encoded by colour-science."""
    light = np.random.default_rng(0).uniform(low, high, (count, 3, 16, 16))
    return torch.from_numpy(colour.models.eotf_inverse_sRGB(light).astype(np.float32))


def light_of(images: torch.Tensor) -> np.ndarray:
    return colour.models.eotf_sRGB(images.numpy().astype(np.float64))


def certain(**ranges) -> torch.Tensor:
    """A draw whose numbers are known: (1, PHOTOMETRIC_SIZE)."""
    return draw_photometric(PhotometricOptions(prob=1.0, **{key: [value] * 2 for key, value in ranges.items()}))[None]


def luminance(images: torch.Tensor) -> np.ndarray:
    return colour.RGB_luminance(
        light_of(images).transpose(0, 2, 3, 1),
        colour.models.RGB_COLOURSPACE_sRGB.primaries,
        colour.models.RGB_COLOURSPACE_sRGB.whitepoint,
    )


@pytest.mark.parametrize('ev', [1.0, -0.5, 0.3])
def test_exposure_scales_light(ev):
    before = image(0.0, 0.45)
    after = apply_photometric(before, certain(exposure_ev=ev))
    assert np.allclose(light_of(after), light_of(before) * 2**ev, atol=2e-6)


def test_one_stop_more_of_a_grey_card():
    # 18 % grey is 0.4614 in sRGB, 36 % is 0.6343 (IEC 61966-2-1: 1.055 * 0.36 ** (1 / 2.4) - 0.055).
    after = apply_photometric(torch.full((1, 3, 2, 2), 0.461356), certain(exposure_ev=1.0))
    assert after.numpy() == pytest.approx(0.634255, abs=1e-4)


def test_gains_are_those_that_a_regression_finds():
    options = PhotometricOptions(prob=1.0, gains=[0.9, 1.1])
    random.seed(5)
    draw = draw_photometric(options)
    before = image(0.0, 0.9)
    after = apply_photometric(before, draw[None])
    slopes = [np.polyfit(a.ravel(), b.ravel(), 1)[0] for a, b in zip(light_of(before)[0], light_of(after)[0])]
    told = [float(text) for text in describe_photometric(draw).removeprefix('gains ').split()]
    assert slopes == pytest.approx(told, abs=0.006)
    assert len(set(told)) == 3


def test_white_balance_gives_greys_the_colour_of_daylight():
    before = torch.full((1, 3, 4, 4), 0.5)
    after = apply_photometric(before, certain(white_balance_k=5003.0))
    xyz = colour.sRGB_to_XYZ(after[0, :, 0, 0].numpy().astype(np.float64))
    # D50: x 0.34567, y 0.35850 (CIE 15:2004, table 11.3); a grey keeps its luminance.
    assert xyz[:2] / xyz.sum() == pytest.approx([0.34567, 0.35850], abs=3e-4)
    assert luminance(after) == pytest.approx(luminance(before), abs=1e-4)


def test_no_saturation_is_the_grey_of_equal_luminance():
    before = image()
    after = apply_photometric(before, certain(saturation=0.0))
    assert torch.equal(after[:, 0], after[:, 1]) and torch.equal(after[:, 0], after[:, 2])
    assert np.allclose(luminance(after), luminance(before), atol=2e-4)


def test_saturation_scales_the_distance_from_grey():
    before = image(0.3, 0.5)
    after = apply_photometric(before, certain(saturation=1.2))
    assert np.allclose(luminance(after), luminance(before), atol=2e-4)
    spread = [np.ptp(light_of(images), axis=1) for images in (before, after)]
    assert np.allclose(spread[1], 1.2 * spread[0], atol=1e-5)


def test_contrast_turns_around_middle_grey_in_log_light():
    before = image(0.01, 0.4)
    stops = [np.log2(light_of(images) / 0.18) for images in (before, apply_photometric(before, certain(contrast=1.25)))]
    assert np.allclose(stops[1], 1.25 * stops[0], atol=1e-4)


def test_gamma_keeps_black_and_white():
    before = image()
    before[0, :, 0, :2] = torch.tensor([0.0, 1.0])
    after = apply_photometric(before, certain(gamma=1.3))
    assert np.allclose(light_of(after), light_of(before) ** 1.3, atol=2e-6)
    assert np.allclose(after[0, :, 0, :2], [0, 1], atol=1e-7)


def test_steps_follow_each_other():
    before = image(0.05, 0.3)
    draw = certain(exposure_ev=0.4, gains=1.1, contrast=1.1, saturation=0.8, gamma=0.9)
    light = light_of(before) * 2**0.4 * 1.1
    light = 0.18 * (light / 0.18) ** 1.1
    grey = skimage.color.rgb2gray(light.transpose(0, 2, 3, 1))[:, None]
    expected = colour.models.eotf_inverse_sRGB((grey + 0.8 * (light - grey)) ** 0.9)
    assert np.allclose(apply_photometric(before, draw).numpy(), expected, atol=1e-4)


def test_images_without_a_draw_are_returned_bit_for_bit():
    before = image(count=3)
    before[1] = 1.7  # not even clamped
    none = draw_photometric(None)
    after = apply_photometric(before, torch.stack([none, none, certain(exposure_ev=0.5)[0]]))
    assert torch.equal(after[:2], before[:2]) and not torch.equal(after[2], before[2])
    assert torch.equal(after[2:], apply_photometric(before[2:], certain(exposure_ev=0.5)))
    assert torch.equal(apply_photometric(before, none.expand(3, -1)), before)


def test_drawn_images_stay_in_range():
    after = apply_photometric(image(), certain(exposure_ev=3.0, saturation=3.0))
    assert after.min() == 0 and after.max() == 1


def test_linear_light_is_neither_decoded_nor_clamped():
    before = torch.tensor([-0.01, 0.0, 0.5, 4096.0]).expand(1, 3, 1, 4)
    after = apply_photometric(before, certain(exposure_ev=1.0), is_linear=True)
    assert after[0, 0, 0].tolist() == pytest.approx([-0.02, 0.0, 1.0, 8192.0], rel=1e-5)
    assert apply_photometric(before, certain(contrast=1.5, gamma=1.1), is_linear=True).isfinite().all()


def test_other_devices_get_the_same_without_asking_the_host():
    # The meta device has no values: reading one on the host would fail.
    draws = torch.stack([draw_photometric(None), certain(exposure_ev=0.5)[0]])
    after = apply_photometric(torch.empty(2, 3, 4, 4, device='meta'), draws)
    assert after.shape == (2, 3, 4, 4) and after.device.type == 'meta'


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_agrees_with_the_cpu():
    before = image(count=2)
    draws = torch.stack([draw_photometric(None), certain(exposure_ev=0.5, contrast=1.1)[0]])
    expected, on_gpu = apply_photometric(before, draws), before.cuda()
    torch.cuda.set_sync_debug_mode('error')
    try:
        after = apply_photometric(on_gpu, draws.pin_memory())
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert torch.allclose(after.cpu(), expected, atol=1e-6)
    assert torch.equal(after[0].cpu(), before[0])


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r'draws \(N, 9\), got \(1, 3, 16, 16\) and \(2, 9\)'):
        apply_photometric(image(), torch.zeros(2, PHOTOMETRIC_SIZE))


RANGES = {
    'exposure_ev': [-0.3, 0.5],
    'contrast': [0.9, 1.2],
    'saturation': [0.8, 1.1],
    'gamma': [0.95, 1.3],
}


def drawn(count: int, **given) -> np.ndarray:
    random.seed(0)
    options = PhotometricOptions(**given)
    return torch.stack([draw_photometric(options) for _ in range(count)]).numpy()


def test_draws_are_uniform_in_their_ranges():
    draws = drawn(8000, prob=1.0, gains=[0.8, 1.25], **RANGES)
    limits = dict(zip((1, 6, 7, 8), RANGES.values())) | {place: [0.8, 1.25] for place in (2, 3, 4)}
    for place, (low, high) in limits.items():
        values = draws[:, place]
        assert low <= values.min() < values.max() <= high + 1e-6
        counts, _ = np.histogram(values, 8, (low, high))
        # Five standard deviations of a bin of 1000.
        assert abs(counts - 1000).max() < 150
    # Independent of each other.
    correlations = np.corrcoef(draws[:, list(limits)].T) - np.eye(len(limits))
    assert abs(correlations).max() < 0.05


def test_white_balance_is_uniform_in_mired():
    draws = drawn(8000, prob=1.0, white_balance_k=[4000, 10000])
    counts, _ = np.histogram(1e6 / draws[:, 5], 5, (100, 250))
    assert abs(counts - 1600).max() < 200


def test_probability():
    assert drawn(8000, prob=0.1, **RANGES)[:, 0].mean() == pytest.approx(0.1, abs=0.012)
    assert not drawn(100, prob=0.0, **RANGES)[:, 0].any()
    assert drawn(100, prob=1.0, **RANGES)[:, 0].all()


def test_a_draw_is_a_function_of_seed_and_position():
    options = PhotometricOptions(prob=0.5, gains=[0.9, 1.1], **RANGES)
    draws = []
    for position in [(7, 0), (7, 1), (7, 2), (7, 3), (8, 0), (7, 0)]:
        seed_all(*position)
        draws.append(draw_photometric(options))
    assert torch.equal(draws[0], draws[-1])
    assert len({tuple(draw.tolist()) for draw in draws if draw[0]}) > 1


def test_switching_a_range_leaves_the_other_draws_alone():
    alone, together = (drawn(50, prob=0.5, exposure_ev=[-1, 1], **more) for more in ({}, {'gains': [0.5, 2]}))
    assert np.array_equal(alone[:, :2], together[:, :2])
    assert (alone[:, 2:5] == 1).all() and not (together[:, 2:5] == 1).all()
    random.seed(2)
    draw_photometric(None)
    assert random.random() == random.Random(2).random()


def test_captions():
    assert describe_photometric(draw_photometric(None)) == ''
    assert describe_photometric(certain(exposure_ev=0.21)[0]) == 'exposure +0.21 EV'
    assert describe_photometric(certain(exposure_ev=-1.5, white_balance_k=5800, gamma=1.05)[0]) == (
        'exposure -1.50 EV, 5800 K, gamma 1.05'
    )
    assert describe_photometric(certain(gains=1.1, contrast=0.9, saturation=1.2)[0]) == (
        'gains 1.10 1.10 1.10, contrast 0.90, saturation 1.20'
    )


@pytest.mark.parametrize(
    'given, where, message',
    [
        ({}, (), 'changes nothing: give one or more of exposure_ev, white_balance_k, gains'),
        ({'gains': [1, 1], 'white_balance_k': [5000, 7000]}, (), 'give one of them'),
        ({'exposure_ev': [0.3, -0.3]}, ('exposure_ev',), 'expected [low, high] with -10 <= low <= high <= 10'),
        ({'exposure_ev': [0.3]}, ('exposure_ev',), 'expected [low, high]'),
        ({'exposure_ev': 0.3}, ('exposure_ev',), 'expected a list, got 0.3'),
        ({'gains': [0, 1]}, ('gains',), 'with 0.1 <= low'),
        ({'saturation': [-1, 1]}, ('saturation',), 'with 0 <= low'),
        ({'white_balance_k': [3000, 7000]}, ('white_balance_k',), 'with 4000 <= low <= high <= 25000'),
        ({'prob': 1.1, 'gamma': [1, 1]}, ('prob',), 'expected a number of at most 1'),
        ({'target': 'gt', 'gamma': [1, 1]}, ('target',), "'gt' is not one of 'lq', 'both'"),
        ({'exposure': [0, 1], 'gamma': [1, 1]}, ('exposure',), "did you mean 'exposure_ev'?"),
    ],
)
def test_mistakes_in_the_options(given, where, message):
    checked, problems = check_section(PhotometricOptions, given, ())
    assert checked is None
    assert [place for place, _ in problems] == [where]
    assert message in problems[0][1]
