import io
import multiprocessing
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from basicsr.utils import image_region
from basicsr.utils.errors import DataError
from basicsr.utils.image_region import open_region
from basicsr.utils.img_util import read_image

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the test images of ../shared/data')
needs_vips = pytest.mark.skipif(not image_region.has_vips(), reason='needs libvips: extra vips')
PHOTOS = ['lib_photos/china.jpg', 'lib_photos/flower.jpg', 'lib_photos/coffee.png', 'lib_photos/camera.png'] + [
    *('nafnet_demo/blurry.jpg', 'nafnet_demo/noisy.png', 'exif_orientation/Landscape_1.jpg'),
    *('odd_pillow/hopper_gray.jpg', 'odd_pillow/frozenpond.mpo', 'odd_sharp/low-contrast.jpg'),
]
SMOOTH = cv2.resize(np.random.RandomState(0).uniform(0, 255, (4, 5, 3)), (90, 70)).astype(np.uint8)


def save(path, img=SMOOTH, **options):
    stream = io.BytesIO()
    Image.fromarray(img).save(stream, {'.jpg': 'JPEG'}.get(path.suffix, path.suffix[1:]), **options)
    path.write_bytes(stream.getvalue())
    return path


@needs_data
@needs_vips
@pytest.mark.parametrize('name', PHOTOS)
def test_crops_are_those_of_the_reader(name):
    region, img = open_region(DATA / name), read_image(DATA / name)
    height, width = img.shape[:2]
    assert (region.shape, region.dtype) == (img.shape, img.dtype)
    for _ in range(6):
        top, left = random.randrange(height), random.randrange(width)
        bottom, right = random.randint(top + 1, height), random.randint(left + 1, width)
        assert np.array_equal(region[top:bottom, left:right], img[top:bottom, left:right])
    assert np.array_equal(region[height - 1 :, :], img[height - 1 :])
    assert region[5:5, 3:9].shape == (0, 6, 3)
    assert region[:1, :1].flags.c_contiguous and np.array_equal(region[:1, :1], img[:1, :1])


@needs_vips
@pytest.mark.parametrize('options', [{'progressive': True}, {'subsampling': 0}, {'subsampling': 1}, {'subsampling': 2}])
def test_kinds_of_jpeg(tmp_path, options):
    path = save(tmp_path / 'a.jpg', quality=85, **options)
    assert np.array_equal(open_region(path)[11:60, 7:80], read_image(path)[11:60, 7:80])


@needs_vips
def test_none_where_pixels_would_differ(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    red, blue = swapped.index(b'rXYZ'), swapped.index(b'bXYZ')
    swapped[red : red + 4], swapped[blue : blue + 4] = b'bXYZ', b'rXYZ'
    assert open_region(save(tmp_path / 'turned.jpg', exif=exif)) is None
    assert open_region(save(tmp_path / 'profile.jpg', icc_profile=bytes(swapped))) is None
    assert open_region(save(tmp_path / 'alpha.png', np.dstack([SMOOTH, SMOOTH[..., 0]]))) is None
    assert open_region(save(tmp_path / 'a.tiff')) is None
    cv2.imwrite(str(tmp_path / 'deep.png'), SMOOTH.astype(np.uint16) * 257)
    assert open_region(tmp_path / 'deep.png') is None
    Image.fromarray(SMOOTH).quantize(8).save(tmp_path / 'palette.png')
    assert open_region(tmp_path / 'palette.png') is None
    exif[0x0112] = 1
    assert open_region(save(tmp_path / 'upright.jpg', exif=exif)) is not None


@needs_vips
@pytest.mark.parametrize('ending', ['jpg', 'png'])
def test_truncated_files_are_left_to_the_reader(tmp_path, ending):
    path = save(tmp_path / f'a.{ending}')
    region = open_region(path)
    path.write_bytes(path.read_bytes()[:-400])
    assert open_region(path) is None
    with pytest.raises(DataError, match=rf'a\.{ending}: reading a part of it fails in libvips'):
        region[:, :]
    with pytest.raises(DataError, match=r'gone\.jpg: .*No such file'):
        open_region(tmp_path / 'gone.jpg')


def test_none_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyvips', None)
    assert open_region(save(tmp_path / 'a.jpg')) is None


def _put_mean(queue, region, box):
    top, bottom, left, right = box
    queue.put(float(region[top:bottom, left:right].mean()))


@needs_vips
@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='needs fork')
def test_forked_workers_do_not_wait_for_ever(tmp_path):
    """libvips itself would: its threads are gone in the copy."""
    large = np.ascontiguousarray(cv2.resize(SMOOTH, (1800, 1200)))
    region = open_region(save(tmp_path / 'a.jpg', large))
    expected = region[100:300, 50:400].mean()
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    worker = context.Process(target=_put_mean, args=(queue, region, (100, 300, 50, 400)), daemon=True)
    worker.start()
    assert queue.get(timeout=60) == expected
    worker.join(10)
