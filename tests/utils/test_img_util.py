import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from basicsr.utils.errors import DataError, UserError
from basicsr.utils.img_util import crop_border, imfrombytes, img2tensor, imwrite, read_image, tensor2img, to_float

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the test images of ../shared/data')

IMAGE = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)


def encode(img, ending='.png'):
    return cv2.imencode(ending, img)[1].tobytes()


def huge_png():
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')


# Between tensors and pictures.


def test_tensor2img_clamps_and_rounds_half_to_even():
    values = torch.tensor([0.5, 1.5, 2.5, 0.49999, 306, -25.5, 254.5]) / 255
    assert tensor2img(values[None]).tolist() == [[0, 2, 2, 0, 255, 0, 254]]


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ((1, 1, 4, 5), (4, 5)),
        ((1, 3, 4, 5), (4, 5, 3)),
        ((4, 3, 4, 5), (14, 16, 3)),
        ((6, 4, 5), (4, 5, 6)),
        ((1, 4, 5), (4, 5)),
        ((4, 5), (4, 5)),
    ],
)
def test_tensor2img_shapes(shape, expected):
    assert tensor2img(torch.rand(shape)).shape == expected


def test_tensor2img_options():
    tensor = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1)
    assert tensor2img(tensor, min_max=(-1, 1)).tolist() == [[[255, 128, 0]]]
    assert tensor2img(tensor, rgb2bgr=False, min_max=(-1, 1)).tolist() == [[[0, 128, 255]]]
    assert tensor2img(tensor, out_type=np.float32).tolist() == [[[1.0, 0.0, 0.0]]]
    assert tensor2img(tensor, out_type=np.uint16).tolist() == [[[65535, 0, 0]]]
    assert len(tensor2img([tensor, tensor])) == 2
    with pytest.raises(TypeError):
        tensor2img(np.zeros((3, 4, 5)))


def test_img2tensor_and_back():
    tensor = img2tensor(IMAGE)
    assert tensor.dtype == torch.float32
    assert tensor[:, 3, 7].tolist() == IMAGE[3, 7, ::-1].tolist()
    assert np.array_equal(tensor2img(tensor / 255), IMAGE)
    assert img2tensor([IMAGE, IMAGE], bgr2rgb=False)[1][0, 3, 7] == IMAGE[3, 7, 0]
    assert img2tensor(IMAGE, float32=False).dtype == torch.uint8
    assert img2tensor(IMAGE / 255.0, float32=False).dtype == torch.float32
    with pytest.raises(ValueError, match='H, W, C'):
        img2tensor(IMAGE[..., 0])


def test_img2tensor_does_not_share_memory():
    img = np.zeros((2, 2, 1), np.float32)
    tensor = img2tensor(img)
    img += 1
    assert tensor.sum() == 0


def test_crop_border():
    assert crop_border(IMAGE, 4).shape == (12, 22, 3)
    assert np.array_equal(crop_border([IMAGE], 4)[0], IMAGE[4:16, 4:26])
    assert crop_border(IMAGE, 0).shape == IMAGE.shape


# Reading.


def test_sixteen_bits_stay_sixteen_bits():
    img = np.random.RandomState(1).randint(0, 65536, (5, 6, 3)).astype(np.uint16)
    assert np.array_equal(read_image(encode(img)), img)
    assert to_float(np.array([0, 65535, 257], np.uint16)).tolist() == [0.0, 1.0, np.float32(1 / 255)]
    assert imfrombytes(encode(img), float32=True) == pytest.approx(img / 65535, abs=1 / 255)
    assert imfrombytes(encode(img), 'unchanged', float32=True) == pytest.approx(img / 65535, abs=1e-6)


def test_grey_and_alpha_become_three_channels():
    grey = IMAGE[..., 0]
    assert np.array_equal(read_image(encode(grey)), np.stack([grey] * 3, axis=-1))
    bgra = np.dstack([IMAGE, np.full(grey.shape, 7, np.uint8)])
    assert np.array_equal(read_image(encode(bgra)), IMAGE)


