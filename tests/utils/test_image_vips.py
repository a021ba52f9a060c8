import io
import multiprocessing
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from basicsr.utils import image_vips
from basicsr.utils.image_icc import to_srgb_8bit
from basicsr.utils.image_vips import VipsError, convert_to_srgb, decode, encode_with_profile, has_vips

pytestmark = pytest.mark.skipif(not has_vips(), reason='needs libvips: extra vips')

IMAGE = np.random.RandomState(0).randint(0, 256, (6, 7, 3)).astype(np.uint8)


def swapped():
    """Return the profile of sRGB with red and blue exchanged: its colours are those of BGR."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    red, blue = profile.index(b'rXYZ'), profile.index(b'bXYZ')
    profile[red : red + 4], profile[blue : blue + 4] = b'bXYZ', b'rXYZ'
    return bytes(profile)


def test_sixteen_bits_are_converted_as_eight():
    deep = convert_to_srgb(IMAGE.astype(np.uint16) * 257, swapped())
    assert np.abs(deep / 257 - to_srgb_8bit(IMAGE, swapped())).max() < 1.01
    assert np.abs(deep / 257 - IMAGE[..., ::-1]).max() < 1.01
    assert convert_to_srgb(np.zeros((1, 1, 3), np.uint16), swapped()).shape == (1, 1, 3)


def test_encoding_is_the_inverse():
    deep = IMAGE.astype(np.uint16) * 257
    content = encode_with_profile(deep, None, False, swapped(), 'PNG')
    assert Image.open(io.BytesIO(content)).info['icc_profile'] == swapped()
    assert np.abs(decode(content).astype(int) - deep[..., ::-1]).max() < 300


def test_errors_are_named():
    with pytest.raises(VipsError, match='fails in libvips: '):
        decode(b'no picture')


def _work(queue):
    try:
        deep = convert_to_srgb(IMAGE.astype(np.uint16) * 257, swapped())
        decode(zlib.compress(b''))
    except VipsError as error:
        queue.put((deep, str(error), image_vips.is_forked()))


@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='needs fork')
def test_a_forked_process_has_the_work_done_by_a_fresh_one():
    expected = convert_to_srgb(IMAGE.astype(np.uint16) * 257, swapped())
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    worker = context.Process(target=_work, args=(queue,), daemon=True)
    worker.start()
    deep, message, is_forked = queue.get(timeout=60)
    worker.join(10)
    assert is_forked and not image_vips.is_forked()
    assert np.array_equal(deep, expected)
    assert message.startswith('fails in libvips: ')
