"""The audit's command on real pairs with planted faults: it finds each of them, and nothing else at fault."""

import csv
import io
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from basicsr.data.exclude import read_exclude
from tests.conftest import tiny_options, write_pairs

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SHARED = Path(__file__).resolve().parents[3] / 'shared' / 'data'
MODULES = ('audit_data', 'probe_report', 'probe_plots')

pytest.importorskip('imagehash', reason='imagehash (extra `audit`) is not installed')


@pytest.fixture
def audit(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import audit_data

    yield audit_data.main
    for name in MODULES:
        sys.modules.pop(name, None)


def before(img: np.ndarray) -> np.ndarray:
    """The camera's view: one and a half stops darker, with a cast and noise."""
    light = (img / 255) ** 2.2 * 0.35 * np.array([0.7, 1, 1.2])
    noise = np.random.default_rng(0).normal(0, 2, img.shape)
    return (255 * light ** (1 / 2.2) + noise).clip(0, 255).round().astype(np.uint8)


def adobe_rgb() -> bytes:
    """The profile in a photograph of the test data."""
    for path in sorted((SHARED / 'odd_sharp').glob('*')) + sorted((SHARED / 'odd_pillow').glob('*')):
        try:
            with Image.open(path) as img:
                profile = img.info.get('icc_profile')
        except OSError:
            continue
        if profile and b'Adobe RGB' in profile:
            return profile
    pytest.skip('no Adobe RGB profile in ../shared/data')


@pytest.fixture
def planted(tmp_path):
    """Seven photographs and thirteen underwater pairs, with one fault or oddity of each kind."""
    if not (SHARED / 'underwater_pairs').is_dir() or not (SHARED / 'lib_photos').is_dir():
        pytest.skip('needs ../shared/data/lib_photos and underwater_pairs')
    train, val = tmp_path / 'train', tmp_path / 'val'
    for folder in (train, val):
        for kind in ('lq', 'gt'):
            (folder / kind).mkdir(parents=True)
    for number in range(1, 14):
        for kind in ('lq', 'gt'):
            source = SHARED / 'underwater_pairs' / kind / f'{number}.jpg'
            shutil.copyfile(source, (train if number < 11 else val) / kind / f'uw{number}.jpg')
    for path in sorted((SHARED / 'lib_photos').glob('*.*g')):
        img = cv2.imread(str(path))
        cv2.imwrite(str(train / 'gt' / f'{path.stem}.png'), img)
        cv2.imwrite(str(train / 'lq' / f'{path.stem}.png'), before(img))
    plant(train, val)
    return tmp_path


def plant(train: Path, val: Path) -> None:
    # The inputs of two scenes exchanged.
    one, other = train / 'lq' / 'uw1.jpg', train / 'lq' / 'uw2.jpg'
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    # A shift by three pixels.
    chelsea = cv2.imread(str(train / 'lq' / 'chelsea.png'))
    cv2.imwrite(str(train / 'lq' / 'chelsea.png'), np.roll(chelsea, 3, 1))
    # A training pair in the validation set.
    for kind in ('lq', 'gt'):
        shutil.copyfile(train / kind / 'uw5.jpg', val / kind / 'copy.jpg')
    # A photograph that lies on its side, and a flag that says so.
    exif = Image.Exif()
    exif[0x112] = 6
    with Image.open(train / 'lq' / 'china.png') as img:
        img.transpose(Image.Transpose.ROTATE_90).save(train / 'lq' / 'china.jpg', quality=95, exif=exif)
    (train / 'lq' / 'china.png').unlink()
    # Adobe RGB: the same numbers mean other colours.
    with Image.open(train / 'gt' / 'coffee.png') as img:
        img.save(train / 'gt' / 'coffee.png', icc_profile=adobe_rgb())
    # Sixteen bits among eight.
    rocket = cv2.imread(str(train / 'gt' / 'rocket.png'))
    cv2.imwrite(str(train / 'gt' / 'rocket.png'), rocket.astype(np.uint16) * 257)
    # Half a JPEG.
    buffer = io.BytesIO()
    with Image.open(train / 'gt' / 'flower.png') as img:
        img.save(buffer, 'JPEG', quality=95)
    (train / 'gt' / 'flower.png').unlink()
    (train / 'gt' / 'flower.jpg').write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def folders(root: Path) -> list[str]:
    names = {'--lq': 'train/lq', '--gt': 'train/gt', '--val-lq': 'val/lq', '--val-gt': 'val/gt'}
    return [part for key, name in names.items() for part in (key, str(root / name))]


def test_each_planted_fault_is_found_and_nothing_else(audit, planted, capsys):
    out = planted / 'out'
    audit([*folders(planted), '-o', str(out), '--jobs', '1'])

    with open(out / 'audit.csv', newline='', encoding='utf-8') as file:
        rows = {f'{row["set"]}/{row["name"]}': row for row in csv.DictReader(file)}
    assert len(rows) == 13 + 7 + 1
    faults = {name: row['findings'].split(':')[0] for name, row in rows.items() if row['verdict'] == 'fault'}
    assert faults == {
        'train/uw1.jpg': 'unrelated',
        'train/uw2.jpg': 'unrelated',
        'train/chelsea.png': 'misaligned',
        'train/uw5.jpg': 'leak',
        'train/flower.jpg': 'unreadable target',
    }
    assert float(rows['train/chelsea.png']['shift_x_px']) == pytest.approx(3, abs=0.15)
    assert abs(float(rows['train/chelsea.png']['shift_y_px'])) < 0.15

    # What the reader sets right is remarked on, and on these alone.
    for remark, name in (('orientation', 'china.png'), ('profile', 'coffee.png'), ('bit depth', 'rocket.png')):
        assert [key for key, row in rows.items() if remark in row['findings']] == [f'train/{name}']
    assert 'Adobe RGB' in rows['train/coffee.png']['findings']

    assert read_exclude(str(out / 'exclude.txt')) == ['chelsea.png', 'flower.jpg', 'uw1.jpg', 'uw2.jpg', 'uw5.jpg']
    assert sorted(path.name for path in out.iterdir()) == ['audit.csv', 'audit.html', 'exclude.txt']
    told = capsys.readouterr()
    assert '21 pairs, 5 with faults' in told.out and 'misaligned' in told.out and '21/21' in told.err


def test_sets_of_an_option_file_with_several_processes(audit, tiny_root, capsys):
    (tiny_root / 'data' / 'train' / 'lq' / '01.png').unlink()
    (tiny_root / 'list.txt').write_text('01.png\n03.png (40,48,3)\n')
    options = tiny_options()
    for dataset in options['datasets'].values():
        for key in ('dataroot_gt', 'dataroot_lq'):
            dataset[key] = str(tiny_root / dataset[key])
    train, val = options['datasets']['train'], options['datasets']['val']
    folders = {key: train.pop(key) for key in ('dataroot_gt', 'dataroot_lq')}
    listed = folders | {'name': 'listed', 'weight': 1, 'meta_info_file': str(tiny_root / 'list.txt')}
    train['mix'] = [folders | {'name': 'all', 'weight': 1}, listed]
    options['datasets']['val_packed'] = val | {'io_backend': {'type': 'lmdb'}}
    (tiny_root / 'run.yml').write_text(yaml.safe_dump(options, sort_keys=False))

    audit(['-opt', str(tiny_root / 'run.yml'), '-o', str(tiny_root / 'out'), '--jobs', '2'])
    told = capsys.readouterr().out
    assert '9 pairs, 2 with faults' in told
    assert 'val_packed: not audited: the images are in an LMDB' in told
    assert read_exclude(str(tiny_root / 'out' / 'exclude.txt')) == ['01.png']


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((), 'give -opt FILE, or --lq DIR and --gt DIR'),
        (('--lq', 'lq', '--gt', 'gt', '--val-lq', 'x'), '--val-lq and --val-gt go together'),
        (('--lq', 'no/lq', '--gt', 'no/gt'), 'no such folder: no/lq'),
        (('--lq', 'a', '--gt', 'b', '--jobs', '0'), '--jobs 0: at least one process'),
        (('--lq', 'a', '--gt', 'b', '--max-side', '10'), 'at least 256 pixels'),
        (('-opt', 'no/such.yml'), 'no/such.yml'),
    ],
)
def test_mistakes_get_one_message(audit, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        audit(list(arguments))
    told = capsys.readouterr().err
    assert stop.value.code == 1 and message in told and 'Traceback' not in told


def test_nothing_is_written_before_all_is_measured(audit, tmp_path):
    write_pairs(tmp_path, 2)
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(SystemExit):
        audit(['--lq', str(tmp_path / 'lq'), '--gt', str(tmp_path / 'gt'), '-o', str(tmp_path / 'file'), '--jobs', '1'])
    assert (tmp_path / 'file').read_text() == 'in the way'
