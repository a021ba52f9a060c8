"""Inputs without targets."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from basicsr.data import build_dataset
from basicsr.utils.errors import DataError, OptionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three pictures of 8 bits, and one of 16 in another."""
    rng = np.random.default_rng(2)
    for name in ('b.png', 'a.png', 'living room.png'):
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (9, 13, 3), np.uint8))
    (tmp_path / 'more').mkdir()
    cv2.imwrite(str(tmp_path / 'more' / 'deep.png'), rng.integers(0, 65536, (7, 5, 3), np.uint16))
    (tmp_path / 'notes.txt').write_text('not a picture')
    return tmp_path


def build(dataroot_lq, **options):
    common = {'type': 'SingleImageDataset', 'name': 'photos', 'key': 'val', 'phase': 'val', 'scale': 1}
    return build_dataset({**common, 'dataroot_lq': dataroot_lq, **options})


def test_items_are_the_pictures(folder):
    dataset = build(str(folder))
    assert [Path(pair['lq_path']).name for pair in dataset.paths] == ['a.png', 'b.png', 'living room.png']
    for index in range(len(dataset)):
        item = dataset[index]
        assert set(item) == {'lq', 'lq_path'}
        pixels = cv2.imread(item['lq_path'])
        assert item['lq'].dtype == torch.float32
        np.testing.assert_allclose(item['lq'].numpy() * 255, pixels[..., ::-1].transpose(2, 0, 1), atol=1e-4)
        raw = dataset.read(index)['lq']
        assert raw.dtype == torch.uint8 and np.array_equal(raw.numpy(), pixels[..., ::-1].transpose(2, 0, 1))


def test_several_folders_and_sixteen_bits(folder):
    dataset = build([str(folder / 'more'), str(folder)])
    assert len(dataset) == 4
    pixels = cv2.imread(str(folder / 'more' / 'deep.png'), cv2.IMREAD_UNCHANGED)[..., ::-1].transpose(2, 0, 1)
    np.testing.assert_allclose(dataset[0]['lq'].numpy(), pixels / 65535, atol=1e-6)


def test_a_list_of_names(folder):
    names = folder / 'names.txt'
    names.write_text('living room.png (9,13,3)\n\nb.png (9,13,3)\n')
    dataset = build(str(folder), meta_info_file=str(names))
    assert [Path(item['lq_path']).name for item in dataset] == ['living room.png', 'b.png']
    names.write_text('b.png (9,13,3)\nc.png (9,13,3)\n')
    with pytest.raises(DataError, match=r'datasets\.val\.dataroot_lq: 1 of 2 images .*c\.png'):
        build(str(folder), meta_info_file=str(names))


def test_an_lmdb():
    root = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'basicsr_tests_data'
    if not root.is_dir():
        pytest.skip('the folder of shared test data is absent')
    dataset = build(str(root / 'lq.lmdb'), io_backend={'type': 'lmdb'})
    assert sorted(item['lq_path'] for item in dataset) == ['baboon', 'comic']
    expected = cv2.imread(str(root / 'lq' / 'comic.png'))[..., ::-1].transpose(2, 0, 1)
    item = next(item for item in dataset if item['lq_path'] == 'comic')
    np.testing.assert_allclose(item['lq'].numpy() * 255, expected, atol=1e-4)


def test_luma_and_normalization(folder):
    """Y of studio swing (BT.601): black is 16, white 235."""
    cv2.imwrite(str(folder / 'more' / 'deep.png'), np.full((4, 4, 3), 255, np.uint8))
    item = build(str(folder / 'more'), color='y', mean=[0.5], std=[0.25])[0]
    np.testing.assert_allclose(item['lq'].numpy(), np.full((1, 4, 4), (235 / 255 - 0.5) / 0.25), atol=1e-5)


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'dataroot_lq': '/nowhere'}, DataError, r'datasets\.val\.dataroot_lq: no such folder: /nowhere'),
        ({'phase': 'train'}, OptionError, 'has no targets'),
        ({'meta_info_file': '/nowhere.txt'}, DataError, r'no such file: /nowhere\.txt'),
        ({'dataroot_lq': []}, ValueError, '`dataroot_lq` names no folder'),
        ({'dataroot_lq': ['a', 'b'], 'io_backend': {'type': 'lmdb'}}, ValueError, 'several folders in `dataroot_lq`'),
    ],
)
def test_mistakes_are_named(folder, options, error, message):
    with pytest.raises(error, match=message):
        build(**{'dataroot_lq': str(folder), **options})


def test_a_folder_without_pictures(folder):
    (folder / 'empty').mkdir()
    with pytest.raises(DataError, match=r'no images in .*empty'):
        build([str(folder), str(folder / 'empty')])
