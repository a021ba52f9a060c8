"""The command line that writes LMDBs: judged by the dataset that reads them."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.data import build_dataset

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'prepare_lmdb.py'


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ('lq', 'gt'):
        (tmp_path / kind).mkdir()
    for number in range(4):
        img = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'gt' / f'room {number}.png'), img)
        cv2.imwrite(str(tmp_path / 'lq' / f'room {number}_x1.jpg'), img // 2)
    return tmp_path


def call(tool, photos, *more):
    folders = ['--lq', str(photos / 'lq'), '--gt', str(photos / 'gt'), '--filename_tmpl', '{}_x1']
    tool.main([*folders, '-o', str(photos / 'out'), *more])


def dataset(photos, **options):
    return build_dataset({'type': 'PairedImageDataset', 'name': 'x', 'phase': 'val', 'scale': 1, **options})


def test_the_dataset_reads_the_same_from_lmdb_as_from_folders(tool, photos, capsys):
    call(tool, photos)
    printed = capsys.readouterr().out
    assert 'note: 4 files are not PNG' in printed
    assert 'gt.lmdb: 4 images, 4 of them put now' in printed
    out = photos / 'out'
    from_lmdb = dataset(
        photos, dataroot_lq=str(out / 'lq.lmdb'), dataroot_gt=str(out / 'gt.lmdb'), io_backend={'type': 'lmdb'}
    )
    from_folders = dataset(
        photos, dataroot_lq=str(photos / 'lq'), dataroot_gt=str(photos / 'gt'), filename_tmpl='{}_x1'
    )
    assert len(from_lmdb) == len(from_folders) == 4
    for ours, theirs in zip(from_lmdb, from_folders):
        assert ours['gt_path'] == Path(theirs['gt_path']).stem
        assert all(np.array_equal(ours[kind], theirs[kind]) for kind in ('lq', 'gt'))


def test_some_of_the_targets_and_then_more(tool, photos, capsys):
    (photos / 'some.txt').write_text('room 1.png (12,16,3)\nroom 3.png (12,16,3)\n')
    call(tool, photos, '--meta_info_file', str(photos / 'some.txt'), '--n_thread', '1')
    lines = (photos / 'out' / 'gt.lmdb' / 'meta_info.txt').read_text().splitlines()
    assert lines == ['room 1.png (12,16,3) -1', 'room 3.png (12,16,3) -1']
    call(tool, photos)
    assert 'lq.lmdb: 4 images, 2 of them put now' in capsys.readouterr().out
    assert len((photos / 'out' / 'lq.lmdb' / 'meta_info.txt').read_text().splitlines()) == 4


def test_mistakes_are_one_message(tool, photos, capsys):
    cv2.imwrite(str(photos / 'gt' / 'room.1.png'), np.zeros((3, 3, 3), np.uint8))
    cv2.imwrite(str(photos / 'lq' / 'room.1_x1.png'), np.zeros((3, 3, 3), np.uint8))
    for arguments, message in (
        ([], "the key 'room.1' has a dot"),
        (['--compress_level', '10'], '--compress_level 10: expected 0 to 9'),
        (['--filename_tmpl', '{}'], 'the images do not pair up'),
    ):
        with pytest.raises(SystemExit) as stop:
            call(tool, photos, *arguments)
        assert stop.value.code == 1
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error
    assert not os.path.exists(photos / 'out')
