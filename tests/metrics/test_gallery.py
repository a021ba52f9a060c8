"""Which images a gallery keeps and writes: the same ones, however many processes validate."""

import json
import math
import threading

import cv2
import numpy as np
import pytest
import torch

from basicsr.metrics.gallery import Gallery
from basicsr.metrics.gallery import gallery as module
from basicsr.metrics.gallery.store import load_entries, safe_name
from basicsr.metrics.gallery.worst import Leaders, best_iteration, is_named, rank_key, worst_names
from basicsr.metrics.scores import Scores
from tests.metrics.gallery_samples import offer_walls, wall, write_run

KEEPS = {f'data/lq/{name}.png': keep for name, keep in zip('abcdefgh', (0.9, 0.1, 0.5, 0.3, 0.95, 0.2, 0.7, 0.05))}


def written(folder, dataset='val_color') -> dict[str, int | None]:
    notes = []
    entries = [entry for entry in load_entries(folder, notes) if entry.dataset == dataset]
    assert notes == []
    return {entry.image: entry.place for entry in entries}


def test_the_worst_are_written_with_what_is_known_of_them(tmp_path):
    folder = write_run(tmp_path / 'run', {500: KEEPS}, worst=3)
    assert written(folder) == {'h': 1, 'b': 2, 'f': 3}
    files = sorted(path.name for path in (folder / 'val_color' / 'gallery').iterdir())
    assert files == sorted(f'500_{name}.{ending}' for name in 'hbf' for ending in ('png', 'jpg', 'json'))
    known = json.loads((folder / 'val_color' / 'gallery' / '500_h.json').read_text())
    assert (known['image'], known['iteration'], known['metric']) == ('h', 500, 'de00_mean')
    # HSV saturation of the wall is 130 / 170; at luma 84.2 a twentieth of the colour is left.
    left = 1 - (84.2 + 0.05 * (40 - 84.2)) / (84.2 + 0.05 * (170 - 84.2))
    assert known['scores']['sat_ratio_60'] == pytest.approx(left / (130 / 170), abs=0.005)

    strip = cv2.imread(str(folder / 'val_color' / 'gallery' / '500_h.png'))
    left, top, width, height = known['panels']['saturation']
    wall_of_map = strip[top : top + height, left + width // 2 : left + width].reshape(-1, 3).mean(0)
    assert wall_of_map[2] > 180 > 80 > wall_of_map[1]  # BGR: the wall that came out grey is red


def test_split_over_processes_the_same_images_are_written(tmp_path, monkeypatch):
    options = {'worst': 3, 'metric': 'de00_mean', 'images': ['e']}
    table = offer_walls(Gallery(None), KEEPS)
    barrier, parts, ranks = threading.Barrier(2), [None, None], threading.local()

    def values_of_ranks(value):
        parts[ranks.rank] = value
        barrier.wait(20)
        values = list(parts)
        barrier.wait(20)
        return values

    monkeypatch.setattr(module, 'values_of_ranks', values_of_ranks)
    monkeypatch.setattr(module, 'get_dist_info', lambda: (ranks.rank, 2))

    def validate(rank):
        ranks.rank = rank
        gallery = Gallery(options)
        offer_walls(gallery, dict(list(KEEPS.items())[rank::2]))
        gallery.write(tmp_path / 'two' / 'val', 'val_color', 500, table, None)

    processes = [threading.Thread(target=validate, args=(rank,)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    monkeypatch.undo()

    one = write_run(tmp_path / 'one', {500: KEEPS}, **options)
    two = tmp_path / 'two' / 'val'
    assert written(two) == written(one) == {'h': 1, 'b': 2, 'f': 3, 'e': None}
    for path in sorted((one / 'val_color' / 'gallery').iterdir()):
        assert path.read_bytes() == (two / 'val_color' / 'gallery' / path.name).read_bytes()


def test_memory_is_bounded(monkeypatch):
    gallery = Gallery({'worst': 2, 'metric': 'psnr', 'images': []})
    copies = []
    monkeypatch.setattr(module, 'reduce', lambda img, side: copies.append(1) or np.zeros((360, side, 3), np.float32))
    image = torch.zeros(1, 3, 20, 20)
    for number, psnr in enumerate([30, 20, 31, 25, 32, 40, 19, 33, *range(60, 99)]):
        gallery.offer(f'{number}', {'psnr': psnr}, {'lq': image, 'result': image, 'gt': image})
        held = [picture for candidate in gallery._held().values() for picture in candidate.pictures.values()]
        assert len(held) <= 6 and all(picture.dtype == np.uint8 for picture in held)
    assert sorted(path for path in gallery._held()) == ['1', '6']
    # Images that are not among the worst so far are not even copied: here, all but the 1st, 2nd, 4th and 7th.
    assert len(copies) == 3 * 4


def test_large_images_are_reduced():
    gallery = Gallery({'worst': 1, 'metric': 'psnr', 'images': []})
    image = torch.rand(1, 3, 300, 1200)
    gallery.offer('x', {'psnr': 1.0}, {'lq': image[..., ::2, ::2], 'result': image, 'gt': image})
    (candidate,) = gallery._held().values()
    assert candidate.pictures['result'].shape == candidate.pictures['lq'].shape == (120, 480, 3)
    mean = candidate.pictures['result'].mean((0, 1)) / 255
    assert mean == pytest.approx(image.mean((0, 2, 3)).numpy(), abs=0.002)


@pytest.mark.parametrize(
    'metric, scores, expected',
    [
        ('psnr', {'a': 30.0, 'b': 20.0, 'c': math.nan, 'd': 25.0}, ['b', 'd']),
        ('de00_mean', {'a': 3.0, 'b': 2.0, 'c': math.nan, 'd': 2.5}, ['a', 'd']),
        ('sat_ratio_60', {'a': 0.9, 'b': 1.9, 'c': math.nan, 'd': 0.2}, ['b', 'd']),
        ('psnr', {'a': 30.0, 'b': math.inf}, ['a', 'b']),
        ('psnr', {'b': 30.0, 'a': 30.0, 'c': 30.0}, ['a', 'b']),
        ('masked_share_60', {'a': 0.9, 'b': 0.1}, []),
    ],
)
def test_what_is_worst_follows_the_metric(tmp_path, metric, scores, expected):
    gallery = Gallery({'worst': 2, 'metric': metric, 'images': []})
    table = Scores({name: {metric: value} for name, value in scores.items()})
    image = wall()
    for name in scores:
        gallery.offer(f'{name}.png', table.rows[name], {'lq': image, 'result': image, 'gt': image})
    gallery.write(tmp_path, 'val_color', 1, table, None)
    places = written(tmp_path)
    assert sorted(places, key=places.get) == expected


def test_metric_of_the_options_knows_its_sense(tmp_path):
    gallery = Gallery({'worst': 1, 'metric': 'mine', 'images': []}, {'mine': 'lower'})
    image = wall()
    table = Scores({'a': {'mine': 1.0}, 'b': {'mine': 2.0}})
    for name, row in table.rows.items():
        gallery.offer(name, row, {'lq': image, 'result': image, 'gt': image})
    gallery.write(tmp_path, 'val_color', 1, table, None)
    assert written(tmp_path) == {'b': 1}


def test_unmeasured_metric_is_told(tmp_path, caplog):
    gallery = Gallery({'worst': 1, 'metric': 'de00_men', 'images': ['a']})
    table = offer_walls(gallery, {'a.png': 0.5, 'b.png': 0.1})
    gallery.write(tmp_path, 'val_color', 1, table, None)
    assert written(tmp_path) == {'a': None}
    assert "val.gallery.metric: de00_men: it is not measured; did you mean 'de00_mean'?" in caplog.text


@pytest.mark.parametrize(
    'name, path, expected',
    [
        ('room.png', 'data/lq/room.png', True),
        ('room', 'data/lq/room.png', True),
        ('lq/room.png', 'data/lq/room.png', True),
        ('lq/room', 'data/lq/room.png', True),
        ('data/lq/room.png', 'data/lq/room.png', True),
        ('room.v2', 'data/lq/room.v2.png', True),
        ('oom', 'data/lq/room.png', False),
        ('q/room.png', 'data/lq/room.png', False),
        ('gt/room.png', 'data/lq/room.png', False),
        ('room.jpg', 'data/lq/room.png', False),
        ('', 'data/lq/room.png', False),
    ],
)
def test_names(name, path, expected):
    assert is_named(path, [name]) is expected


def test_equal_file_names_in_two_folders(tmp_path):
    keeps = {'one/x.png': 0.2, 'two/x.png': 0.4, 'two/y.png': 0.9}
    assert written(write_run(tmp_path, {1: keeps}, worst=2)) == {'one/x': 1, 'two/x': 2}


def test_files_that_differ_in_their_ending_alone(tmp_path):
    folder = write_run(tmp_path, {100: {'a/wall.png': 0.2, 'a/wall.jpg': 0.5, 'a/door.png': 0.9}}, worst=2)
    entries = load_entries(folder, [])
    assert [(entry.image, entry.path) for entry in entries] == [(path, path) for path in ('a/wall.png', 'a/wall.jpg')]


def test_set_without_targets_shows_its_first_images(tmp_path):
    gallery = Gallery({'worst': 2, 'metric': 'de00_mean', 'images': ['d']})
    for name in 'cbda':
        gallery.offer(f'in/{name}.png', {}, {'lq': wall() * 0.5, 'result': wall()})
    gallery.write(tmp_path, 'photos', 7, Scores(), None)
    assert written(tmp_path, 'photos') == {'a': 1, 'b': 2, 'd': None}
    known = json.loads((tmp_path / 'photos' / 'gallery' / '7_a.json').read_text())
    assert set(known['panels']) == {'input', 'output'} and known['scores'] == {}


def test_without_options_nothing_happens(tmp_path):
    gallery = Gallery(None)
    table = offer_walls(gallery, KEEPS)
    assert gallery._held() == {}
    gallery.write(tmp_path, 'val_color', 1, table, None)
    assert list(tmp_path.iterdir()) == []


def test_an_iteration_that_is_validated_again_leaves_no_rest(tmp_path):
    write_run(tmp_path, {10: {'a.png': 0.1, 'b.png': 0.9}, 100: {'a.png': 0.1}}, worst=1)
    folder = write_run(tmp_path, {10: {'a.png': 0.9, 'b.png': 0.1}}, worst=1)
    names = sorted(path.name for path in (folder / 'val_color' / 'gallery').glob('*.json'))
    assert names == ['100_a.json', '10_b.json']


@pytest.mark.filterwarnings('error')
def test_broken_output_and_odd_channels_can_be_shown(tmp_path):
    gallery = Gallery({'worst': 2, 'metric': 'psnr', 'images': ['nan', 'raw']})
    broken = wall() * math.nan
    gallery.offer('nan.png', {'psnr': math.nan}, {'lq': wall(), 'result': broken, 'gt': wall()})
    raw = torch.full((1, 4, 24, 32), 0.4)
    gallery.offer('raw.png', {'psnr': 20.0}, {'lq': raw, 'result': wall() * 3 - 1, 'gt': wall()})
    table = Scores({'nan': {'psnr': math.nan}, 'raw': {'psnr': 20.0}})
    gallery.write(tmp_path, 'val_color', 1, table, None)
    assert written(tmp_path) == {'nan': None, 'raw': 1}
    assert (gallery._held()['nan.png'].pictures['result'] == 0).all()
    assert (gallery._held()['raw.png'].pictures['lq'] == 102).all()


def test_tensorboard_shows_the_strips(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    gallery = Gallery({'worst': 1, 'metric': 'de00_mean', 'images': []})
    table = offer_walls(gallery, {'a.png': 0.1, 'b.png': 0.9})
    with SummaryWriter(log_dir=str(tmp_path / 'tb')) as writer:
        gallery.write(tmp_path / 'val', 'val_color', 50, table, writer)
    events = EventAccumulator(str(tmp_path / 'tb')).Reload()
    assert events.Tags()['images'] == ['gallery/val_color/a']
    (event,) = events.Images('gallery/val_color/a')
    assert event.step == 50
    shown = cv2.imdecode(np.frombuffer(event.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    page = cv2.imread(str(tmp_path / 'val' / 'val_color' / 'gallery' / '50_a.jpg'))
    expected = cv2.resize(page, shown.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - expected).mean() < 1  # colours in the right order


def test_leaders_are_the_first_of_all():
    keys = np.random.default_rng(0).permutation(40).tolist()
    leaders = Leaders(5)
    for key in keys:
        if leaders.wants((key,)):
            leaders.add((key,), key)
        assert len(leaders.items) <= 5
    assert [item for _, item in leaders.items] == [0, 1, 2, 3, 4]
    assert not Leaders(0).wants((1,))
    assert rank_key(3.0, 'b', 'x') < rank_key(2.0, 'a', 'x') < rank_key(2.0, 'b', 'x')


def test_worst_names_and_best_iteration():
    scores = Scores({'a': {'psnr': 30.0}, 'b': {'psnr': 10.0}, 'c': {}})
    assert worst_names(scores, 'psnr', 'higher', 5) == ['b', 'a']
    tables = {i: Scores({'a': {'sat_ratio_60': value}}) for i, value in ((1, 0.7), (2, 1.1), (3, 0.9), (4, math.nan))}
    assert best_iteration(tables, 'sat_ratio_60', 1.0) in (2, 3)
    assert best_iteration({1: tables[1], 2: tables[1]}, 'sat_ratio_60', 1.0) == 2
    assert best_iteration({4: tables[4]}, 'sat_ratio_60', 1.0) is None


@pytest.mark.parametrize(
    'name', ['room 1', "it's <b>", 'küche "süd"', '台所', 'a/b/c', '..', '-', 'x' * 300, 'é' * 300, 'a:b*?']
)
def test_safe_names_are_safe_and_distinct(name):
    safe = safe_name(name)
    assert safe.isascii() and 0 < len(safe) < 100 and not set(safe) & set('/\\ :*?"<>|\'')
    assert safe.strip('.') == safe and safe_name(name + '!') != safe
    assert safe_name('room_0001-a.b') == 'room_0001-a.b'
