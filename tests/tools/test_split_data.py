"""The command line of the split, on pictures of a few rooms: judged by the files it writes."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.data.data_util import paired_paths_from_folder, paired_paths_from_meta_info_file

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'split_data.py'
PARTS = ('train', 'val', 'val_color', 'test')


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Thirty rooms in two views each; the walls of six of them are red. Inputs are JPEG, targets PNG."""
    root = tmp_path_factory.mktemp('photos')
    rng = np.random.default_rng(0)
    for kind in ('before', 'after'):
        (root / kind).mkdir()
    for room in range(30):
        for view in (1, 2):
            img = cv2.resize(rng.uniform(90, 160, (6, 8)).astype(np.uint8), (32, 24))
            img = cv2.merge([img] * 3)
            if room % 5 == 0:
                img[:12, :, :2] = 20 + room
            cv2.imwrite(str(root / 'after' / f'room {room:02d}_{view}.png'), img)
            cv2.imwrite(str(root / 'before' / f'room {room:02d}_{view}.jpg'), img // 2)
    return root


def call(tool, photos, out, *more):
    tool.main(['--lq', str(photos / 'before'), '--gt', str(photos / 'after'), '-o', str(out), *more])


def stems_in(photos, out):
    """Return the names in each list, as the dataset reads them."""
    folders = [str(photos / 'before'), str(photos / 'after')]
    found = {}
    for file in sorted(out.glob('meta_info_*.txt')):
        pairs = paired_paths_from_meta_info_file(folders, ['lq', 'gt'], str(file))
        assert all(Path(pair['lq_path']).stem == Path(pair['gt_path']).stem for pair in pairs)
        found[file.stem.removeprefix('meta_info_')] = [Path(pair['gt_path']).stem for pair in pairs]
    return found


def contents_of(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_lists(tool, photos, tmp_path, capsys):
    originals = contents_of(photos)
    call(tool, photos, tmp_path / 'out', '--val_color', '4')
    parts = stems_in(photos, tmp_path / 'out')
    assert {part: len(stems) for part, stems in parts.items()} == {'train': 44, 'val': 6, 'val_color': 4, 'test': 6}
    placed = [stem for stems in parts.values() for stem in stems]
    assert sorted(placed) == sorted(path.stem for path in (photos / 'after').iterdir())
    rooms = {part: {stem[:7] for stem in stems} for part, stems in parts.items()}
    assert sum(map(len, rooms.values())) == 30, 'a room is in two parts'
    assert all(int(stem[5:7]) % 5 == 0 for stem in parts['val_color'])
    assert any(int(stem[5:7]) % 5 == 0 for stem in parts['train'])
    assert (tmp_path / 'out' / 'meta_info_val.txt').read_text().splitlines()[0].endswith('.png (24,32,3)')
    assert contents_of(photos) == originals

    printed = capsys.readouterr().out
    assert '60 images in 30 groups; the largest: room 00 (2), ' in printed
    table = {line.split()[0]: line.split() for line in printed.splitlines() if line.split()[0] in PARTS}
    assert table['val_color'][1:5] == ['4', '4', '2', '4']  # images, asked for, groups, bold
    num_bold = {part: sum(int(stem[5:7]) % 5 == 0 for stem in stems) for part, stems in parts.items()}
    assert int(table['train'][3]) == num_bold['train'] and sum(num_bold.values()) == 12


def test_again_and_with_another_seed(tool, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    call(tool, photos, out)
    before = contents_of(out)
    call(tool, photos, out, '--n_thread', '1')
    assert contents_of(out) == before
    with pytest.raises(SystemExit) as stop:
        call(tool, photos, out, '--seed', '1')
    assert stop.value.code == 1
    assert 'belongs to another split' in capsys.readouterr().err
    assert contents_of(out) == before
    call(tool, photos, tmp_path / 'other', '--seed', '1')
    assert stems_in(photos, tmp_path / 'other')['val'] != stems_in(photos, out)['val']


def test_links(tool, photos, tmp_path):
    call(tool, photos, tmp_path / 'lists')
    call(tool, photos, tmp_path / 'links', '--links')
    assert sorted(os.listdir(tmp_path / 'links')) == sorted(PARTS)
    for part, stems in stems_in(photos, tmp_path / 'lists').items():
        pairs = paired_paths_from_folder([str(tmp_path / 'links' / part / kind) for kind in ('lq', 'gt')])
        assert sorted(Path(pair['gt_path']).stem for pair in pairs) == sorted(stems)
        assert all(Path(pair['lq_path']).suffix == '.jpg' and cv2.imread(pair['lq_path']) is not None for pair in pairs)


def test_targets_alone_and_exclude(tool, photos, tmp_path):
    (tmp_path / 'exclude.txt').write_text('room 03_1.png  # blurred\nroom 04_2\n')
    arguments = ['--gt', str(photos / 'after'), '--exclude', str(tmp_path / 'exclude.txt'), '--links']
    tool.main([*arguments, '-o', str(tmp_path / 'out'), '--group', 'none', '--test', '0', '--val_color', '0'])
    names = {part: os.listdir(tmp_path / 'out' / part / 'gt') for part in os.listdir(tmp_path / 'out')}
    assert {part: len(found) for part, found in names.items()} == {'train': 52, 'val': 6}
    assert os.listdir(tmp_path / 'out' / 'val') == ['gt']
    missing = {path.name for path in (photos / 'after').iterdir()} - {n for found in names.values() for n in found}
    assert missing == {'room 03_1.png', 'room 04_2.png'}


def test_groups_by_pattern(tool, photos, tmp_path, capsys):
    call(tool, photos, tmp_path / 'tens', '--group', r'prefix:(room \d)', '--val_color', '0')
    printed = capsys.readouterr().out
    assert printed.startswith('60 images in 3 groups; the largest: room 0 (20), room 1 (20), room 2 (20)\n')
    assert 'note: val has 20 images, not 6: whole groups only' in printed
    tens = [{stem[5] for stem in stems} for stems in stems_in(photos, tmp_path / 'tens').values()]
    assert sorted(map(len, tens)) == [1, 1, 1]


def test_near_duplicates_stay_together(tool, tmp_path, capsys):
    pytest.importorskip('imagehash', reason='needs imagehash, which finds near duplicates')
    rng = np.random.default_rng(1)
    (tmp_path / 'gt').mkdir()
    for number in range(12):
        img = cv2.resize(rng.uniform(0, 255, (6, 8, 3)).astype(np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / 'gt' / f'a{number}.png'), img)
        brighter = np.clip(img * 0.9 + 20, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / 'gt' / f'z{11 - number}.jpg'), brighter)
    arguments = ['--gt', str(tmp_path / 'gt'), '--group', 'prefix', 'duplicates', '--val_color', '0', '--val', '8']
    tool.main([*arguments, '-o', str(tmp_path / 'out')])
    assert '24 images in 12 groups' in capsys.readouterr().out
    stems = {
        file.stem: {line.split('.')[0] for line in file.read_text().splitlines()}
        for file in (tmp_path / 'out').iterdir()
    }
    assert len(stems['meta_info_val']) == 8
    for found in stems.values():
        for stem in found:
            partner = 'z' if stem[0] == 'a' else 'a'
            assert f'{partner}{11 - int(stem[1:])}' in found


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--group', 'house'], '--group house: expected none'),
        (['--group', 'none', 'duplicates'], '--group none duplicates: expected'),
        (['--group', 'prefix:(a'], 'not a regular expression'),
        (['--val', '1.5'], '--val 1.5: expected a share below 1'),
        (['--test', '-0.1'], '--test -0.1: expected'),
        (['--val', '60'], 'a whole number below 60'),
        (['--group', 'prefix:(room)'], '60 images in 1 group (room) cannot fill 4 parts'),
        (['--exclude', 'no_such_file.txt'], 'no_such_file.txt: cannot read'),
        (['--gt', 'no_such_folder'], '--gt: no such folder: no_such_folder'),
    ],
)
def test_mistakes_are_one_message(tool, photos, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        call(tool, photos, tmp_path / 'out', *arguments)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not (tmp_path / 'out').exists()
