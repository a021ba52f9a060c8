"""The scorer: the numbers of the metrics themselves, on the pictures and on the float output."""

import math

import numpy as np
import pytest
import torch

from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.metrics.color_fidelity import BETTER, COLOR_FIDELITY, color_fidelity
from basicsr.metrics.scoring import Scorer
from basicsr.utils.errors import UserError
from basicsr.utils.registry import METRIC_REGISTRY

METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}, 'ssim': {'type': 'calculate_ssim'}}


@pytest.fixture
def pair():
    """A result that leaves [0, 1] here and there, and its target: (1, 3, 32, 40), not of 8 bits."""
    generator = torch.Generator().manual_seed(4)
    target = torch.rand(1, 3, 32, 40, generator=generator)
    return target + 0.1 * torch.randn(target.shape, generator=generator), target


def bgr(image: torch.Tensor) -> np.ndarray:
    """As OpenCV holds a picture, in units of 8-bit codes, by numpy alone."""
    return 255 * image[0].numpy().transpose(1, 2, 0)[..., ::-1]


def test_metrics_are_of_8_bit_pictures(pair):
    pictures = [np.rint(bgr(image).clip(0, 255)).astype(np.uint8) for image in pair]
    assert Scorer({'metrics': METRICS}, 'cpu')(*pair) == {
        'psnr': calculate_psnr(*pictures, 0),
        'ssim': calculate_ssim(*pictures, 0),
    }


def test_metrics_are_of_the_float_output_if_asked(pair):
    scores = Scorer({'metrics': METRICS, 'use_image': False}, 'cpu')(*pair)
    assert scores['psnr'] == pytest.approx(calculate_psnr(bgr(pair[0]), bgr(pair[1]), 0), rel=1e-9)
    error = ((pair[0] - pair[1]).double() ** 2).mean().item()
    assert scores['psnr'] == pytest.approx(-10 * math.log10(error), abs=1e-4)
    assert scores != Scorer({'metrics': METRICS}, 'cpu')(*pair)


@pytest.mark.parametrize('use_image', [True, False])
def test_channels_are_in_the_order_of_opencv(pair, use_image):
    """An error in blue alone: a code of it is 24.966 / 255 of one in Y (ITU-R BT.601-7, section 2.5.1)."""
    target = pair[1].clamp(0.2, 0.6)
    result = target.clone()
    result[:, 2] += 51 / 255
    metrics = {'y': {'type': 'calculate_psnr', 'test_y_channel': True}}
    scores = Scorer({'metrics': metrics, 'use_image': use_image}, 'cpu')(result, target)
    assert scores['y'] == pytest.approx(20 * math.log10(255 / (24.966 * 51 / 255)), abs=1e-3)


def test_colours_are_of_the_float_output(pair):
    """Whatever `use_image` says."""
    expected = color_fidelity(*pair)
    for use_image in (True, False):
        scores = Scorer({'color_fidelity': True, 'use_image': use_image}, 'cpu')(*pair)
        assert list(scores) == list(COLOR_FIDELITY)
        assert scores == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert expected['de00_mean'] != color_fidelity(*pair, eight_bit=True)['de00_mean']


def test_a_label_of_the_options_wins(pair):
    """`psnr` of `val.metrics` and that of the colour fidelity have one name; the first is the one in the log."""
    scorer = Scorer({'metrics': METRICS, 'color_fidelity': True}, 'cpu')
    scores = scorer(*pair)
    assert list(scores) == ['psnr', 'ssim', *(name for name in COLOR_FIDELITY if name not in METRICS)]
    plain = Scorer({'metrics': METRICS}, 'cpu')(*pair)
    assert {name: scores[name] for name in METRICS} == plain
    assert plain['psnr'] != color_fidelity(*pair)['psnr']
    assert list(scorer.better) == list(scores)


def test_arguments_of_a_metric_are_handed_over(pair):
    metrics = {'cropped': {'type': 'calculate_psnr', 'crop_border': 4, 'better': 'higher'}}
    inner = [image[..., 4:-4, 4:-4] for image in pair]
    whole = {'cropped': {'type': 'calculate_psnr'}}
    assert Scorer({'metrics': metrics}, 'cpu')(*pair) == Scorer({'metrics': whole}, 'cpu')(*inner)


def test_nothing_asked_for_is_nothing_measured(pair):
    for options in ({}, {'metrics': None}, {'metrics': {}, 'color_fidelity': False}):
        scorer = Scorer(options, 'cpu')
        assert scorer(*pair) == {} and scorer.better == {}


def test_what_is_better():
    metrics = {
        'psnr': {'type': 'calculate_psnr'},
        'share': {'type': 'calculate_masked_share_60'},
        'ratio': {'type': 'calculate_sat_ratio_60'},
        'turned': {'type': 'calculate_psnr', 'better': 'lower'},
        'near': {'type': 'calculate_de00_p95', 'better': 2.0},
        'p95': {'type': 'calculate_de00_p95'},
    }
    scorer = Scorer({'metrics': metrics, 'color_fidelity': True}, 'cpu')
    own = {'psnr': 'higher', 'share': None, 'ratio': 1.0, 'turned': 'lower', 'near': 2.0, 'p95': 'lower'}
    assert {name: scorer.better[name] for name in metrics} == own
    assert {name: scorer.better[name] for name in BETTER} == BETTER


@pytest.mark.parametrize(('attribute', 'expected'), [({}, 'higher'), ({'higher_is_better': False}, 'lower')])
def test_metrics_of_others(monkeypatch, pair, attribute, expected):
    """A metric that knows no `better`: BasicSR's are all better the higher they are."""

    def calculate_own(img, img2, **kwargs):
        assert kwargs == {'power': 2}
        return np.float32(np.abs(img.astype(float) - img2).mean())

    for name, value in attribute.items():
        setattr(calculate_own, name, value)
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, 'calculate_own', calculate_own)
    scorer = Scorer({'metrics': {'own': {'type': 'calculate_own', 'power': 2}}}, 'cpu')
    assert scorer.better == {'own': expected}
    assert type(scorer(*pair)['own']) is float and scorer(*pair)['own'] > 1


def test_an_unknown_metric_is_an_error_by_name():
    with pytest.raises(UserError, match='calculate_psnr'):
        Scorer({'metrics': {'psnr': {'type': 'calculate_psrn'}}}, 'cpu')
