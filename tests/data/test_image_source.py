"""Whichever way pixels come by, they are those of `read_image`."""

import logging
import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from basicsr.data.image_source import ImageSource, build_source
from basicsr.data.pixel_cache import CacheOptions
from basicsr.utils.errors import DataError
from basicsr.utils.file_client import FileClient
from basicsr.utils.img_util import read_image

KINDS = ('auto', 'disk', 'ram', 'none')


pytestmark = pytest.mark.usefixtures('package_log')


@pytest.fixture
def paths(tmp_path):
    """Two pictures of 8 bits and one of 16."""
    rng = np.random.default_rng(0)
    for i, kind in enumerate((np.uint8, np.uint8, np.uint16)):
        img = rng.integers(0, np.iinfo(kind).max, (60 + i, 81, 3), dtype=kind, endpoint=True)
        cv2.imwrite(str(tmp_path / f'{i}.png'), img)
    cv2.imwrite(str(tmp_path / '1.jpg'), rng.integers(0, 255, (90, 70, 3), dtype=np.uint8))
    return sorted(map(str, tmp_path.iterdir()))


def source_of(paths, tmp_path, kind, **kwargs):
    return build_source(None, CacheOptions(type=kind, dir=str(tmp_path / 'cache')), paths, 'datasets.train', **kwargs)


def lmdb_of(paths, folder):
    """Store the files in an LMDB, by their names."""
    lmdb = pytest.importorskip('lmdb')
    with lmdb.open(str(folder), map_size=2**24) as database, database.begin(write=True) as transaction:
        for path in paths:
            transaction.put(Path(path).name.encode(), Path(path).read_bytes())
    return FileClient('lmdb', db_paths=[str(folder)], client_keys=['gt'])


@pytest.mark.parametrize('region', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_all_ways_give_the_same_pixels(paths, tmp_path, kind, region):
    source = source_of(paths, tmp_path, kind, for_training=region)
    for path in paths:
        expected, img = read_image(path), source.open(path, 'gt')
        assert img.shape == expected.shape and img.dtype == expected.dtype
        assert np.array_equal(img[7:40, 11:52], expected[7:40, 11:52])
        assert np.array_equal(img[:, :], expected)


def test_lmdb_gives_the_same_pixels(paths, tmp_path):
    source = ImageSource(lmdb_of(paths, tmp_path / 'x.lmdb'))
    for path in paths:
        assert np.array_equal(source.open(Path(path).name, 'gt'), read_image(path))


def test_the_cache_comes_first_then_regions_then_whole_files(paths, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr('basicsr.utils.image_region.open_region', lambda path: asked.append(path))
    source = source_of(paths[:2], tmp_path, 'disk', for_training=True)
    for path in paths:
        assert np.array_equal(source.open(path), read_image(path))
    assert asked == paths[2:]
    assert np.array_equal(ImageSource(region=False).open(paths[0]), read_image(paths[0])) and asked == paths[2:]


def test_a_picture_that_changes_during_the_run_is_decoded(paths, tmp_path):
    for time, kind in enumerate(('disk', 'ram')):
        source = source_of(paths, tmp_path, kind)
        img = 255 - read_image(paths[0])
        cv2.imwrite(paths[0], img)
        os.utime(paths[0], ns=(time, time))
        assert np.array_equal(source.open(paths[0]), img)


def test_a_picture_that_is_gone_is_named(paths, tmp_path):
    for kind in KINDS:
        source = source_of(paths, tmp_path, kind)
        os.rename(paths[0], tmp_path / 'elsewhere')
        with pytest.raises(DataError, match=paths[0]):
            source.open(paths[0])
        os.rename(tmp_path / 'elsewhere', paths[0])


def test_a_cache_of_lmdbs_is_said_to_have_no_effect(paths, tmp_path, caplog):
    client = lmdb_of(paths, tmp_path / 'x.lmdb')
    for kind in KINDS:
        source = build_source(client, CacheOptions(type=kind, dir=str(tmp_path / 'c')), ['0.png'], 'datasets.train')
        assert np.array_equal(source.open('0.png', 'gt'), read_image(tmp_path / '0.png'))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f'datasets.train.cache: {kind} has no effect on LMDBs; the images are decoded whenever they are read'
        for kind in ('disk', 'ram')
    ]
    assert not (tmp_path / 'c').exists()


class Crops(Dataset):
    """What workers read: a copy of each image, and whether it came out of the cache."""

    def __init__(self, source, paths):
        self.source, self.paths = source, paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        is_cached = self.source.cache is not None and self.source.cache.get(path) is not None
        return torch.from_numpy(np.array(self.source.open(path)).astype(np.int32)), is_cached


@pytest.mark.parametrize(('kind', 'start'), [('disk', 'fork'), ('ram', 'fork'), ('ram', 'spawn')])
def test_workers_share_the_cache(paths, tmp_path, kind, start):
    source = source_of(paths, tmp_path, kind)
    loader = DataLoader(
        Crops(source, paths), batch_size=None, num_workers=1, multiprocessing_context=start, persistent_workers=True
    )
    for _ in range(2):
        for path, (img, is_cached) in zip(paths, loader):
            assert is_cached and np.array_equal(img.numpy(), read_image(path))


def test_an_unbuilt_source_can_be_pickled(paths, tmp_path):
    for kind in ('disk', 'none'):
        source = pickle.loads(pickle.dumps(source_of(paths, tmp_path, kind, for_training=True)))
        assert np.array_equal(source.open(paths[0])[:, :], read_image(paths[0]))
        assert (source.cache is None) == (kind == 'none')
