import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from basicsr.data import pair_sizes
from basicsr.data.pair_sizes import check_pair_sizes, fits, image_size
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import read_image


def write(path, width, height):
    path.parent.mkdir(exist_ok=True)
    Image.new('RGB', (width, height), (9, 8, 7)).save(path)
    return str(path)


def write_pairs(folder, sizes):
    """Write a pair for each ((width, height) of LQ, of GT)."""
    return [
        {'lq_path': write(folder / 'lq' / f'{i:04d}.png', *lq), 'gt_path': write(folder / 'gt' / f'{i:04d}.png', *gt)}
        for i, (lq, gt) in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ('gt', 'tolerance', 'expected'),
    [((20, 40), 1, True), ((21, 40), 1, False), ((21, 41), 2, True), ((20, 42), 2, False), ((20, 39), 2, False)],
)
def test_sizes_that_fit(gt, tolerance, expected):
    assert fits((10, 20), gt, 2, tolerance) is expected


@pytest.mark.parametrize('ending', ['png', 'jpg', 'bmp', 'ppm', 'tif', 'webp'])
def test_sizes_are_those_of_the_reader(tmp_path, ending):
    path = write(tmp_path / f'a.{ending}', 30, 20)
    assert image_size(path) == (30, 20) == read_image(path).shape[1::-1]


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['jpg', 'png', 'webp', 'tif'])
def test_orientation_is_applied_as_the_reader_applies_it(tmp_path, ending, orientation):
    exif, path = Image.Exif(), tmp_path / f'a.{ending}'
    exif[0x0112] = orientation
    Image.new('RGB', (30, 20)).save(path, exif=exif)
    assert image_size(path) == read_image(path).shape[1::-1]
    assert image_size(path) == ((20, 30) if orientation >= 5 else (30, 20))


def test_headers_are_enough(tmp_path):
    """No image is decoded: the pixels of these are not even there."""
    for path in [write(tmp_path / name, 300, 200) for name in ('a.png', 'b.jpg', 'c.bmp')]:
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) * 2 // 3])
        assert image_size(path) == (300, 200)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / 'b.png').write_text('no picture')
    with pytest.raises(DataError, match=r'b\.png: not a picture'):
        image_size(tmp_path / 'b.png')
    with pytest.raises(DataError, match=r'gone\.png: .*No such file'):
        image_size(tmp_path / 'gone.png')


def test_all_wrong_pairs_are_counted_and_five_shown(tmp_path):
    sizes = [((10, 10), (20, 20))] * 3 + [((10, 10), (20, 20 + i)) for i in range(1, 8)]
    pairs = write_pairs(tmp_path, sizes)
    with pytest.raises(DataError) as error:
        check_pair_sizes(pairs, 2, 1, 'datasets.train')
    first, *lines = str(error.value).splitlines()
    assert first == 'datasets.train: 7 of 10 pairs do not fit together at scale 2:'
    assert lines[:3] == [
        f'    gt 20 x 21 pixels, {pairs[3]["gt_path"]}',
        f'    lq 10 x 10 pixels, {pairs[3]["lq_path"]}',
        '    for this lq, gt should be 20 x 20',
    ]
    assert sum('gt 20 x' in line for line in lines) == 5 and lines[-1] == '    ...'
    check_pair_sizes(pairs[:3], 2, 1, 'datasets.train')
    check_pair_sizes(pairs[:4], 2, 2, 'datasets.val')


def test_all_files_that_are_no_pictures_are_named(tmp_path):
    pairs = write_pairs(tmp_path, [((10, 10), (10, 10))] * 4)
    for pair in pairs[1:3]:
        Path(pair['lq_path']).write_bytes(b'')
    with pytest.raises(DataError) as error:
        check_pair_sizes(pairs, 1, 1, 'datasets.train')
    first, *lines, remedy = str(error.value).splitlines()
    assert first == 'datasets.train: of 4 pairs, 2 cannot be read:'
    assert lines == [f'    {pair["lq_path"]}: the file is empty' for pair in pairs[1:3]] and '`exclude:`' in remedy


def test_of_many_pairs_some_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_sizes, '_MAX_PAIRS', 5)
    pairs = write_pairs(tmp_path, [((10, 10), (10, 10))] * 12 + [((10, 10), (11, 10))])
    looked_at = []
    monkeypatch.setattr(pair_sizes, 'image_size', lambda path: looked_at.append(path) or image_size(path))
    with pytest.raises(DataError, match='train: 1 of 5 pairs looked at, out of 13, do not fit together at scale 1'):
        check_pair_sizes(pairs, 1, 1, 'datasets.train')
    assert looked_at[::2] == [pairs[i]['lq_path'] for i in (0, 3, 6, 9, 12)]


def test_a_dataset_is_checked_when_it_is_built(tmp_path):
    write_pairs(tmp_path, [((10, 10), (20, 20)), ((10, 10), (21, 21)), ((10, 10), (22, 20))])
    opt = {'dataroot_lq': str(tmp_path / 'lq'), 'dataroot_gt': str(tmp_path / 'gt'), 'scale': 2, 'gt_size': 4}
    with pytest.raises(DataError, match=r'^datasets\.train: 2 of 3 pairs'):
        PairedImageDataset({**opt, 'phase': 'train', 'key': 'train'})
    with pytest.raises(DataError, match=r'^datasets\.val_b: 1 of 3 pairs(.|\n)*gt 22 x 20 pixels'):
        PairedImageDataset({**opt, 'phase': 'val', 'key': 'val_b'})


def test_an_image_that_changes_later_is_still_found(tmp_path):
    pairs = write_pairs(tmp_path, [((10, 10), (10, 10))])
    opt = {'dataroot_lq': str(tmp_path / 'lq'), 'dataroot_gt': str(tmp_path / 'gt'), 'phase': 'val'}
    dataset = PairedImageDataset(opt)
    cv2.imwrite(pairs[0]['gt_path'], np.zeros((12, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r'do not fit together at scale 1:\n    gt 10 x 12 pixels'):
        dataset[0]


def test_five_hundred_pairs_take_no_time(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    start = time.process_time()
    check_pair_sizes([{'lq_path': path, 'gt_path': path}] * 500, 1, 1, 'datasets.train')
    assert time.process_time() - start < 1, 'decoding one of these takes some 20 ms'
