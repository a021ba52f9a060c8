"""Sub-images: judged by the positions that BasicSR's rule gives, and by putting the pieces together again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.data.subimages import Grid, extract_subimages, stem_of
from basicsr.utils.errors import DataError, OptionError, UserError

ROOT = Path(__file__).resolve().parents[2]


def positions(side, crop, step, thresh):
    """BasicSR's rule, for a side of at least `crop`: steps, and one more at the border if the rest is over `thresh`."""
    found = np.arange(0, side - crop + 1, step).tolist()
    return found + [side - crop] * (side - (found[-1] + crop) > thresh)


def write(folder, name, img):
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / name), img)
    return str(folder / name)


def noise(seed, height, width, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype=dtype)


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*.png')}


# ---------------------------------------------------------------------- grid


def test_positions():
    rng = np.random.default_rng(0)
    for _ in range(300):
        crop, step, thresh = int(rng.integers(5, 40)), int(rng.integers(1, 40)), int(rng.integers(0, 20))
        height, width = (int(side) for side in rng.integers(crop, 150, 2))
        boxes = Grid(crop, step, thresh).boxes(width, height)
        expected = [(y, x) for y in positions(height, crop, step, thresh) for x in positions(width, crop, step, thresh)]
        assert [(rows.start, columns.start) for rows, columns in boxes] == expected
        assert all(rows.stop - rows.start == columns.stop - columns.start == crop for rows, columns in boxes)


def test_div2k():
    """BasicSR's list of them, meta_info_DIV2K800sub_GT.txt, has 0001_s001 to 0001_s040 of 0001, 2040 x 1404 pixels."""
    assert len(Grid().boxes(2040, 1404)) == 40
    assert len(Grid(scale=4).boxes(510, 351, divisor=4)) == 40


def test_wrong_grids():
    for arguments, message in (
        ({'crop_size': 0}, 'crop_size: expected at least 1'),
        ({'step': 0}, 'step: expected at least 1'),
        ({'thresh_size': -1}, 'thresh_size'),
        ({'scale': 0}, 'scale'),
        ({'step': 241, 'scale': 2}, 'step: expected a multiple of the scale, 2, got 241'),
    ):
        with pytest.raises(OptionError, match=message):
            Grid(**arguments)


# -------------------------------------------------------------------- pieces


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_the_pieces_make_the_image(tmp_path, dtype):
    img = noise(0, 50, 75, dtype)
    path = write(tmp_path / 'in', 'a.png', img)
    grid = Grid(crop_size=20, step=15)
    assert list(extract_subimages([{'gt_path': path}], tmp_path / 'out', grid)) == [('a', 3 * 5)]

    again = np.zeros_like(img)
    places = [(y, x) for y in positions(50, 20, 15, 0) for x in positions(75, 20, 15, 0)]
    for number, (y, x) in enumerate(places, start=1):
        piece = read(tmp_path / 'out' / 'gt' / f'a_s{number:03d}.png')
        assert piece.dtype == dtype and piece.shape == (20, 20, 3)
        again[y : y + 20, x : x + 20] = piece
    assert np.array_equal(again, img)
    assert len(os.listdir(tmp_path / 'out' / 'gt')) == len(places)


@pytest.mark.parametrize('size_gt', [(40, 60), (43, 61)])
def test_pairs_stay_aligned_at_a_scale(tmp_path, size_gt):
    """Each piece of the target is its input's piece, four times as large; a target may be larger by a few pixels."""
    lq = noise(1, 10, 15)
    gt = np.zeros((*size_gt, 3), np.uint8)
    gt[:40, :60] = lq.repeat(4, axis=0).repeat(4, axis=1)
    pair = {'lq_path': write(tmp_path / 'lq', '0001x4.png', lq), 'gt_path': write(tmp_path / 'gt', '0001.png', gt)}
    ((stem, count),) = extract_subimages([pair], tmp_path / 'out', Grid(16, 8, 0, scale=4))
    assert (stem, count) == ('0001', 4 * 7)
    names = sorted(os.listdir(tmp_path / 'out' / 'gt'))
    assert names == sorted(os.listdir(tmp_path / 'out' / 'lq')) and len(names) == count
    pieces = set()
    for name in names:
        small, large = read(tmp_path / 'out' / 'lq' / name), read(tmp_path / 'out' / 'gt' / name)
        assert small.shape == (4, 4, 3)
        assert np.array_equal(small.repeat(4, axis=0).repeat(4, axis=1), large)
        pieces.add(small.tobytes())
    assert len(pieces) == count


def test_small_images_are_kept_whole(tmp_path):
    img = noise(2, 12, 50)
    path = write(tmp_path / 'in', 'a.png', img)
    assert list(extract_subimages([{'gt_path': path}], tmp_path / 'out', Grid(20, 20))) == [('a', 3)]
    assert np.array_equal(read(tmp_path / 'out' / 'gt' / 'a_s001.png'), img[:, :20])
    assert np.array_equal(read(tmp_path / 'out' / 'gt' / 'a_s003.png'), img[:, 30:])


def test_stems():
    names = {'0001x2.png': '0001', '0801x8.png': '0801', 'in/0001x4.jpg': '0001', '0001.png': '0001'}
    names |= {'box2.png': 'box2', 'a_x4.png': 'a_x4', '0001x3_b.png': '0001x3_b', '0001x5.png': '0001x5'}
    assert {name: stem_of(name) for name in names} == names


