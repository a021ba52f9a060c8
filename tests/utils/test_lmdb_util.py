"""LMDBs: judged by the lmdb package itself, by FileClient and OpenCV, and by the databases that BasicSR wrote."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from basicsr.data.data_util import paths_from_lmdb
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.file_client import FileClient
from basicsr.utils.img_util import imfrombytes, read_image
from basicsr.utils.lmdb_util import LmdbMaker, make_lmdb_from_imgs

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data' / 'basicsr_tests_data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the LMDBs of ../shared/data')


@pytest.fixture
def photos(tmp_path):
    """A folder of pictures of noise: 8 and 16 bits, grey, JPEG."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'photos'
    folder.mkdir()
    pictures = {
        'a.png': rng.integers(0, 256, (20, 30, 3), dtype=np.uint8),
        'b.jpg': rng.integers(0, 256, (16, 24, 3), dtype=np.uint8),
        'deep.png': rng.integers(0, 65536, (10, 12, 3), dtype=np.uint16),
        'grey.png': rng.integers(0, 256, (8, 9), dtype=np.uint8),
        'two words.png': rng.integers(0, 256, (5, 6, 3), dtype=np.uint8),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    return folder


def make(folder, path, **options):
    names = sorted(os.listdir(folder))
    return make_lmdb_from_imgs(str(folder), str(path), names, [os.path.splitext(name)[0] for name in names], **options)


def contents(path):
    """Return everything in a database, by the lmdb package."""
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as transaction:
        return {bytes(key).decode(): bytes(value) for key, value in transaction.cursor()}


# ------------------------------------------------------------------- format


@needs_data
def test_as_basicsr_wrote_it(tmp_path):
    for kind, folder in (('gt', DATA), ('lq', DATA / 'lq')):
        path = tmp_path / f'{kind}.lmdb'
        names = ['baboon.png', 'comic.png']
        make_lmdb_from_imgs(str(folder), str(path), names, ['baboon', 'comic'])
        # A copy: a process must not open one database twice, and another test reads the original.
        reference = shutil.copytree(DATA / f'{kind}.lmdb', tmp_path / f'{kind}_theirs.lmdb')
        # Theirs says 80 rows for a picture that has 90.
        expected = (reference / 'meta_info.txt').read_bytes().replace(b'comic.png (80,60,3)', b'comic.png (90,60,3)')
        assert (path / 'meta_info.txt').read_bytes() == expected
        ours, theirs = contents(path), contents(reference)
        assert list(ours) == list(theirs)
        for key in ours:
            assert np.array_equal(imfrombytes(ours[key]), imfrombytes(theirs[key]))

        # Without compressing anew the bytes are theirs, too.
        kept = tmp_path / f'{kind}_kept.lmdb'
        make_lmdb_from_imgs(str(folder), str(kept), names, ['baboon', 'comic'], compress_level=None)
        assert contents(kept) == theirs


@pytest.mark.parametrize('options', [{}, {'compress_level': None}, {'multiprocessing_read': True, 'n_thread': 3}])
def test_pictures_come_back_through_the_file_client(photos, tmp_path, options):
    assert make(photos, tmp_path / 'x.lmdb', **options) == 5
    assert sorted(os.listdir(tmp_path / 'x.lmdb')) == ['build.json', 'data.mdb', 'lock.mdb', 'meta_info.txt']
    keys = paths_from_lmdb(str(tmp_path / 'x.lmdb'))
    assert keys == ['a', 'b', 'deep', 'grey', 'two words']
    client = FileClient('lmdb', db_paths=str(tmp_path / 'x.lmdb'))
    for key, name in zip(keys, sorted(os.listdir(photos))):
        value = client.get(key)
        assert value.startswith(b'\x89PNG')
        img = read_image(value)
        assert img.dtype == (np.uint16 if key == 'deep' else np.uint8)
        assert np.array_equal(img, read_image(photos / name))
        if 'compress_level' in options and name.endswith('.png'):
            assert value == (photos / name).read_bytes()


def test_meta_info(photos, tmp_path):
    make(photos, tmp_path / 'x.lmdb', compress_level=None)
    assert (tmp_path / 'x.lmdb' / 'meta_info.txt').read_text() == (
        'a.png (20,30,3) -1\nb.png (16,24,3) -1\ndeep.png (10,12,3) -1\ngrey.png (8,9,1) -1\ntwo words.png (5,6,3) -1\n'
    )
    make(photos, tmp_path / 'y.lmdb', compress_level=4)
    assert (tmp_path / 'y.lmdb' / 'meta_info.txt').read_text().splitlines()[3] == 'grey.png (8,9,3) 4'


def test_compress_level(tmp_path):
    smooth = np.add.outer(np.arange(100), np.arange(120)).astype(np.uint8)
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'a.png'), cv2.merge([smooth] * 3))
    sizes = []
    for level in (0, 1, 9):
        make(tmp_path / 'in', tmp_path / f'{level}.lmdb', compress_level=level)
        sizes.append(len(contents(tmp_path / f'{level}.lmdb')['a']))
    assert sizes[0] > 100 * 120 * 3 and sizes[0] > 2 * sizes[1] and sizes[1] > sizes[2]


