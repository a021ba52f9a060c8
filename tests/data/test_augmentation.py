import random

import numpy as np
import pytest
import torch

from basicsr.data.augmentation import (
    AugmentOptions,
    describe_channels,
    describe_crop,
    describe_flips,
    draw_for_later,
    draw_pair,
)
from basicsr.data.transforms import Crop, shuffle_channels
from basicsr.utils.misc import seed_all
from basicsr.utils.schema import check_section

# BGR; every pixel holds its place.
LQ = np.stack([np.full((40, 50), 200), *np.mgrid[:40, :50]], -1).astype(np.uint8)
EVERYTHING = AugmentOptions(
    scale_jitter=[0.7, 1.4],
    channel_shuffle=0.5,
    photometric={'prob': 0.5, 'exposure_ev': [-0.5, 0.5]},
    mixup={'prob': 0.5},
)


def sample(options: AugmentOptions, *position: int):
    seed_all(*position)
    lq, gt, words = draw_pair(LQ, LQ.repeat(2, axis=0).repeat(2, axis=1), options, 24, 2)
    later, more = draw_for_later(options)
    return lq, gt, later, words + more


def test_a_sample_is_a_function_of_seed_and_position():
    first = [sample(EVERYTHING, 5, k) for k in range(12)]
    again = [sample(EVERYTHING, 5, k) for k in reversed(range(12))][::-1]
    for a, b in zip(first, again):
        assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
        assert all(torch.equal(a[2][key], b[2][key]) for key in ('photometric', 'mixup'))
        assert a[3] == b[3]
    assert len({tuple(words) for *_, words in first}) == 12
    assert [words for *_, words in first] != [sample(EVERYTHING, 6, k)[3] for k in range(12)]


def test_words_say_where_the_pixels_come_from():
    lq, gt, later, words = sample(AugmentOptions(use_hflip=False, use_rot=False), 1, 2)
    top, left = lq[0, 0, 1:].tolist()
    assert words == [f'x {2 * left}, y {2 * top}']
    assert np.array_equal(gt[::2, ::2], lq) and lq.shape == (12, 12, 3)
    assert later == {}


def test_each_switch_reaches_its_step():
    for name, status in (('use_hflip', 'hflip'), ('use_vflip', 'vflip'), ('use_rot90', 'rot90')):
        options = AugmentOptions(**{'use_hflip': False, 'use_rot': False, name: True})
        flips = {tuple(sample(options, 0, k)[3][1:]) for k in range(12)}
        assert flips == {(), (status,)}


def test_both_images_get_the_same_order_of_channels():
    options = AugmentOptions(channel_shuffle=1.0)
    for k in range(12):
        lq, gt, _, words = sample(options, 0, k)
        assert np.array_equal(gt[::2, ::2], lq)
        # Blue is 200 everywhere, and only blue is.
        place = int((lq == 200).all((0, 1)).argmax())
        source = next((word for word in words if word.startswith('RGB')), 'RGB from RGB').split()[-1]
        assert 'BGR'[place] == 'RGB'[source.index('B')]


def test_words():
    assert describe_crop(Crop(32, 60, 128), 2, 256) == 'x 120, y 64'
    assert describe_crop(Crop(32, 60, 150), 2, 256) == 'x 120, y 64, 300 px to 256'
    assert describe_flips((True, False, True)) == 'hflip, rot90'
    assert describe_flips((False, False, False)) == describe_channels((0, 1, 2)) == ''
    # Red is 3, green 2, blue 1; the channels lie in the order B, G, R.
    red, green, blue = shuffle_channels(np.array([[[1, 2, 3]]]), (2, 0, 1))[0, 0, ::-1]
    assert describe_channels((2, 0, 1)) == 'RGB from ' + ''.join(' BGR'[value] for value in (red, green, blue))


def test_defaults_draw_what_basicsr_draws():
    random.seed(0)
    _, _, words = draw_pair(LQ[:20, :24], LQ[:20, :24], AugmentOptions(), 8, 1)
    state = random.getstate()
    assert words == ['x 13, y 6', 'hflip, rot90']
    draw_for_later(AugmentOptions())
    assert random.getstate() == state


@pytest.mark.parametrize(
    'given, where, message',
    [
        ({'scale_jitter': [1.2, 0.8]}, ('scale_jitter',), 'expected [low, high] with 0.25 <= low <= high <= 4'),
        ({'scale_jitter': [0.1, 0.8]}, ('scale_jitter',), 'expected [low, high]'),
        ({'channel_shuffle': 2}, ('channel_shuffle',), 'at most 1'),
        ({'channel_shuffle': True}, ('channel_shuffle',), 'expected a number'),
        ({'photometric': {}}, ('photometric',), 'changes nothing'),
        ({'photometric': {'gama': [1, 1]}}, ('photometric', 'gama'), "did you mean 'gamma'?"),
        ({'mixup': True}, ('mixup',), 'expected a section'),
        ({'use_flip90': True}, ('use_flip90',), 'unknown key; did you mean'),
    ],
)
def test_mistakes_in_the_options(given, where, message):
    checked, problems = check_section(AugmentOptions, given, ())
    assert checked is None
    assert dict(problems)[where] and message in dict(problems)[where]
