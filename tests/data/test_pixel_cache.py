"""Judged by `read_image`, which decodes, and by `np.load`, which reads the entries without our code."""

import logging
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.data import cache_build, cache_entry, disk_cache
from basicsr.data.cache_build import Need, available_memory, estimate_needs
from basicsr.data.disk_cache import DiskCache
from basicsr.data.pixel_cache import Cache, CacheOptions, open_cache
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import read_image
from basicsr.utils.schema import Section, check_section

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data'
SIZES = [(17, 23), (40, 33), (1, 5), (64, 64), (31, 100), (128, 96)]


pytestmark = pytest.mark.usefixtures('package_log')


@pytest.fixture
def pictures(tmp_path):
    """Paths of pictures of many kinds: odd sizes, 8 and 16 bits, grey, alpha, JPEG, on its side."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for i, (height, width) in enumerate(SIZES):
        kind = (np.uint8, np.uint16)[i % 2]
        shape = [(height, width, 3), (height, width, 4), (height, width)][i % 3]
        cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, np.iinfo(kind).max, shape, endpoint=True, dtype=kind))
    cv2.imwrite(str(folder / 'photo.jpg'), rng.integers(0, 255, (50, 70, 3), dtype=np.uint8))
    jpeg = (folder / 'photo.jpg').read_bytes()
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'  # one tag: orientation 6
    (folder / 'side.jpg').write_bytes(jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:])
    return sorted(map(str, folder.iterdir()))


@pytest.fixture
def photos(tmp_path):
    """A folder of 60 pictures whose decoding takes a while."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    for i in range(60):
        cv2.imwrite(str(folder / f'{i:02d}.jpg'), np.roll(noise, 13 * i, axis=1))
    return folder


def build(paths, folder, kind='disk', **kwargs):
    return open_cache(CacheOptions(type=kind, dir=str(folder), **kwargs), paths, 'datasets.train')


def start(function):
    """Call a function in a process of its own."""
    process = multiprocessing.get_context('fork').Process(target=function)
    process.start()
    return process


def entries(folder):
    return sorted(Path(folder).glob('??/*.npy'))


def same(cache, path):
    """True if the cache holds the pixels that decoding gives."""
    img, expected = cache.get(path), read_image(path)
    return img is not None and img.dtype == expected.dtype and np.array_equal(img, expected)


@pytest.mark.parametrize('kind', ['auto', 'disk', 'ram'])
def test_pixels_are_those_of_read_image(pictures, tmp_path, kind):
    cache = build(pictures, tmp_path / 'cache', kind)
    assert {cache.get(path).dtype for path in pictures} == {np.dtype(np.uint8), np.dtype(np.uint16)}
    assert all(same(cache, path) for path in pictures)
    assert cache.get(pictures[-1]).shape == (70, 50, 3)  # side.jpg
    with pytest.raises(ValueError, match='read-only'):
        cache.get(pictures[0])[0, 0] = 0


@pytest.mark.skipif(not DATA.is_dir(), reason='needs the test images of ../shared/data')
def test_pixels_are_those_of_read_image_for_odd_files(tmp_path):
    folders = ('exif_orientation', 'odd_pillow', 'odd_sharp')
    files = sorted(str(path) for name in folders for path in (DATA / name).rglob('*') if path.is_file())
    small = [path for path in files if Path(path).suffix in ('.jpg', '.png', '.tif', '.tiff') and 'bomb' not in path]
    chosen = [path for path in small if os.path.getsize(path) < 300_000][::2]
    cache, num_readable = build(chosen, tmp_path / 'cache'), 0
    for path in chosen:
        try:
            read_image(path)
        except DataError:
            assert cache.get(path) is None
            continue
        num_readable += 1
        assert same(cache, path), path
    assert num_readable > 15


def test_entries_are_files_of_numpy(pictures, tmp_path):
    build(pictures, tmp_path / 'cache')
    mapped = [np.load(file, mmap_mode='r') for file in entries(tmp_path / 'cache')]
    expected = [read_image(path) for path in pictures]
    assert sorted(img.tobytes() for img in mapped) == sorted(img.tobytes() for img in expected)