def test_the_map_grows(tmp_path):
    """Far more data than the first picture, or the map given, would make one expect."""
    rng = np.random.default_rng(0)
    (tmp_path / 'in').mkdir()
    for number, side in enumerate([8, 300, 300, 300, 300]):
        cv2.imwrite(str(tmp_path / 'in' / f'{number}.png'), rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    for batch in (1, 2, 5000):
        path = tmp_path / f'{batch}.lmdb'
        assert make(tmp_path / 'in', path, map_size=100_000, batch=batch) == 5
        found = contents(path)
        assert len(found) == 5 and sum(map(len, found.values())) > 1_000_000
        # Nothing like the terabyte that some systems set aside on disk.
        with lmdb.open(str(path), readonly=True, lock=False) as env:
            assert env.info()['map_size'] < 300 << 20


# ----------------------------------------------------------- again and again


KILLED = """
import os, signal, sys
import basicsr.utils.lmdb_util as m
encode, count = m.encode_png, 0
def killed_at_the_fifth(path, level):
    global count
    count += 1
    if count == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(path, level)
m.encode_png = killed_at_the_fifth
names = sorted(os.listdir(sys.argv[1]))
m.make_lmdb_from_imgs(sys.argv[1], sys.argv[2], names, [name[:-4] for name in names], batch=2)
"""


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='this system has no SIGKILL')
def test_killed_and_started_again(tmp_path):
    (tmp_path / 'in').mkdir()
    for number in range(7):
        cv2.imwrite(str(tmp_path / 'in' / f'{number}.png'), np.full((4, 4 + number, 3), number, np.uint8))
    command = [sys.executable, '-c', KILLED, str(tmp_path / 'in'), str(tmp_path / 'x.lmdb')]
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE).returncode == -signal.SIGKILL
    assert sorted(contents(tmp_path / 'x.lmdb')) == ['0', '1', '2', '3']
    assert not (tmp_path / 'x.lmdb' / 'meta_info.txt').exists()
    with pytest.raises(DataError, match=r'meta_info\.txt: no such file'):
        paths_from_lmdb(str(tmp_path / 'x.lmdb'))

    assert make(tmp_path / 'in', tmp_path / 'x.lmdb') == 3
    make(tmp_path / 'in', tmp_path / 'whole.lmdb')
    assert contents(tmp_path / 'x.lmdb') == contents(tmp_path / 'whole.lmdb')
    lists = [(tmp_path / name / 'meta_info.txt').read_text() for name in ('x.lmdb', 'whole.lmdb')]
    assert lists[0] == lists[1]
    assert lists[0].splitlines()[6] == '6.png (4,10,3) 1'


def test_an_error_keeps_what_was_done(photos, tmp_path):
    (photos / 'a.png').rename(tmp_path / 'a.png')
    assert make(photos, tmp_path / 'x.lmdb') == 4
    (tmp_path / 'a.png').rename(photos / 'a.png')
    (photos / 'z.png').write_bytes((photos / 'a.png').read_bytes()[:500])
    with pytest.raises(DataError, match=r'z\.png'):
        make(photos, tmp_path / 'x.lmdb')
    assert len(contents(tmp_path / 'x.lmdb')) == 5
    assert not (tmp_path / 'x.lmdb' / 'meta_info.txt').exists(), 'taken for complete'
    cv2.imwrite(str(photos / 'z.png'), np.zeros((3, 3, 3), np.uint8))
    assert make(photos, tmp_path / 'x.lmdb') == 1


