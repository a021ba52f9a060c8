"""Demo data: judged by OpenCV's own colour conversion and PSNR, and by the files on disk."""

import filecmp
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_demo_data.py'
SPLITS = ('train', 'val', 'val_color')
SMALL = ('--pairs', '6', '--val-pairs', '4', '--size', '48')


@pytest.fixture(scope='module')
def data(tool, tmp_path_factory):
    out = tmp_path_factory.mktemp('demo') / 'data'
    assert tool.main([*SMALL, '--out', str(out)]) == 0
    return out


@pytest.fixture
def own_data(tool, tmp_path):
    """A data set of one tiny pair per split that a test may change."""
    out = tmp_path / 'data'
    arguments = ['--pairs', '1', '--val-pairs', '1', '--size', '32', '--out', str(out)]
    assert tool.main(arguments) == 0
    return out, arguments


def pairs_of(data, split):
    for after in sorted((data / split / 'gt').iterdir()):
        yield cv2.imread(str(data / split / 'lq' / after.name)), cv2.imread(str(after))


def share_of_paint(image):
    """Share of pixels with an HSV saturation of at least 100 of 255."""
    return (cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[..., 1] >= 100).mean()


def contents_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


# -------------------------------------------------------------- the pictures


def test_names_sizes_and_marker(data):
    for split, count in zip(SPLITS, (6, 4, 4)):
        names = [f'room_{number:04d}.png' for number in range(count)]
        for kind in ('lq', 'gt'):
            files = sorted((data / split / kind).iterdir())
            assert [path.name for path in files] == names
            assert {cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape for path in files} == {(48, 64, 3)}
    marker = json.loads((data / 'demo.json').read_text())
    assert marker == {'version': 1, 'seed': 0, 'size': 48, 'pairs': 6, 'val_pairs': 4}
    assert [path.name for path in data.parent.iterdir()] == ['data'], 'temporary folders were left behind'


def test_before_is_a_dark_version_of_after(data):
    for split in SPLITS:
        for before, after in pairs_of(data, split):
            assert before.mean() < after.mean() - 20
            assert 9 <= cv2.PSNR(before, after) <= 20
            assert before.std() < after.std(), 'before must be flatter'
            # Same room, pixel by pixel: a shifted or mirrored picture correlates far less.
            assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_after_is_well_exposed(data):
    for split in SPLITS:
        for _, after in pairs_of(data, split):
            assert 110 < after.mean() < 215
            assert (after.min(axis=2) >= 254).mean() < 0.2
            assert (after.max(axis=2) <= 5).mean() < 0.05


def test_paint_shows_in_val_color_and_is_rare_elsewhere(tool, data):
    painted = [share_of_paint(after) for _, after in pairs_of(data, 'val_color')]
    assert min(painted) > 0.25
    shares = [share_of_paint(after) for _, after in pairs_of(data, 'train')]
    is_painted = [tool.hue_of('train', number) is not None for number in range(6)]
    assert is_painted.count(True) == 2
    for share, expected in zip(shares, is_painted):
        assert share > 0.2 if expected else share < 0.1


def test_val_color_walks_through_blue_teal_green_red(data):
    hues = []
    for _, after in pairs_of(data, 'val_color'):
        hue, saturation, _ = cv2.split(cv2.cvtColor(after, cv2.COLOR_BGR2HSV))
        hues.append(2 * int(np.bincount(hue[saturation >= 100]).argmax()))  # OpenCV counts hue in steps of 2 degrees
    blue, teal, green, red = hues
    assert 200 < blue < 240
    assert 170 < teal < 200
    assert 90 < green < 165
    assert red < 20 or red > 335


def test_share_of_painted_rooms(tool):
    kinds = [tool.hue_of('train', number) for number in range(100)]
    assert 100 - kinds.count(None) == 35
    assert set(kinds) == {None, 0, 1, 2, 3}


def test_sizes_need_not_be_multiples(tool, tmp_path):
    assert tool.main(['--pairs', '1', '--val-pairs', '1', '--size', '37', '--out', str(tmp_path / 'odd')]) == 0
    assert cv2.imread(str(tmp_path / 'odd/train/lq/room_0000.png')).shape == (37, 49, 3)


# ------------------------------------------------------------- repeatability


def test_same_arguments_same_bytes_and_rooms_do_not_depend_on_their_number(tool, data, tmp_path):
    again, fewer = tmp_path / 'again', tmp_path / 'fewer'
    assert tool.main([*SMALL, '--out', str(again)]) == 0
    assert contents_of(again) == contents_of(data)

    assert tool.main(['--pairs', '2', '--val-pairs', '1', '--size', '48', '--out', str(fewer)]) == 0
    for path in fewer.rglob('*.png'):
        assert filecmp.cmp(path, data / path.relative_to(fewer), shallow=False), path