def test_a_second_run_builds_nothing(pictures, tmp_path, monkeypatch, caplog):
    build(pictures, tmp_path / 'cache')
    monkeypatch.setattr(disk_cache, 'decode', lambda path: pytest.fail(f'decodes {path}'))
    cache = build(pictures, tmp_path / 'cache', 'auto')
    assert all(same(cache, path) for path in pictures)
    lines = [record.getMessage() for record in caplog.records]
    assert 'decoding 8 of 8 images' in lines[0] and 'disk, 8 images' in lines[1] and '(' not in lines[1]
    assert lines[2].endswith(f'in {tmp_path / "cache"} (8 were there)') and len(lines) == 3


def test_a_changed_picture_is_built_anew_and_no_other(pictures, tmp_path):
    cache = build(pictures, tmp_path / 'cache')
    before = {file: file.stat().st_ino for file in entries(tmp_path / 'cache')}
    changed = {}
    for path in pictures[:2]:
        img = 255 - read_image(path)
        cv2.imwrite(path, img)
        changed[path] = img
    os.utime(pictures[2], ns=(0, 0))  # the same content: only the time tells
    assert [cache.get(path) is None for path in pictures] == [True] * 3 + [False] * 5

    cache = build(pictures, tmp_path / 'cache')
    after = {file: file.stat().st_ino for file in entries(tmp_path / 'cache')}
    assert len(after) == 8 and len(before.keys() & after.keys()) == 5
    assert all(before[file] == after[file] for file in before.keys() & after.keys())
    assert all(np.array_equal(cache.get(path), img) for path, img in changed.items())


def test_a_picture_of_another_size_in_bytes_is_another_picture(pictures, tmp_path):
    cache, times = build(pictures, tmp_path / 'cache'), os.stat(pictures[0]).st_mtime_ns
    Path(pictures[0]).write_bytes(Path(pictures[0]).read_bytes() + b'0')
    os.utime(pictures[0], ns=(times, times))
    assert [cache.get(path) is None for path in pictures] == [True] + [False] * 7


def test_another_reader_reads_everything_anew(pictures, tmp_path, monkeypatch):
    cache = build(pictures, tmp_path / 'cache')
    monkeypatch.setattr(cache_entry, 'READER_VERSION', cache_entry.READER_VERSION + 1)
    assert not any(cache.get(path) is not None for path in pictures)
    assert all(same(build(pictures, tmp_path / 'cache'), path) for path in pictures)
    assert len(entries(tmp_path / 'cache')) == 8


def rewrite(file, content):
    """Put other bytes in a file, and its old times: nothing but the content tells."""
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=times)


def cut(file):
    rewrite(file, file.read_bytes()[:-1])


def lengthen(file):
    rewrite(file, file.read_bytes() + b'0')


def empty(file):
    rewrite(file, b'')


def use_another_shape(file):
    img = np.load(file)
    np.save(file.with_suffix('.other.npy'), img.reshape(len(img), -1, 1))
    rewrite(file, file.with_suffix('.other.npy').read_bytes())
    file.with_suffix('.other.npy').unlink()


def use_another_type(file):
    img = np.load(file)
    np.save(file.with_suffix('.other.npy'), img.astype(np.int64))
    rewrite(file, file.with_suffix('.other.npy').read_bytes())
    file.with_suffix('.other.npy').unlink()


