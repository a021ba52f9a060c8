import random

import cv2
import numpy as np
import pytest
import torch

from basicsr.data.transforms import (
    Crop,
    augment,
    cut,
    draw_channel_order,
    draw_crop,
    mod_crop,
    paired_random_crop,
    shuffle_channels,
)
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


def test_target_that_is_no_multiple_of_the_scale():
    gt = GRID.repeat(3, axis=0).repeat(3, axis=1)
    gt_crop, lq_crop = paired_random_crop(gt, GRID, 13, 3)
    assert gt_crop.shape == (13, 13, 1) and lq_crop.shape == (4, 4, 1)


class OnlySlices:
    """What a reader of regions offers: a shape, a type, and one slice of rows and columns."""

    dtype = GRID.dtype

    def __init__(self, pixels):
        self.pixels, self.shape, self.asked = pixels, pixels.shape, []

    def __getitem__(self, region):
        rows, columns = region
        assert {type(part) for part in region} == {slice} and rows.step is columns.step is None
        self.asked.append((rows.start, rows.stop, columns.start, columns.stop))
        return self.pixels[rows, columns].copy()


def test_one_slice_of_each_image_is_asked_for():
    gt, lq = OnlySlices(GRID.repeat(2, axis=0).repeat(2, axis=1)), OnlySlices(GRID)
    random.seed(0)
    *_, crop = paired_random_crop(gt, lq, 16, 2, return_crop=True)
    assert crop == Crop(6, 13, 8)
    assert lq.asked == [(6, 14, 13, 21)] and gt.asked == [(12, 28, 26, 42)]


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('factor', [0.5, 1.5])
def test_scale_jitter_is_a_resized_crop(dtype, factor):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    gt = (np.random.default_rng(0).random((40, 50, 3)) * top).astype(dtype)
    lq = gt[::2, ::2]
    random.seed(1)
    resized_gt, resized_lq, crop = paired_random_crop(gt, lq, 16, 2, None, [factor, factor], return_crop=True)

    assert crop.side == 8 * factor
    method = cv2.INTER_AREA if factor > 1 else cv2.INTER_CUBIC
    for img, resized, scale, side in ((gt, resized_gt, 2, 16), (lq, resized_lq, 1, 8)):
        top, left, length = (number * scale for number in crop)
        square = np.ascontiguousarray(img[top : top + length, left : left + length])
        expected = cv2.resize(square, (side, side), interpolation=method)
        assert np.array_equal(resized, expected.clip(square.min(), square.max()))
        assert resized.dtype == dtype and resized.shape == (side, side, 3)
        assert square.min() <= resized.min() and resized.max() <= square.max()


def test_enlarged_edges_do_not_ring():
    step = np.zeros((8, 8, 3), np.float32)
    step[:, 4:] = 3.0  # linear light above 1 is kept
    enlarged = cut(step, Crop(0, 0, 8), 16)
    assert cv2.resize(step, (16, 16), interpolation=cv2.INTER_CUBIC).max() > 3.1
    assert enlarged.min() == 0 and enlarged.max() == 3


def test_scale_jitter_keeps_pictures_in_place():
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    ramp = np.stack([rows, columns, rows + columns], -1)
    for factor in (0.5, 0.8, 1.7):
        random.seed(0)
        square, _, crop = paired_random_crop(ramp, ramp, 24, 1, None, [factor, factor], return_crop=True)
        # The centre of a ramp is where the centre of the crop was.
        centre = [crop.top + (crop.side - 1) / 2, crop.left + (crop.side - 1) / 2]
        assert square[..., :2].mean((0, 1)) == pytest.approx(centre, abs=0.05)


def test_drawn_crops():
    random.seed(0)
    crops = [draw_crop((300, 400), 100, [0.5, 2.0]) for _ in range(4000)]
    sides = np.array([crop.side for crop in crops])
    counts, _ = np.histogram(sides, 6, (50, 200))
    assert sides.min() == 50 and sides.max() == 200
    assert abs(counts - 4000 / 6).max() < 130
    assert all(0 <= c.top <= 300 - c.side and 0 <= c.left <= 400 - c.side for c in crops)
    # As far as the image goes.
    assert {draw_crop((120, 400), 100, [1.5, 2.0]).side for _ in range(10)} == {120}


def test_scale_jitter_of_tensors_is_refused():
    images = torch.zeros(3, 20, 20)
    with pytest.raises(ValueError, match='not tensors'):
        paired_random_crop(images, images, 8, 1, None, [0.5, 0.5])


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


def statuses(**switches) -> set:
    return {augment(GRID, return_status=True, **switches)[1] for _ in range(80)}


def test_each_switch_of_augment():
    assert statuses(rot90=False) == {(h, v, False) for h in (False, True) for v in (False, True)}
    assert statuses(hflip=False, vflip=False) == {(False, False, False), (False, False, True)}
    assert statuses(rotation=False, vflip=True) == {(h, v, False) for h in (False, True) for v in (False, True)}
    assert len(statuses()) == 8


def test_without_flips_pictures_are_turned_not_mirrored():
    results = {}
    for _ in range(20):
        result, status = augment(GRID, hflip=False, vflip=False, return_status=True)
        results[status[2]] = result
    assert np.array_equal(results[False], GRID) and np.array_equal(results[True], np.rot90(GRID))


def test_channel_orders():
    random.seed(0)
    orders = [draw_channel_order(0.6) for _ in range(6000)]
    counts = {order: orders.count(order) for order in set(orders)}
    assert len(counts) == 6
    # A sixth of the draws changes nothing.
    assert counts.pop((0, 1, 2)) == pytest.approx(2400 + 600, abs=150)
    assert all(count == pytest.approx(600, abs=120) for count in counts.values())

    random.seed(4)
    assert draw_channel_order(0) == (0, 1, 2)
    assert random.random() == random.Random(4).random()


def test_channels_change_places():
    img = np.arange(12).reshape(2, 2, 3)
    shuffled = shuffle_channels(img, (2, 0, 1))
    assert shuffled[0].tolist() == [[2, 0, 1], [5, 3, 4]] and shuffled.flags['C_CONTIGUOUS']
    assert shuffle_channels(img, (0, 1, 2)) is img


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