def test_all_rooms_differ_and_so_do_seeds(tool, data, tmp_path):
    pictures = [path.read_bytes() for path in data.rglob('*.png')]
    assert len(set(pictures)) == len(pictures) == 28

    assert (
        tool.main(['--pairs', '1', '--val-pairs', '1', '--size', '48', '--seed', '1', '--out', str(tmp_path / 's')])
        == 0
    )
    assert not {path.read_bytes() for path in (tmp_path / 's').rglob('*.png')} & set(pictures)


# ------------------------------------------------------ what is there already


def test_the_same_data_set_is_left_alone(tool, own_data, capsys):
    out, arguments = own_data
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    capsys.readouterr()
    assert tool.main(arguments) == 0
    assert 'already there' in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == stamps


def test_other_arguments_are_refused_without_force(tool, own_data, capsys):
    out, arguments = own_data
    before = contents_of(out)
    capsys.readouterr()
    assert tool.main([*arguments, '--seed', '5']) == 1
    error = capsys.readouterr().err
    assert str(out) in error and '--force' in error and error.count('\n') == 1
    assert contents_of(out) == before


def test_an_incomplete_data_set_is_not_taken_for_the_same(tool, own_data):
    out, arguments = own_data
    whole = contents_of(out)
    (out / 'val' / 'lq' / 'room_0000.png').unlink()
    assert tool.main(arguments) == 1
    assert tool.main([*arguments, '--force']) == 0
    assert contents_of(out) == whole


def test_force_replaces_the_splits_and_keeps_other_files(tool, own_data):
    out, arguments = own_data
    (out / 'notes.txt').write_text('mine')
    (out / 'train' / 'gt' / 'stray.png').write_text('not a picture')
    assert tool.main([*arguments, '--seed', '5', '--force']) == 0
    assert (out / 'notes.txt').read_text() == 'mine'
    assert [path.name for path in (out / 'train' / 'gt').iterdir()] == ['room_0000.png']
    assert json.loads((out / 'demo.json').read_text())['seed'] == 5
    assert [path.name for path in out.parent.iterdir()] == ['data']


@pytest.mark.parametrize('force', [[], ['--force']])
def test_a_folder_of_someone_else_is_never_replaced(tool, tmp_path, capsys, force):
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train' / 'holiday.jpg').write_text('mine')
    assert tool.main(['--pairs', '1', '--out', str(tmp_path), *force]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert list(contents_of(tmp_path)) == [Path('train/holiday.jpg')]


def test_a_file_in_the_way_is_named(tool, tmp_path, capsys):
    (tmp_path / 'data').write_text('mine')
    assert tool.main(['--out', str(tmp_path / 'data'), '--force']) == 1
    assert 'is a file' in capsys.readouterr().err


@pytest.mark.parametrize('error, code', [(KeyboardInterrupt(), 130), (OSError('disk full'), 1)])
def test_interruption_leaves_the_previous_data(tool, own_data, monkeypatch, error, code):
    out, arguments = own_data
    before = contents_of(out)
    write_png, written = tool.write_png, []

    def write_two_then_stop(path, image):
        if len(written) == 2:
            raise error
        written.append(path)
        write_png(path, image)

    monkeypatch.setattr(tool, 'write_png', write_two_then_stop)
    assert tool.main([*arguments, '--seed', '5', '--force']) == code
    assert len(written) == 2
    assert contents_of(out) == before
    assert [path.name for path in out.parent.iterdir()] == ['data']


# -------------------------------------------------------------- command line


@pytest.mark.parametrize('name, value', [('--pairs', '0'), ('--val-pairs', '0'), ('--size', '4'), ('--seed', '-1')])
def test_impossible_numbers_are_command_line_mistakes(tool, tmp_path, capsys, name, value):
    with pytest.raises(SystemExit) as stop:
        tool.main([name, value, '--out', str(tmp_path / 'data')])
    assert stop.value.code == 2
    assert f'{name} must be' in capsys.readouterr().err
    assert not (tmp_path / 'data').exists()


def test_next_step_is_printed(tool, tmp_path, capsys):
    assert tool.main(['--pairs', '2', '--val-pairs', '1', '--size', '32', '--out', str(tmp_path / 'data')]) == 0
    printed = capsys.readouterr().out
    assert f'{tmp_path / "data"}: 2 training pairs' in printed
    assert 'python basicsr/train.py -opt options/quickstart.yml' in printed