def test_imfrombytes_flags():
    assert np.array_equal(imfrombytes(encode(IMAGE)), IMAGE)
    assert imfrombytes(encode(IMAGE), 'grayscale').shape == (20, 30)
    with pytest.raises(ValueError, match='colour'):
        imfrombytes(encode(IMAGE), 'colour')
    with pytest.raises(DataError, match='not one that OpenCV can read'):
        imfrombytes(b'no picture')
    with pytest.raises(DataError, match='it is empty'):
        imfrombytes(b'')
    with pytest.raises(DataError, match='cannot decode'):
        imfrombytes(huge_png())


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'is empty'),
        (b'<html>404 not found</html>', 'not a picture'),
        (encode(IMAGE, '.jpg')[:-200], 'truncated'),
        (encode(IMAGE)[:-200], 'truncated'),
        (huge_png(), '3,600,000,000 pixels'),
    ],
)
def test_unreadable_files_are_named(tmp_path, content, reason):
    path = tmp_path / 'kitchen.jpg'
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf'kitchen\.jpg.*{reason}'):
        read_image(path)
    with pytest.raises(DataError, match=rf'^picture 5: .*{reason}'):
        read_image(content, name='picture 5')


def test_light_is_read_as_it_is():
    img = IMAGE.astype(np.float32) / 16
    content = cv2.imencode('.tiff', img, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes()
    assert np.array_equal(read_image(content), img)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r'nowhere\.png: .*No such file'):
        read_image(tmp_path / 'nowhere.png')


@needs_data
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(orientation):
    folder = DATA / 'exif_orientation'
    upright, turned = (read_image(folder / f'Landscape_{n}.jpg').astype(np.float32) for n in (1, orientation))
    assert turned.shape == upright.shape == (1200, 1800, 3)
    # Turned before compression, so each file has JPEG noise of its own.
    assert np.abs(turned - upright).mean() < 5
    assert np.abs(turned[::-1] - upright).mean() > 20


@needs_data
@pytest.mark.parametrize(
    'name', ['odd_pillow/truncated_jpeg.jpg', 'odd_pillow/truncated_image.png', 'odd_pillow/broken_data_stream.png']
    + ['odd_pillow/decompression_bomb.gif', 'odd_sharp/truncated.jpg', 'odd_sharp/truncated.png']
    + ['odd_sharp/corrupt-header.jpg', 'odd_sharp/LICENSE', 'odd_pillow/hopper_unknown_pixel_mode.tif'],
)  # fmt: skip
def test_damaged_pictures_are_refused(name):
    with pytest.raises(DataError, match=Path(name).name):
        read_image(DATA / name)


@needs_data
@pytest.mark.parametrize(
    ('name', 'dtype'),
    [
        ('odd_sharp/Flag_of_the_Netherlands-16bit.png', np.uint16),
        ('odd_pillow/tiff_16bit_RGB.tiff', np.uint16),
        ('odd_sharp/Channel_digital_image_CMYK_color.jpg', np.uint8),
        ('odd_pillow/frozenpond.mpo', np.uint8),
        ('odd_sharp/grey-8bit-alpha.png', np.uint8),
        ('odd_pillow/hopper_gray.jpg', np.uint8),
    ],
)
def test_odd_pictures_are_read(name, dtype):
    img = read_image(DATA / name)
    assert img.dtype == dtype
    assert img.ndim == 3 and img.shape[2] == 3
    assert img.min() < img.max()


# Writing.


def test_imwrite_creates_folders_and_leaves_one_file(tmp_path):
    path = tmp_path / 'a' / 'b' / 'out.png'
    imwrite(IMAGE, path)
    assert np.array_equal(cv2.imread(str(path)), IMAGE)
    imwrite(IMAGE[::-1], str(path))
    assert np.array_equal(cv2.imread(str(path)), IMAGE[::-1])
    assert [p.name for p in path.parent.iterdir()] == ['out.png']


def test_imwrite_passes_parameters_on(tmp_path):
    imwrite(IMAGE, tmp_path / 'good.jpg', [cv2.IMWRITE_JPEG_QUALITY, 95])
    imwrite(IMAGE, tmp_path / 'bad.jpg', [cv2.IMWRITE_JPEG_QUALITY, 5])
    assert (tmp_path / 'bad.jpg').stat().st_size < (tmp_path / 'good.jpg').stat().st_size


def test_failed_write_is_an_error_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'out.png'
    imwrite(IMAGE, path)
    before = path.read_bytes()

    def full_disk(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.replace', full_disk)
    with pytest.raises(UserError, match=r'out\.png: .*No space left'):
        imwrite(IMAGE[::-1], path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ['out.png']


@pytest.mark.parametrize('name', ['out.unknown', 'out'])
def test_unknown_format_is_an_error(tmp_path, name):
    with pytest.raises(UserError, match=f'{name}: .*encoder'):
        imwrite(IMAGE, tmp_path / name)


def test_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot write'):
        imwrite(IMAGE, tmp_path / 'file' / 'out.png')
    with pytest.raises(UserError, match='cannot write'):
        imwrite(IMAGE, tmp_path / 'missing' / 'out.png', auto_mkdir=False)