def test_changed_and_new_pictures_are_put_and_no_others(photos, tmp_path):
    path = tmp_path / 'x.lmdb'
    make(photos, path)
    assert make(photos, path) == 0
    cv2.imwrite(str(photos / 'a.png'), np.full((2, 3, 3), 7, np.uint8))
    cv2.imwrite(str(photos / 'new.png'), np.full((2, 4, 3), 9, np.uint8))
    assert make(photos, path) == 2
    found = contents(path)
    assert (imfrombytes(found['a']) == 7).all() and (imfrombytes(found['new']) == 9).all()
    lines = (path / 'meta_info.txt').read_text().splitlines()
    assert lines[0] == 'a.png (2,3,3) 1' and lines[4] == 'new.png (2,4,3) 1'


def test_other_databases_are_left_alone(photos, tmp_path):
    path = tmp_path / 'x.lmdb'
    make(photos, path)
    before = contents(path)
    (tmp_path / 'other').mkdir()
    cv2.imwrite(str(tmp_path / 'other' / 'a.png'), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(UserError, match=r'x\.lmdb was made from .*photos with compress_level 1'):
        make(tmp_path / 'other', path)
    with pytest.raises(UserError, match='compress_level 1'):
        make(photos, path, compress_level=2)
    (photos / 'b.jpg').unlink()
    with pytest.raises(UserError, match=r'holds 1 pictures that are not among those to be put: b;'):
        make(photos, path)
    assert contents(path) == before

    (path / 'build.json').write_text(json.dumps([]))
    with pytest.raises(UserError, match=r'has no build\.json that says'):
        make(photos, path)
    with pytest.raises(UserError, match=r'ends with \.lmdb'):
        make(photos, tmp_path / 'x')


# --------------------------------------------------------------------- names


def test_keys_that_a_reader_would_not_find(photos, tmp_path):
    cv2.imwrite(str(photos / 'b.png'), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(DataError, match=r'the same key: b\.jpg, b\.png; rename'):
        make(photos, tmp_path / 'x.lmdb')
    (photos / 'b.png').rename(photos / 'b.edited.png')
    with pytest.raises(DataError, match=r"b\.edited\.png: the key 'b\.edited' has a dot"):
        make(photos, tmp_path / 'x.lmdb')
    with pytest.raises(DataError, match='longer than 511 bytes'):
        make_lmdb_from_imgs(str(photos), str(tmp_path / 'x.lmdb'), ['a.png'], ['ü' * 256])
    assert not (tmp_path / 'x.lmdb').exists()
    assert make_lmdb_from_imgs(str(photos), str(tmp_path / 'x.lmdb'), ['a.png'], ['ü' * 255]) == 1
    assert paths_from_lmdb(str(tmp_path / 'x.lmdb')) == ['ü' * 255]


def test_float_pictures_are_refused(photos, tmp_path, monkeypatch):
    monkeypatch.setattr('basicsr.utils.lmdb_util.read_image', lambda path: np.zeros((2, 2, 3), np.float32))
    with pytest.raises(DataError, match=r'b\.jpg: PNG cannot hold its float samples'):
        make_lmdb_from_imgs(str(photos), str(tmp_path / 'x.lmdb'), ['b.jpg'], ['b'], compress_level=None)


# ----------------------------------------------------------------- LmdbMaker


def test_maker(photos, tmp_path):
    path = tmp_path / 'x.lmdb'
    maker = LmdbMaker(str(path), map_size=100_000, batch=2, compress_level=3)
    values = {f'00{n}': os.urandom(40_000 + n) for n in (2, 0, 1)}
    for key, value in values.items():
        maker.put(value, key, (4, 5, 3))
    with pytest.raises(DataError, match='there already'):
        maker.put(b'', '000', (4, 5, 3))
    with pytest.raises(DataError, match='has a dot'):
        maker.put(b'', '0.png', (4, 5, 3))
    maker.close()
    assert contents(path) == values
    assert (path / 'meta_info.txt').read_text() == '002.png (4,5,3) 3\n000.png (4,5,3) 3\n001.png (4,5,3) 3\n'
    with pytest.raises(UserError, match='exists already'):
        LmdbMaker(str(path))


def test_missing_package_says_what_to_install(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(UserError, match=r'pip install basicsr\[lmdb\]'):
        make(photos, tmp_path / 'x.lmdb')
