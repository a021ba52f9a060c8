import random

import numpy as np
import pytest
import torch

from basicsr.data.transforms import augment, mod_crop, paired_random_crop
from basicsr.utils.errors import DataError

# Every pixel holds its own place: 100 * row + column.
GRID = (100 * np.arange(20)[:, None] + np.arange(24))[..., None]


def test_draws_of_basicsr():
    random.seed(0)
    gt, lq = paired_random_crop(GRID, GRID, 8, 1)
    assert gt[0, 0, 0] == lq[0, 0, 0] == 100 * 6 + 13
    assert gt.shape == (8, 8, 1)
    result, status = augment(gt, return_status=True)
    assert status == (True, False, True)
    # Flipped left to right, then transposed: row r of the result is column 7 - r of the crop.
    assert np.array_equal(result[..., 0], gt[:, ::-1, 0].T)


def test_crops_belong_together():
    gt = GRID.repeat(3, axis=0).repeat(3, axis=1)
    for seed in range(5):
        random.seed(seed)
        (gt1, gt2), lq = paired_random_crop([gt, gt], GRID, 12, 3)
        assert lq.shape == (4, 4, 1)
        assert np.array_equal(gt1[::3, ::3], lq) and np.array_equal(gt2, gt1)


def test_tensors_are_cropped_in_their_last_two_axes():
    gt = torch.from_numpy(GRID).permute(2, 0, 1)[None]
    random.seed(0)
    cropped, _ = paired_random_crop(gt, [gt], 8, 1)
    assert cropped.shape == (1, 1, 8, 8)
    assert cropped[0, 0, 0, 0] == 613


def test_crop_errors():
    with pytest.raises(
        DataError, match=r'^a\.png: GT is 24 x 20 and LQ 24 x 20 pixels; for scale 2 GT should be 48 x 40'
    ):
        paired_random_crop(GRID, GRID, 8, 2, 'a.png')
    with pytest.raises(DataError, match=r'^a\.png: GT is 24 x 20 pixels, smaller than the patch of 21'):
        paired_random_crop(GRID, GRID, 21, 1, 'a.png')


def test_augment_order_is_flips_then_transposition():
    seen = {}
    for seed in range(100):
        random.seed(seed)
        result, (hflip, vflip, rot90) = augment(GRID, return_status=True)
        expected = np.fliplr(GRID) if hflip else GRID
        expected = np.flipud(expected) if vflip else expected
        expected = expected.transpose(1, 0, 2) if rot90 else expected
        assert np.array_equal(result, expected)
        assert result.flags['C_CONTIGUOUS']
        seen[hflip, vflip, rot90] = result.tobytes()
    assert len(seen) == len(set(seen.values())) == 8


def test_augment_draws_only_what_is_enabled():
    random.seed(3)
    augment(GRID, hflip=False, rotation=False)
    untouched = random.random()
    random.seed(3)
    assert random.random() == untouched

    status = {augment(GRID, rotation=False, return_status=True)[1] for _ in range(50)}
    assert status == {(False, False, False), (True, False, False)}


def test_augment_leaves_its_input_alone_and_treats_lists_alike():
    original = GRID.copy()
    for _ in range(10):
        first, second = augment([GRID, GRID[..., 0]])
        assert np.array_equal(first[..., 0], second)
    assert np.array_equal(original, GRID)


def test_mod_crop():
    assert mod_crop(GRID, 7).shape == (14, 21, 1)
    assert np.array_equal(mod_crop(GRID[..., 0], 5), GRID[:20, :20, 0])
    with pytest.raises(ValueError, match='H, W'):
        mod_crop(GRID[None], 2)
