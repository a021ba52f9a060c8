import copy
import logging
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.utils.data import DataLoader

from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.color_util import bgr2ycbcr
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.registry import DATASET_REGISTRY

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the test images of ../shared/data')


def picture(height, width, scale=1, dtype=np.uint8):
    """A picture whose blue is the row, green the column and red the scale; enlarged by repetition."""
    rows, columns = np.mgrid[:height, :width]
    img = np.stack([rows, columns, np.full_like(rows, 9)], axis=-1)
    return img.repeat(scale, axis=0).repeat(scale, axis=1).astype(dtype)


@pytest.fixture
def options(tmp_path):
    """Return a function that writes pairs of pictures, and returns the options of a dataset of them."""

    def make(pairs, **kwargs):
        for index, (lq, gt) in enumerate(pairs):
            for name, img in (('lq', lq), ('gt', gt)):
                (tmp_path / name).mkdir(exist_ok=True)
                assert cv2.imwrite(str(tmp_path / name / f'{index}.png'), img)
        folders = {'dataroot_gt': str(tmp_path / 'gt'), 'dataroot_lq': str(tmp_path / 'lq')}
        return {'name': 'Set', 'type': 'PairedImageDataset', 'phase': 'train', 'scale': 1, **folders, **kwargs}

    return make


def to_array(tensor):
    return (tensor * 255).round().permute(1, 2, 0).numpy().astype(int)


def test_training_pairs_show_the_same_place(options):
    opt = options([(picture(20, 30), picture(20, 30, scale=2))], gt_size=16, scale=2)
    dataset = PairedImageDataset(opt)
    corners = set()
    for seed in range(20):
        random.seed(seed)
        item = dataset[0]
        lq, gt = to_array(item['lq']), to_array(item['gt'])
        assert lq.shape == (8, 8, 3) and gt.shape == (16, 16, 3)
        assert np.array_equal(lq.repeat(2, axis=0).repeat(2, axis=1), gt)
        assert (lq[..., 0] == 9).all(), 'channels are in RGB order: red comes first'
        corners.add(tuple(lq[0, 0]))
    assert len(corners) > 10
    assert item['lq'].dtype == torch.float32
    assert item['gt_path'].endswith('gt/0.png') and item['lq_path'].endswith('lq/0.png')


def test_crop_and_flips_follow_the_seed(options):
    dataset = PairedImageDataset(options([(picture(20, 24),) * 2], gt_size=8))
    random.seed(0)
    lq = to_array(dataset[0]['lq'])
    # BasicSR with seed 0: rows from 6, columns from 13, flipped left to right, then transposed.
    assert np.array_equal(lq[..., ::-1], picture(20, 24)[6:14, 13:21][:, ::-1].transpose(1, 0, 2))


def test_validation_takes_whole_images(options):
    pair = picture(20, 30), picture(20, 30, scale=2)
    dataset = PairedImageDataset(options([pair], phase='val', scale=2))
    item = dataset[0]
    assert np.array_equal(to_array(item['gt'])[..., ::-1], pair[1])
    assert np.array_equal(to_array(item['lq'])[..., ::-1], pair[0])


def test_validation_cuts_what_a_modulo_crop_would(options):
    pair = picture(10, 10), np.pad(picture(10, 10, scale=3), ((0, 2), (0, 1), (0, 0)))
    assert PairedImageDataset(options([pair], phase='test', scale=3))[0]['gt'].shape == (3, 30, 30)


@pytest.mark.parametrize(('phase', 'extra'), [('val', 2), ('val', -1), ('train', 1), ('train', -1)])
def test_sizes_that_do_not_fit_are_named(options, phase, extra):
    gt = picture(40 + extra, 40)
    opt = options([(picture(20, 20), gt)], phase=phase, scale=2, gt_size=8)
    with pytest.raises(DataError) as error:
        PairedImageDataset(opt)[0]
    message = str(error.value)
    assert f'gt 40 x {40 + extra} pixels, {opt["dataroot_gt"]}/0.png' in message
    assert f'lq 20 x 20 pixels, {opt["dataroot_lq"]}/0.png' in message
    assert 'should be 40 x 40' in message


def test_small_images_are_mirrored(options, caplog):
    pair = picture(5, 30), picture(5, 30, scale=2)
    opt = options([pair], gt_size=16, scale=2, use_hflip=False, use_rot=False)
    dataset = PairedImageDataset(opt)
    with caplog.at_level(logging.INFO, logger='basicsr'):
        logging.getLogger('basicsr').addHandler(caplog.handler)
        item, _ = dataset[0], dataset[0]
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    lq, gt = to_array(item['lq']), to_array(item['gt'])
    # OpenCV's BORDER_REFLECT, which NAFNet uses: fedcba|abcdefgh|hgfedcb.
    expected = cv2.copyMakeBorder(pair[0], 0, 3, 0, 0, cv2.BORDER_REFLECT)
    assert lq[:, 0, 2].tolist() == expected[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 4, 3, 2]
    assert np.array_equal(lq.repeat(2, axis=0).repeat(2, axis=1), gt)
    notes = {id(record): record.getMessage() for record in caplog.records}
    assert len(notes) == 1 and '0.png: 60 x 10 pixels, smaller than gt_size 16' in notes.popitem()[1]

    with pytest.raises(DataError, match=r'0\.png: .*smaller than the patch of 16'):
        PairedImageDataset({**opt, 'pad': False})[0]


