"""The command line that cuts sub-images: judged by the files it writes."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'extract_subimages.py'


@pytest.fixture
def photos(tmp_path):
    """Two pairs as in DIV2K: the inputs `0001x2.png` are half as large as the targets."""
    rng = np.random.default_rng(0)
    for kind in ('lq', 'gt'):
        (tmp_path / kind).mkdir()
    for number, (height, width) in enumerate([(20, 30), (24, 20)], start=1):
        img = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'lq' / f'000{number}x2.png'), img)
        cv2.imwrite(str(tmp_path / 'gt' / f'000{number}.png'), img.repeat(2, axis=0).repeat(2, axis=1))
    return tmp_path


def call(tool, photos, *more):
    tool.main(['--gt', str(photos / 'gt'), '-o', str(photos / 'out'), '--crop_size', '20', '--step', '20', *more])


def test_pairs(tool, photos, capsys):
    arguments = ['--lq', str(photos / 'lq'), '--filename_tmpl', '{}x2', '--scale', '2']
    call(tool, photos, *arguments)
    expected = [f'0001_s00{n}.png' for n in range(1, 7)] + [f'0002_s00{n}.png' for n in range(1, 7)]
    assert sorted(os.listdir(photos / 'out' / 'gt')) == sorted(os.listdir(photos / 'out' / 'lq')) == expected
    large, small = (cv2.imread(str(photos / 'out' / kind / '0001_s005.png')) for kind in ('gt', 'lq'))
    assert large.shape == (20, 20, 3) and np.array_equal(large[::2, ::2], small)
    assert np.array_equal(small, cv2.imread(str(photos / 'lq' / '0001x2.png'))[10:20, 10:20])
    assert f'{photos / "out" / "lq"}: 12 sub-images of 2 images' in capsys.readouterr().out

    before = {path: path.stat().st_mtime_ns for path in (photos / 'out').rglob('*.png')}
    call(tool, photos, *arguments)
    assert {path: path.stat().st_mtime_ns for path in (photos / 'out').rglob('*.png')} == before


def test_one_folder(tool, photos):
    call(tool, photos, '--thresh_size', '10', '--n_thread', '1')
    assert os.listdir(photos / 'out') != [] and not (photos / 'out' / 'lq').exists()
    # 40 x 60 and 48 x 40: the rest of 8 rows is below the threshold.
    assert len(list((photos / 'out' / 'gt').glob('0001_*'))) == 6
    assert len(list((photos / 'out' / 'gt').glob('0002_*'))) == 4


def test_mistakes_are_one_message(tool, photos, capsys):
    for arguments, message in (
        (['--step', '0'], 'step: expected at least 1'),
        (['--compression_level', '11'], '--compression_level 11: expected 0 to 9'),
        (['--gt', str(photos / 'none')], '--gt: no such folder'),
    ):
        with pytest.raises(SystemExit) as stop:
            call(tool, photos, *arguments)
        assert stop.value.code == 1
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error
    assert not (photos / 'out').exists()
    (photos / 'out' / 'gt').mkdir(parents=True)
    (photos / 'out' / 'gt' / 'mine.png').write_text('mine')
    with pytest.raises(SystemExit):
        call(tool, photos)
    assert 'has not been made by this tool' in capsys.readouterr().err
    assert os.listdir(photos / 'out') == ['gt']