def test_images_that_cannot_be_cut(tmp_path, monkeypatch):
    a, b = write(tmp_path / 'in', '0001.png', noise(0, 8, 8)), write(tmp_path / 'in', '0001.bmp', noise(0, 8, 9))
    with pytest.raises(DataError, match=r'the same names: .*0001\.png, .*0001\.bmp'):
        list(extract_subimages([{'gt_path': a}, {'gt_path': b}], tmp_path / 'out', Grid(4, 4)))
    with pytest.raises(DataError, match=r'do not fit together at scale 1:\n.*gt 8 x 8'):
        list(extract_subimages([{'gt_path': a, 'lq_path': b}], tmp_path / 'out', Grid(4, 4)))
    monkeypatch.setattr('basicsr.data.subimages.read_image', lambda path: np.zeros((8, 8, 3), np.float32))
    with pytest.raises(DataError, match=r'0001\.png: PNG cannot hold its float samples'):
        list(extract_subimages([{'gt_path': a}], tmp_path / 'other', Grid(4, 4)))


# ----------------------------------------------------------- again and again


KILLED = """
import os, signal, sys
from pathlib import Path
import basicsr.data.subimages as m
write, count = m.imwrite, 0
def killed_at_the_sixth(img, path, *rest, **more):
    global count
    count += 1
    if count == 6:
        Path(path).with_name(f'.{Path(path).name}.1.partial').write_bytes(b'half')
        os.kill(os.getpid(), signal.SIGKILL)
    write(img, path, *rest, **more)
m.imwrite = killed_at_the_sixth
images = [{'gt_path': os.path.join(sys.argv[1], name)} for name in sorted(os.listdir(sys.argv[1]))]
list(m.extract_subimages(images, Path(sys.argv[2]), m.Grid(8, 8)))
"""


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='this system has no SIGKILL')
def test_killed_and_started_again(tmp_path):
    images = [{'gt_path': write(tmp_path / 'in', f'{name}.png', noise(i, 16, 16))} for i, name in enumerate('abc')]
    command = [sys.executable, '-c', KILLED, str(tmp_path / 'in'), str(tmp_path / 'out')]
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE).returncode == -signal.SIGKILL
    before = stamps(tmp_path / 'out')
    assert sorted(path.name for path in before if not path.name.startswith('.')) == [
        *(f'a_s00{number}.png' for number in range(1, 5)),
        'b_s001.png',
    ]
    # As if the last line had been torn.
    with (tmp_path / 'out' / 'subimages.jsonl').open('a') as journal:
        journal.write('{"stem": "b", "ma')

    assert list(extract_subimages(images, tmp_path / 'out', Grid(8, 8))) == [('a', 4), ('b', 4), ('c', 4)]
    after = stamps(tmp_path / 'out')
    assert {path for path in before if before[path] == after.get(path)} == {p for p in before if p.name[:2] == 'a_'}
    list(extract_subimages(images, tmp_path / 'whole', Grid(8, 8)))
    for folder in ('out', 'whole'):
        assert sorted(os.listdir(tmp_path / folder / 'gt')) == [f'{s}_s00{n}.png' for s in 'abc' for n in range(1, 5)]
    for path in (tmp_path / 'whole' / 'gt').iterdir():
        assert path.read_bytes() == (tmp_path / 'out' / 'gt' / path.name).read_bytes()
    lines = (tmp_path / 'out' / 'subimages.jsonl').read_text().splitlines()
    assert [json.loads(line).get('stem') for line in lines] == [None, 'a', 'b', 'c']


def test_only_what_changed_or_is_missing_is_cut_again(tmp_path):
    images = [{'gt_path': write(tmp_path / 'in', f'{name}.png', noise(i, 16, 16))} for i, name in enumerate('abc')]
    list(extract_subimages(images, tmp_path / 'out', Grid(8, 8)))
    before = stamps(tmp_path / 'out')
    assert list(extract_subimages(images, tmp_path / 'out', Grid(8, 8))) == [('a', 4), ('b', 4), ('c', 4)]
    assert stamps(tmp_path / 'out') == before

    write(tmp_path / 'in', 'a.png', noise(9, 16, 8))  # smaller: two pieces
    (tmp_path / 'out' / 'gt' / 'b_s002.png').unlink()
    images.append({'gt_path': write(tmp_path / 'in', 'd.png', noise(4, 8, 8))})
    results = list(extract_subimages(images, tmp_path / 'out', Grid(8, 8), num_thread=2))
    assert sorted(results) == [('a', 2), ('b', 4), ('c', 4), ('d', 1)]
    after = stamps(tmp_path / 'out')
    assert {path.name for path in after if before.get(path) == after[path]} == {f'c_s00{n}.png' for n in range(1, 5)}
    assert sorted(path.name for path in after if path.name[0] == 'a') == ['a_s001.png', 'a_s002.png']
    assert np.array_equal(read(tmp_path / 'out' / 'gt' / 'a_s002.png'), noise(9, 16, 8)[8:])


def test_other_folders_are_left_alone(tmp_path):
    images = [{'gt_path': write(tmp_path / 'in', f'{name}.png', noise(i, 16, 16))} for i, name in enumerate('ab')]
    write(tmp_path / 'mine' / 'gt', 'a_s001.png', noise(5, 4, 4))
    with pytest.raises(UserError, match='gt is not empty, and has not been made by this tool'):
        list(extract_subimages(images, tmp_path / 'mine', Grid(8, 8)))
    assert read(tmp_path / 'mine' / 'gt' / 'a_s001.png').shape == (4, 4, 3)

    list(extract_subimages(images, tmp_path / 'out', Grid(8, 8)))
    with pytest.raises(UserError, match=r'cut in another way.*"step": 8'):
        list(extract_subimages(images, tmp_path / 'out', Grid(8, 4)))
    with pytest.raises(UserError, match='holds sub-images of 1 images that are not among those to be cut: b;'):
        list(extract_subimages(images[:1], tmp_path / 'out', Grid(8, 8)))
    assert len(stamps(tmp_path / 'out')) == 8