def write_garbage(file):
    rewrite(file, bytes(range(256)) * (file.stat().st_size // 256 + 1))


def overwrite_pixels(file):
    with file.open('r+b') as handle:
        handle.seek(-9, os.SEEK_END)
        handle.write(b'\0\1\2')


DAMAGES = [cut, lengthen, empty, use_another_shape, use_another_type, write_garbage, overwrite_pixels]


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_entries_are_noticed_and_built_anew(pictures, tmp_path, damage, caplog):
    cache = build(pictures, tmp_path / 'cache')
    for file in entries(tmp_path / 'cache')[:3]:
        damage(file)
    assert sum(cache.get(path) is None for path in pictures) == 3
    notes = [record.getMessage() for record in caplog.records if 'damaged entry' in record.getMessage()]
    assert len(notes) == 1 and notes[0].startswith(str(tmp_path / 'cache'))
    assert all(same(build(pictures, tmp_path / 'cache'), path) for path in pictures)
    assert len(entries(tmp_path / 'cache')) == 8


def test_a_build_can_be_killed_at_any_moment(photos, tmp_path):
    folder, paths = tmp_path / 'cache', sorted(map(str, photos.iterdir()))
    decoded = {read_image(path).tobytes() for path in paths}
    for least in (0, 1, 7, 20, 33):
        process = start(lambda: build(paths, folder))
        while len(entries(folder)) < least:
            time.sleep(0.001)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert all(np.load(file).tobytes() in decoded for file in entries(folder))

    assert len(entries(folder)) < 60
    cache = build(paths, folder)
    assert all(same(cache, path) for path in paths)
    assert len(entries(folder)) == 60 and list((folder / 'partial').iterdir()) == []


def test_two_builds_at_once_share_the_work(photos, tmp_path, monkeypatch):
    paths, log = sorted(map(str, photos.iterdir())), tmp_path / 'decoded'

    def decode_and_tell(path):
        with log.open('a') as file:
            file.write(f'{path}\n')
        return cache_build.decode(path)

    monkeypatch.setattr(disk_cache, 'decode', decode_and_tell)
    processes = [start(lambda: build(paths, tmp_path / 'cache')) for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(same(DiskCache(tmp_path / 'cache'), path) for path in paths)
    assert len(entries(tmp_path / 'cache')) == 60 and list((tmp_path / 'cache' / 'partial').iterdir()) == []
    decoded = log.read_text().splitlines()
    assert set(decoded) == set(paths) and len(decoded) < 80


def test_leftovers_are_removed_once_their_writer_is_gone(pictures, tmp_path):
    folder = tmp_path / 'cache' / 'partial'
    folder.mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    here, elsewhere = disk_cache._machine(), 'elsewhere_1'
    names = [f'{here}-{ended.pid}-a', f'{here}-{os.getpid()}-b', f'{elsewhere}-{ended.pid}-c', f'{elsewhere}-1-d']
    for name in names:
        (folder / f'{name}.partial').write_bytes(b'half')
    os.utime(folder / f'{names[3]}.partial', (0, 0))
    build(pictures, tmp_path / 'cache')
    assert sorted(file.stem[-1] for file in folder.iterdir()) == ['b', 'c']


def check_that_the_rest_is_decoded(paths, folder, warnings, reason):
    """The build ended early, with one clear warning; what there is of it is whole."""
    assert len(warnings) == 1 and reason in warnings[0] and 'images are decoded whenever they are read' in warnings[0]
    cache = DiskCache(folder)
    there = [path for path in paths if cache.get(path) is not None]
    assert all(same(cache, path) for path in there)
    assert not (folder / 'partial').is_dir() or list((folder / 'partial').iterdir()) == []
    return len(there)


def warnings_of(caplog):
    texts = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    return [text for text in texts if text.startswith('Pixel cache')]  # not what the reader says about alpha


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB, which holds 5 of the photos."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    options = ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', str(folder)]
    if not shutil.which('mount') or subprocess.run(['mount', *options], capture_output=True).returncode:
        pytest.skip('mounting a small disk is not permitted here')
    yield folder
    subprocess.run(['umount', str(folder)], check=True)


def test_a_disk_that_is_too_small_gets_what_fits(photos, small_disk, caplog):
    paths = sorted(map(str, photos.iterdir()))
    assert build(paths, small_disk / 'new', 'auto') is None and not (small_disk / 'new').exists()
    assert 'none; 60 images are decoded' in caplog.text and warnings_of(caplog) == []
    build(paths, small_disk / 'cache')
    reason = '55 images are decoded whenever they are read: they take 82.4 MB, and 8.0 MB of the 8.0 MB that are free'
    assert check_that_the_rest_is_decoded(paths, small_disk / 'cache', warnings_of(caplog), reason) == 5


def test_a_disk_that_fills_up_ends_the_build(photos, small_disk, monkeypatch, caplog):
    monkeypatch.setattr(DiskCache, 'free_bytes', lambda self: 2**40)  # another process fills it after we looked
    paths = sorted(map(str, photos.iterdir()))
    build(paths, small_disk / 'cache')
    reason = 'No space left on device; make room, or choose another `dir`'
    assert check_that_the_rest_is_decoded(paths, small_disk / 'cache', warnings_of(caplog), reason) == 5


@pytest.mark.parametrize('reserve', [True, False])
def test_a_limit_of_the_file_size_ends_the_build(photos, tmp_path, monkeypatch, reserve):
    if not reserve:  # as on systems that cannot
        monkeypatch.delattr(os, 'posix_fallocate')
    paths, log = sorted(map(str, photos.iterdir())), tmp_path / 'log'

    def build_with_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        file = logging.FileHandler(log)
        file.setLevel(logging.WARNING)
        logging.getLogger('basicsr').addHandler(file)
        assert build(paths, tmp_path / 'cache') is None

    process = start(build_with_limit)
    process.join(60)
    assert process.exitcode == 0
    reason = 'none; 60 images are decoded whenever they are read: File too large; make room'
    assert check_that_the_rest_is_decoded(paths, tmp_path / 'cache', log.read_text().splitlines(), reason) == 0


def test_a_folder_that_cannot_be_made_is_said(pictures, tmp_path, caplog):
    (tmp_path / 'file').write_text('in the way')
    assert build(pictures, tmp_path / 'file' / 'cache') is None
    assert 'none; 8 images are decoded whenever they are read: Not a directory' in caplog.text


def test_a_whole_cache_on_a_read_only_disk_is_used(pictures, small_disk, caplog):
    build(pictures, small_disk / 'cache')
    subprocess.run(['mount', '-o', 'remount,ro', str(small_disk)], check=True)
    caplog.clear()
    assert all(same(build(pictures, small_disk / 'cache'), path) for path in pictures)
    assert warnings_of(caplog) == []
    os.utime(pictures[0])
    cache = build(pictures, small_disk / 'cache')
    assert 'disk, 7 images' in caplog.text and 'Read-only file system' in caplog.text
    assert cache.get(pictures[0]) is None and all(same(cache, path) for path in pictures[1:])


def test_auto_leaves_room_on_the_disk(pictures, tmp_path, monkeypatch, caplog):
    needed = sum(read_image(path).nbytes for path in pictures)
    for extra, fits in ((-10, False), (10, True)):
        free = 5 * 2**30 + needed / 0.8 + extra
        monkeypatch.setattr(DiskCache, 'free_bytes', lambda self, free=free: int(free))
        cache = build(pictures, tmp_path / 'cache', 'auto')
        assert (cache is not None) == fits == (tmp_path / 'cache').exists()
    assert 'none; 8 images are decoded whenever they are read: they take' in caplog.text
    assert 'WARNING' not in caplog.text


def test_max_gb_counts_what_is_there(pictures, tmp_path):
    sizes = [read_image(path).nbytes for path in pictures]
    build(pictures[:4], tmp_path / 'cache')
    for num, kind in ((8, 'auto'), (7, 'auto'), (6, 'disk'), (5, 'ram')):
        cache = build(pictures, tmp_path / f'{num}-{kind}', kind, max_gb=(sum(sizes[:num]) + 1) / 2**30)
        wanted = (num if num == 8 else 0) if kind == 'auto' else num
        assert sum(cache.get(path) is not None for path in pictures) == wanted if wanted else cache is None
    cache = build(pictures, tmp_path / 'cache', 'auto', max_gb=(sum(sizes) - 1) / 2**30)
    assert [cache.get(path) is not None for path in pictures] == [True] * 4 + [False] * 4


def test_auto_leaves_out_floats(tmp_path, caplog):
    path = str(tmp_path / 'bright.hdr')
    cv2.imwrite(path, np.random.default_rng(0).uniform(0, 50, (20, 30, 3)).astype(np.float32))
    assert build([path], tmp_path / 'cache', 'auto') is None and 'hold floats' in caplog.text
    cache = build([path], tmp_path / 'cache', 'disk')
    assert cache.get(path).dtype == np.float32 and cache.get(path).max() > 10 and same(cache, path)


def test_unreadable_pictures_are_named_and_do_not_stop_the_rest(pictures, tmp_path, caplog):
    broken = str(tmp_path / 'broken.png')
    Path(broken).write_bytes(Path(pictures[0]).read_bytes()[:200])
    missing = str(tmp_path / 'missing.png')
    cache = build([broken, *pictures, missing], tmp_path / 'cache')
    assert all(same(cache, path) for path in pictures) and cache.get(broken) is None and cache.get(missing) is None
    warnings = warnings_of(caplog)
    assert len(warnings) == 1 and '2 images cannot be read; the first: ' in warnings[0] and str(tmp_path) in warnings[0]


def test_training_does_not_begin_with_unreadable_pictures(pictures, tmp_path):
    content = Path(pictures[0]).read_bytes()
    broken = [str(tmp_path / f'broken_{i}.png') for i in range(7)]
    for path in broken:
        Path(path).write_bytes(content[: len(content) // 2])
    options = CacheOptions(type='disk', dir=str(tmp_path / 'cache'))
    with pytest.raises(DataError) as error:
        open_cache(options, [*pictures, *broken], 'datasets.train', for_training=True)
    first, *lines = str(error.value).splitlines()
    assert first == f'datasets.train: of {len(pictures) + 7} images, 7 cannot be read:'
    assert sum('broken_' in line for line in lines) == 5 and lines[-2] == '    ...' and '`exclude:`' in lines[-1]


def test_a_picture_that_changes_while_it_is_read_is_not_kept(pictures, tmp_path, monkeypatch, caplog):
    def read_slowly(path):
        img = read_image(path)
        os.utime(path)
        return img

    monkeypatch.setattr(cache_build, 'read_image', read_slowly)
    assert build(pictures[:1], tmp_path / 'cache') is None
    assert 'was written to while it was read' in caplog.text and entries(tmp_path / 'cache') == []


def test_large_sets_are_estimated_by_a_part_of_them(pictures, monkeypatch):
    exact = estimate_needs(pictures)
    assert [need.num_bytes for need in exact] == [read_image(path).nbytes for path in pictures]
    monkeypatch.setattr(cache_build, '_MAX_HEADERS', 2)
    estimates = estimate_needs(pictures)
    mean = (exact[0].num_bytes + exact[-1].num_bytes) // 2
    assert estimates == [exact[0], *(Need(path, mean, False) for path in pictures[1:-1]), exact[-1]]


def test_large_pictures_are_decoded_by_fewer_threads(monkeypatch):
    monkeypatch.setattr(cache_build, 'available_memory', lambda: 16 * 2**30)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: range(64), raising=False)
    assert cache_build._num_threads([Need('a', 3 * 2**20, False)]) == 65
    assert cache_build._num_threads([Need('a', 3 * 2**20, False), Need('b', 2**30, False)]) == 2
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '8')
    assert cache_build._num_threads([Need('a', 3 * 2**20, False)]) == 9


def test_available_memory_is_that_of_free():
    free = subprocess.run(['free', '-b'], capture_output=True, text=True).stdout
    expected = int(free.splitlines()[1].split()[-1])
    assert 0 < available_memory() <= 1.2 * expected


def test_reading_the_whole_cache_takes_the_memory_of_one_picture(photos, tmp_path):
    status = Path('/proc/self/status')
    if not status.is_file():
        pytest.skip('the memory of a process is told by Linux only')
    paths = sorted(map(str, photos.iterdir()))
    cache, result = build(paths, tmp_path / 'cache'), tmp_path / 'result'

    def resident(key):
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith(key))) * 1024

    def read_all():
        Path('/proc/self/clear_refs').write_text('5')  # forget the peak so far
        before = resident('VmRSS')
        total = sum(int(cache.get(path).sum()) for path in paths)
        result.write_text(f'{total} {resident("VmHWM") - before}')

    start(read_all).join(60)
    total, growth = map(int, result.read_text().split())
    assert total == sum(int(read_image(path).sum()) for path in paths)
    assert growth < 10e6 < 60 * 600 * 800 * 3 / 8


class _Set(Section):
    cache: Cache = CacheOptions()


def test_the_option_is_a_section_or_a_name():
    for written, kind, limit in (
        ('ram', 'ram', None),
        ({'type': 'disk', 'max_gb': 3}, 'disk', 3.0),
        ({}, 'auto', None),
    ):
        checked, problems = check_section(_Set, {'cache': written}, ())
        assert problems == [] and checked['cache'] == {'type': kind, 'dir': 'pixel_cache', 'max_gb': limit}
    for written in ('tape', {'typ': 'ram'}, {'max_gb': 0}, 3):
        _, problems = check_section(_Set, {'cache': written}, ())
        assert len(problems) == 1 and problems[0][0][0] == 'cache'
