"""Near duplicates, judged by what imagehash says itself, and by copies made here."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.data.audit.duplicates import (
    Fingerprint,
    connected,
    exact_links,
    find_clusters,
    fingerprint,
    near_links,
    perceptual_hash,
    thumbnail,
)
from basicsr.utils.errors import DataError

imagehash = pytest.importorskip('imagehash', reason='imagehash (extra `audit`) is not installed')
SHARED = Path(__file__).resolve().parents[3] / 'shared' / 'data'


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Blobs of random colours, and some grain."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.uniform(0, 255, (7, 9, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).round().astype(np.uint8)


def write(path: Path, img: np.ndarray, quality: int = 95) -> str:
    assert cv2.imwrite(str(path), img, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return str(path)


def brighter(img: np.ndarray) -> np.ndarray:
    return (255 * (img / 255) ** 0.6).round().astype(np.uint8)


def test_hash_is_that_of_imagehash(tmp_path):
    from PIL import Image

    for seed in range(5):
        path = write(tmp_path / 'a.png', scene(seed))
        expected = imagehash.phash(Image.open(path))
        # Pillow rounds luma in its own way, which may turn a coefficient next to the median.
        assert imagehash.ImageHash(perceptual_hash(cv2.imread(path)).reshape(8, 8)) - expected <= 2


@pytest.mark.parametrize('bits', [8, 16])
def test_copies_are_found_and_other_scenes_are_not(tmp_path, bits):
    img = scene(1)
    small = cv2.resize(img, (80, 60), interpolation=cv2.INTER_AREA)
    deep = img.astype(np.uint16) * 257 if bits == 16 else img
    paths = [
        write(tmp_path / 'other.png', scene(2)),
        write(tmp_path / 'img.png', deep),
        write(tmp_path / 'small.png', small),
        write(tmp_path / 'another.png', scene(3)),
        write(tmp_path / 'coarse.jpg', img, quality=30),
        write(tmp_path / 'bright.jpg', brighter(img)),
    ]
    assert find_clusters(paths) == [[1, 2, 4, 5]]


def test_equal_pixels_are_found_without_the_hash(tmp_path):
    img = scene(1)
    copy = tmp_path / 'copy.png'
    paths = [write(tmp_path / 'a.png', img), write(tmp_path / 'b.bmp', img), write(tmp_path / 'c.png', brighter(img))]
    copy.write_bytes(Path(paths[2]).read_bytes())
    assert find_clusters([*paths, str(copy)], max_distance=-1) == [[0, 1], [2, 3]]


def test_real_photographs_are_no_duplicates_but_their_copies_are(tmp_path):
    folders = [SHARED / 'lib_photos', SHARED / 'underwater_pairs' / 'gt']
    photos = [path for folder in folders for path in sorted(folder.glob('*.*g'))]
    if not photos:
        pytest.skip('needs ../shared/data/lib_photos and underwater_pairs')
    assert find_clusters([str(path) for path in photos]) == []
    changed = []
    for path in photos:
        img = cv2.imread(str(path))
        half = cv2.resize(img, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        changed.append(write(tmp_path / f'{path.stem}_{path.parent.name}.jpg', brighter(half), quality=60))
    count = len(photos)
    pairs = find_clusters([*map(str, photos), *changed])
    assert pairs == [[index, index + count] for index in range(count)]


def test_flat_images_are_not_alike():
    grey = [np.full((64, 64, 3), value, np.uint8) for value in (100, 101)]
    prints = [fingerprint(img, bytes([index])) for index, img in enumerate(grey)]
    assert near_links(prints) == []


def test_thumbnails_correlate_as_numpy_says():
    one, other = scene(1), brighter(scene(1))
    small = [
        cv2.resize(cv2.cvtColor(i, cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA) for i in (one, other)
    ]
    expected = np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1]
    assert thumbnail(one) @ thumbnail(other) == pytest.approx(expected, abs=1e-4)


def test_links_across_blocks_are_those_of_a_plain_search(monkeypatch):
    rng = np.random.default_rng(0)
    base = rng.random((4, 64)) < 0.5
    prints = []
    for index in range(23):
        flips = rng.random(64) < rng.uniform(0, 0.3)
        vector = rng.normal(size=1024).astype(np.float32) * 0.2 + np.sin(np.arange(1024) * (index % 4 + 1))
        vector = (vector - vector.mean()).astype(np.float32)
        prints.append(Fingerprint(str(index), str(index), base[index % 4] ^ flips, vector / np.linalg.norm(vector)))
    monkeypatch.setattr('basicsr.data.audit.duplicates._BLOCK', 5)
    expected = [
        (i, j)
        for i in range(23)
        for j in range(i + 1, 23)
        if (prints[i].bits != prints[j].bits).sum() <= 14
        and np.corrcoef(prints[i].thumbnail, prints[j].thumbnail)[0, 1] > 0.88
    ]
    assert len(expected) > 5
    assert near_links(prints) == expected


def test_groups_are_the_connected_components_of_scipy():
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(0)
    links = [tuple(sorted(map(int, rng.choice(40, 2, replace=False)))) for _ in range(25)]
    matrix = coo_array((np.ones(25), tuple(zip(*links))), shape=(40, 40))
    _, labels = connected_components(matrix, directed=False)
    expected = {tuple(np.flatnonzero(labels == label)) for label in labels if (labels == label).sum() > 1}
    assert {tuple(group) for group in connected(40, links)} == expected


def test_exact_links_name_the_first():
    def of(file: str, pixels: str) -> Fingerprint:
        return Fingerprint(file, pixels, np.zeros(64, bool), np.zeros(1024, np.float32))

    assert exact_links([of('a', 'p'), of('b', 'q'), of('c', 'p'), of('b', 'q')]) == [(0, 2), (1, 3)]


def test_damaged_file_is_named(tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'\xff\xd8\xff nothing')
    with pytest.raises(DataError, match=r'broken\.jpg'):
        find_clusters([str(broken)])
