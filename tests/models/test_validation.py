"""Validation of a model that returns its input, so that every score is known."""

import logging
import math

import cv2
import numpy as np
import pytest
import torch

from basicsr.models.validation import ValidationMixin
from basicsr.utils.logger import close_root_logger, get_root_logger


class Same(ValidationMixin):
    """Returns its input, as it comes."""

    def __init__(self, folder='', is_train=True, **val):
        metrics = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}
        metrics |= {'ssim': {'type': 'calculate_ssim', 'crop_border': 0}}
        self.opt = {
            'dist': False,
            'name': 'same',
            'path': {'visualization': str(folder)},
            'val': {'metrics': metrics, 'pbar': False, **val},
        }
        self.is_train, self.best_metric_results, self.input_results = is_train, {}, {}
        self.device = torch.device('cpu')

    def feed_data(self, data, is_val=False):
        self.data = data

    def test(self):
        self.output = self.data['lq']

    def get_current_visuals(self):
        return {'lq': self.data['lq'], 'result': self.output, 'gt': self.data['gt']}


class Loader(list):
    """Batches of one pair, of a set with these options."""

    def __init__(self, pairs, **opt):
        super().__init__({'lq': lq, 'gt': gt, 'lq_path': [f'{i}.png']} for i, (lq, gt) in enumerate(pairs))
        self.dataset = type('Set', (), {'opt': {'name': 'val', **opt}})


def image(size=16, seed=0):
    """An image of 8-bit values in (0.1, 0.9)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(26, 230, (1, 3, size, size), generator=generator) / 255


@pytest.fixture
def log(caplog):
    logger = get_root_logger()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger='basicsr'):
        yield caplog
    logger.removeHandler(caplog.handler)
    close_root_logger()


@pytest.mark.parametrize('use_image', [True, False])
def test_mean_and_std_are_undone(tmp_path, use_image):
    gt = image()
    lq = gt + 10 / 255
    mean, std = [0.5, 0.4, 0.3], [0.5, 0.25, 2.0]
    shift, factor = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    normalized = [((lq - shift) / factor, (gt - shift) / factor)]

    model = Same(tmp_path, use_image=use_image)
    model.validation(Loader(normalized, mean=mean, std=std), 5, None, save_img=True)
    # An error of 10 codes everywhere.
    assert model.metric_results['psnr'] == pytest.approx(20 * math.log10(255 / 10), abs=1e-3)
    assert model.input_results['val'] == model.metric_results
    picture = cv2.imread(str(tmp_path / 'val' / '0' / '0_5.png'))[..., ::-1]
    assert np.array_equal(picture, (lq[0].permute(1, 2, 0) * 255).round().numpy().astype(int))

    plain = Same(use_image=use_image)
    plain.validation(Loader([(lq, gt)], mean=None, std=None), 5, None)
    assert model.metric_results == pytest.approx(plain.metric_results, abs=1e-3)


def test_images_without_a_value_are_left_out_of_the_mean(log):
    """SSIM needs 11 x 11 pixels."""
    pairs = [(image(size, seed) * 0.9, image(size, seed)) for seed, size in enumerate([16, 8, 20, 9])]
    model, without_small = Same(), Same()
    without_small.validation(Loader([pairs[0], pairs[2]]), 5, None)
    assert 'no value' not in log.text
    model.validation(Loader(pairs), 5, None)
    assert model.metric_results['ssim'] == without_small.metric_results['ssim']
    assert model.input_results['val']['ssim'] == without_small.metric_results['ssim']
    assert model.best_metric_results['val']['ssim']['val'] == model.metric_results['ssim']
    assert model.metric_results['psnr'] != without_small.metric_results['psnr']
    warnings = {r.getMessage() for r in log.records if r.levelno == logging.WARNING}
    assert len(warnings) == 1
    assert warnings.pop().startswith('ssim: 2 of 4 images have no value, the first is 1;')


def test_no_value_at_all(log):
    model = Same()
    model.validation(Loader([(image(8) * 0.9, image(8))]), 5, None)
    assert math.isnan(model.metric_results['ssim'])
    assert model.best_metric_results['val']['ssim'] == {'better': 'higher', 'val': float('-inf'), 'iter': -1}
    assert '\t # ssim: nan\tInput: nan\n' in log.text
    assert 'inf' not in log.text and 'ssim: 1 of 1 images have no value, the first is 0;' in log.text

    model.validation(Loader([(image(16) * 0.9, image(16))]), 10, None)
    assert model.best_metric_results['val']['ssim']['iter'] == 10
    best = model.metric_results['ssim']
    model.validation(Loader([(image(8) * 0.9, image(8))]), 15, None)
    assert model.best_metric_results['val']['ssim'] == {'better': 'higher', 'val': best, 'iter': 10}
    assert f'\t # ssim: nan\tBest: {best:.4f} @ 10 iter' in log.text


@pytest.mark.parametrize('better', ['higher', 'lower'])
def test_the_best_is_never_nan(better):
    model = Same(metrics={'psnr': {'type': 'calculate_psnr', 'better': better}})
    model._initialize_best_metric_results('val')
    for iteration, value in enumerate([math.nan, 2.0, math.nan, 2.0, 1.0, 3.0]):
        model._update_best_metric_result('val', 'psnr', value, iteration)
    expected = (3.0, 5) if better == 'higher' else (1.0, 4)
    best = model.best_metric_results['val']['psnr']
    assert (best['val'], best['iter']) == expected