def test_sixteen_bits(options):
    img = np.random.RandomState(0).randint(0, 65536, (12, 12, 3)).astype(np.uint16)
    dataset = PairedImageDataset(options([(img, img)], gt_size=12, use_hflip=False, use_rot=False))
    assert dataset[0]['gt'].permute(1, 2, 0).flip(2).numpy() == pytest.approx(img / 65535, abs=1e-6)


def test_y_channel(options):
    img = np.random.RandomState(0).randint(0, 256, (12, 12, 3)).astype(np.uint8)
    item = PairedImageDataset(options([(img, img)], phase='val', color='y'))[0]
    assert item['lq'].shape == (1, 12, 12)
    assert np.array_equal(to_array(item['gt'])[..., 0], bgr2ycbcr(img, y_only=True))


def test_mean_and_std_are_those_of_rgb(options):
    item = PairedImageDataset(options([(picture(4, 4),) * 2], phase='val', mean=[0.1, 0.2, 0.3], std=[1, 2, 4]))[0]
    blue_of_row_3 = (3 / 255 - 0.3) / 4
    assert item['lq'][2, 3, 0].item() == pytest.approx(blue_of_row_3, abs=1e-6)
    assert item['gt'][0, 0, 0].item() == pytest.approx(9 / 255 - 0.1, abs=1e-6)


def test_options_are_not_changed_and_other_keys_not_read(options):
    opt = options(
        [(picture(8, 8),) * 2], gt_size=8, io_backend={'type': 'disk'}, batch_size_per_gpu=4, use_shuffle=True
    )
    before = copy.deepcopy(opt)
    PairedImageDataset(opt)[0]
    PairedImageDataset(opt)[0]
    assert opt == before
    assert DATASET_REGISTRY.get('PairedImageDataset') is PairedImageDataset


@pytest.mark.parametrize(
    'wrong',
    [{'mean': [0.5] * 3}, {'mean': [0.5], 'std': [0.5]}, {'color': 'rgb'}, {'filename_tmpl': 'x'}]
    + [{'io_backend': {'type': 'memcached'}}, {'gt_size': 0}, {'use_hflip': 1}],
)  # fmt: skip
def test_wrong_options_are_refused(options, wrong):
    with pytest.raises(ValidationError, match='|'.join(wrong) + '|std'):
        PairedImageDataset(options([], gt_size=8) | wrong)


def test_wrong_phase_and_crop_size(options):
    opt = options([(picture(8, 8),) * 2], scale=3, gt_size=8)
    with pytest.raises(OptionError, match=r'datasets\.train\.gt_size: expected a multiple of the scale, 3, got 8'):
        PairedImageDataset(opt)
    with pytest.raises(OptionError, match='gt_size'):
        PairedImageDataset({**opt, 'gt_size': None})
    with pytest.raises(OptionError, match="'test0'"):
        PairedImageDataset({**opt, 'phase': 'test0'})


def test_missing_folders_name_their_keys(options):
    with pytest.raises(DataError, match=r'datasets\.train\.dataroot_lq: (.|\n)*datasets\.train\.dataroot_gt: '):
        PairedImageDataset(options([], gt_size=8))


def test_damaged_image_is_named(options):
    opt = options([(picture(8, 8),) * 2], gt_size=8)
    (Path(opt['dataroot_lq']) / '0.png').write_bytes(b'')
    with pytest.raises(DataError, match=r'lq/0\.png: the file is empty'):
        PairedImageDataset(opt)[0]


@pytest.mark.parametrize(('place', 'section'), [({'key': 'val_color'}, 'val_color'), ({}, 'val')])
def test_messages_name_the_set(tmp_path, place, section):
    folders = {'dataroot_gt': str(tmp_path / 'gone'), 'dataroot_lq': str(tmp_path)}
    with pytest.raises((DataError, OptionError), match=rf'datasets\.{section}\.dataroot_gt'):
        PairedImageDataset({'phase': 'val', **place, **folders})


@needs_data
def test_lmdb_and_folder_hold_the_same_images():
    pytest.importorskip('lmdb')
    folder = DATA / 'basicsr_tests_data'
    opt = {'phase': 'val', 'scale': 4}
    disk = PairedImageDataset(opt | {'dataroot_gt': str(folder), 'dataroot_lq': str(folder / 'lq')})
    roots = {'dataroot_gt': str(folder / 'gt.lmdb'), 'dataroot_lq': str(folder / 'lq.lmdb')}
    lmdb = PairedImageDataset(opt | roots | {'io_backend': {'type': 'lmdb'}})
    assert len(disk) == len(lmdb) == 2
    lmdb[0]  # opened before the workers start
    for from_disk, from_lmdb in zip(DataLoader(disk), DataLoader(lmdb, num_workers=1)):
        assert torch.equal(from_disk['lq'], from_lmdb['lq']) and torch.equal(from_disk['gt'], from_lmdb['gt'])
        assert from_disk['gt'].shape[2] == 4 * from_disk['lq'].shape[2]
    assert from_lmdb['gt_path'] == ['comic']


@needs_data
def test_real_pairs():
    root = DATA / 'underwater_pairs'
    opt = {'phase': 'train', 'dataroot_gt': str(root / 'gt'), 'dataroot_lq': str(root / 'lq'), 'gt_size': 128}
    dataset = PairedImageDataset(opt)
    assert len(dataset) == 13
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert batch['lq'].shape == batch['gt'].shape == (4, 3, 128, 128)
    assert 0 <= batch['gt'].min() < batch['gt'].max() <= 1
