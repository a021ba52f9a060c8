import io
import os
import struct
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from basicsr.utils import image_util
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.image_file import Picture, composite, read_header, read_picture
from basicsr.utils.image_icc import differs_from_srgb
from basicsr.utils.image_write import write_picture
from basicsr.utils.img_util import read_image

RNG = np.random.RandomState(0)
RGB = RNG.randint(0, 256, (20, 30, 3)).astype(np.uint8)
DEEP = RNG.randint(0, 65536, (20, 30, 3)).astype(np.uint16)
ALPHA = RNG.randint(0, 256, (20, 30)).astype(np.uint8)
SMOOTH = cv2.resize(RNG.uniform(0, 255, (4, 5, 3)), (60, 40), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype('u1')

LARGE = SMOOTH.astype(np.uint16) * 257


def save(img, file_format, **options):
    stream = io.BytesIO()
    (img if isinstance(img, Image.Image) else Image.fromarray(img)).save(stream, file_format, **options)
    return stream.getvalue()


def float_tiff(img):
    """Without the option, some versions of OpenCV write LogLuv."""
    return cv2.imencode('.tif', img, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes()


def png_chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def with_chunk(png, kind, data, before=b'IDAT'):
    place = png.index(before) - 4
    return png[:place] + png_chunk(kind, data) + png[place:]


def profile(primaries, gamma):
    """Return an ICC profile with these primaries (sRGB, or `bgr`: its red and blue exchanged) and a power curve."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    count = struct.unpack_from('>I', content, 128)[0]
    tags = {bytes(content[132 + 12 * i :][:4]): 132 + 12 * i for i in range(count)}
    if primaries == 'bgr':
        for one, other in ((b'rXYZ', b'bXYZ'),):
            content[tags[one] : tags[one] + 4], content[tags[other] : tags[other] + 4] = other, one
    # ICC.1:2022, 10.6: a curve of one number is a power, as u8Fixed8Number; all three share one curve here.
    curve = struct.pack('>4s4xIHxx', b'curv', 1, round(gamma * 256))
    for name in (b'rTRC', b'gTRC', b'bTRC'):
        struct.pack_into('>II', content, tags[name] + 4, len(content), 14)
    content += curve
    struct.pack_into('>I', content, 0, len(content))
    return bytes(content)


def srgb_encode(x):
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)  # IEC 61966-2-1


LINEAR = profile('srgb', 1.0)


# Headers.


@pytest.mark.parametrize('quality', range(1, 101))
def test_the_quality_of_a_jpeg(tmp_path, quality):
    (tmp_path / 'a.jpg').write_bytes(save(RGB, 'JPEG', quality=quality))
    assert read_header(tmp_path / 'a.jpg').jpeg_quality == quality
    (tmp_path / 'b.jpg').write_bytes(cv2.imencode('.jpg', RGB[..., 0], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
    assert read_header(tmp_path / 'b.jpg').jpeg_quality == quality
    assert read_header(tmp_path / 'b.jpg').jpeg_subsampling is None


@pytest.mark.parametrize(
    ('factor', 'expected'),
    [(0x111111, '4:4:4'), (0x211111, '4:2:2'), (0x221111, '4:2:0'), (0x411111, '4:1:1'), (0x121111, '4:4:0')],
)
def test_the_subsampling_of_a_jpeg(tmp_path, factor, expected):
    content = cv2.imencode('.jpg', RGB, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])[1]
    (tmp_path / 'a.jpg').write_bytes(content)
    assert read_header(tmp_path / 'a.jpg').jpeg_subsampling == expected


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (save(RGB, 'JPEG'), ('JPEG', 8, False, False, False)),
        (save(RGB[..., 0], 'PNG'), ('PNG', 8, False, False, True)),
        (save(np.dstack([RGB, ALPHA]), 'WEBP'), ('WEBP', 8, False, True, False)),
        (save(RGB, 'BMP'), ('BMP', 8, False, False, False)),
        (save(RGB, 'JPEG2000'), ('JPEG2000', 8, False, False, False)),
        (cv2.imencode('.png', DEEP)[1].tobytes(), ('PNG', 16, False, False, False)),
        (cv2.imencode('.tif', DEEP)[1].tobytes(), ('TIFF', 16, False, False, False)),
        (cv2.imencode('.jp2', LARGE)[1].tobytes(), ('JPEG2000', 16, False, False, False)),
        (float_tiff(np.float32(RGB)), ('TIFF', 32, True, False, False)),
        (cv2.imencode('.hdr', np.float32(RGB))[1].tobytes(), ('HDR', 32, True, False, False)),
        (cv2.imencode('.ppm', DEEP)[1].tobytes(), ('PNM', 16, False, False, False)),
    ],
)
def test_what_headers_tell(tmp_path, content, expected):
    (tmp_path / 'a.xyz').write_bytes(content)
    header = read_header(tmp_path / 'a.xyz')
    assert (header.format, header.bits, header.is_float, header.has_alpha, header.is_grey) == expected
    assert (header.width, header.height) in ((30, 20), (60, 40))
    assert read_picture(tmp_path / 'a.xyz').pixels.shape == (header.height, header.width, 3)


def test_headers_do_not_need_the_pixels(tmp_path):
    for ending, content in (('png', save(RGB, 'PNG')), ('jpg', save(RGB, 'JPEG')), ('bmp', save(RGB, 'BMP'))):
        path = tmp_path / f'a.{ending}'
        path.write_bytes(content[: len(content) * 2 // 3])
        assert (read_header(path).width, read_header(path).height) == (30, 20)
        with pytest.raises(DataError, match=f'a.{ending}: a truncated or damaged'):
            read_image(path)


def test_many_headers_take_no_time(tmp_path):
    large = cv2.resize(SMOOTH, (3000, 2000))
    for ending in ('.jpg', '.png', '.tif'):
        (tmp_path / f'a{ending}').write_bytes(cv2.imencode(ending, large)[1])
        start = time.process_time()
        for _ in range(300):
            read_header(tmp_path / f'a{ending}')
        assert time.process_time() - start < 1, 'decoding one of these takes some 20 ms'


# Orientation.


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'TIFF16'])
def test_orientation_in_every_format(tmp_path, kind, orientation):
    exif, path = Image.Exif(), tmp_path / 'a.picture'
    exif[0x0112] = orientation
    if kind == 'TIFF16':
        content = bytearray(cv2.imencode('.tif', DEEP)[1])
        first = struct.unpack_from('<I', content, 4)[0]
        count = struct.unpack_from('<H', content, first)[0]
        last = first + 2 + 12 * count  # a directory of our own at the end, with one entry more
        entries = [bytes(content[first + 2 + 12 * i : first + 14 + 12 * i]) for i in range(count)]
        entries = sorted(
            [e for e in entries if e[:2] != b'\x12\x01'] + [struct.pack('<HHIHxx', 274, 3, 1, orientation)]
        )
        entries.sort(key=lambda e: struct.unpack('<H', e[:2]))
        struct.pack_into('<I', content, 4, len(content))
        content += struct.pack('<H', len(entries)) + b''.join(entries) + bytes(4)
        assert last <= len(content)
        stored = DEEP[..., ::-1]
    else:
        content = save(RGB, kind, exif=exif, **({'lossless': True} if kind == 'WEBP' else {}))
        stored = np.asarray(Image.open(io.BytesIO(save(RGB, kind)))) if kind == 'JPEG' else RGB
    path.write_bytes(content)
    planes = [Image.fromarray(np.ascontiguousarray(stored[..., c]).astype(np.int32)) for c in range(3)]
    for plane in planes:
        plane.getexif()[0x0112] = orientation
    expected = np.dstack([np.asarray(ImageOps.exif_transpose(plane)) for plane in planes])
    img, header = read_image(path)[..., ::-1], read_header(path)
    assert (header.orientation, header.height, header.width) == (orientation, *expected.shape[:2])
    assert np.abs(img.astype(int) - expected).max() <= (2 if kind == 'JPEG' else 0)


def test_orientation_behind_the_pixels_counts_and_that_of_xmp_does_not(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    behind = with_chunk(save(RGB, 'PNG'), b'eXIf', exif.tobytes().removeprefix(b'Exif\0\0'), before=b'IEND')
    assert np.array_equal(read_image(behind)[..., ::-1], np.rot90(RGB, -1))
    noise = RNG.randint(0, 256, (200, 300, 3)).astype(np.uint8)
    large = with_chunk(save(noise, 'PNG'), b'eXIf', exif.tobytes().removeprefix(b'Exif\0\0'), before=b'IEND')
    assert read_image(large).shape == (300, 200, 3)
    info = PngImagePlugin.PngInfo()
    info.add_itxt('XML:com.adobe.xmp', '<rdf:Description tiff:Orientation="6"/>')
    assert np.array_equal(read_image(save(RGB, 'PNG', pnginfo=info))[..., ::-1], RGB)
    palette = Image.fromarray(RGB).quantize(8)
    assert read_image(save(palette, 'PNG', pnginfo=info)).shape == RGB.shape


def test_damaged_exif_is_as_good_as_none():
    jpeg = save(RGB, 'JPEG', exif=b'Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03')
    assert read_image(jpeg).shape == RGB.shape


# Kinds of pixels.


def test_alpha_is_kept_dropped_or_mixed(monkeypatch, caplog):
    rgba = np.dstack([RGB, ALPHA])
    for content in (save(rgba, 'PNG'), save(rgba, 'WEBP', lossless=True, exact=True), save(rgba, 'TIFF')):
        picture = read_picture(content)
        assert np.array_equal(picture.pixels[..., ::-1], RGB) and np.array_equal(picture.alpha, ALPHA)
        assert np.array_equal(read_image(content), picture.pixels)
        for background, value in (('white', 255), ('black', 0)):
            expected = RGB * (ALPHA[..., None] / 255) + value * (1 - ALPHA[..., None] / 255)
            assert np.abs(read_image(content, alpha=background)[..., ::-1] - expected).max() <= 0.5 + 1e-9
    with pytest.raises(ValueError, match='green'):
        read_image(content, alpha='green')


def test_dropped_alpha_is_noted_once(monkeypatch):
    lines = []
    monkeypatch.setattr(image_util, '_noted', set())
    monkeypatch.setattr('basicsr.utils.image_util.get_root_logger', lambda: type('L', (), {'warning': lines.append}))
    opaque, half = np.full((4, 4, 4), 255, np.uint8), np.full((4, 4, 4), 128, np.uint8)
    read_image(save(opaque, 'PNG'))
    assert not lines
    read_image(save(half, 'PNG'), 'a.png')
    read_image(save(half, 'PNG'), 'b.png')
    assert len(lines) == 1 and lines[0].startswith('a.png: transparent parts; alpha is dropped')


def test_alpha_at_sixteen_bits_and_in_grey():
    alpha = RNG.randint(0, 65536, (20, 30)).astype(np.uint16)
    for ending in ('.png', '.tif'):
        picture = read_picture(cv2.imencode(ending, np.dstack([DEEP, alpha]))[1].tobytes())
        assert np.array_equal(picture.pixels, DEEP) and np.array_equal(picture.alpha, alpha)
    assert composite(picture, 'white').dtype == np.uint16
    grey = Image.fromarray(np.dstack([RGB[..., 0], ALPHA]), 'LA')
    picture = read_picture(save(grey, 'PNG'))
    assert picture.is_grey and np.array_equal(picture.alpha, ALPHA)
    assert np.array_equal(picture.pixels, np.repeat(RGB[..., :1], 3, axis=2))


@pytest.mark.parametrize('mode', ['L', 'RGB'])
def test_one_colour_may_be_transparent(mode):
    img = Image.fromarray(RGB).convert(mode)
    key = img.getpixel((3, 4))
    content = save(img, 'PNG', transparency=key)
    with Image.open(io.BytesIO(content)) as reread:
        expected = np.asarray(reread.convert('RGBA'))
    picture = read_picture(content)
    assert picture.alpha[4, 3] == 0 and np.array_equal(picture.alpha, expected[..., 3])
    assert np.array_equal(picture.pixels[..., ::-1], expected[..., :3])


@pytest.mark.parametrize('file_format', ['PNG', 'GIF', 'BMP', 'TIFF'])
def test_palettes(file_format):
    img = Image.fromarray(RGB).quantize(16)
    assert np.array_equal(read_image(save(img, file_format))[..., ::-1], np.asarray(img.convert('RGB')))


@pytest.mark.parametrize('file_format', ['PNG', 'GIF', 'BMP', 'TIFF', 'PPM'])
def test_one_bit(file_format):
    img = Image.fromarray(RGB).convert('1')
    assert np.array_equal(read_image(save(img, file_format))[..., 0], np.asarray(img.convert('L')))


def test_transparent_palettes():
    img = Image.fromarray(RGB).quantize(16)
    picture = read_picture(save(img, 'PNG', transparency=bytes(range(0, 160, 10))))
    assert np.array_equal(picture.alpha, np.asarray(img) * 10)


def test_a_bmp_of_four_bytes_a_pixel_has_no_alpha():
    content = save(np.dstack([RGB, ALPHA]), 'BMP')
    assert struct.unpack_from('<H', content, 28)[0] == 32
    picture = read_picture(content)
    assert picture.alpha is None and np.array_equal(picture.pixels[..., ::-1], RGB)


@pytest.mark.parametrize(
    ('options', 'dtype'),
    [({'byteorder': '>'}, np.uint16), ({'bigtiff': True}, np.uint16), ({'tile': (16, 16)}, np.uint16)]
    + [
        ({'byteorder': '>'}, np.float32),
        ({'bigtiff': True}, np.float32),
        ({'compression': 'deflate', 'predictor': True}, np.uint16),
    ]
    + [({}, np.float64), ({'planarconfig': 'separate'}, np.uint16), ({'planarconfig': 'separate'}, np.float32)],
)
def test_kinds_of_tiff(options, dtype):
    tifffile = pytest.importorskip('tifffile')
    img = DEEP.astype(dtype) if dtype == np.uint16 else (DEEP / 10_000).astype(dtype)
    stream = io.BytesIO()
    if 'planarconfig' in options:
        pytest.importorskip('pyvips', reason='extra vips')
        tifffile.imwrite(stream, np.moveaxis(img, -1, 0), photometric='rgb', **options)
    else:
        tifffile.imwrite(stream, img, photometric='rgb', **options)
    read = read_image(stream.getvalue())
    assert read.dtype == (np.uint16 if dtype == np.uint16 else np.float32)
    assert np.array_equal(read[..., ::-1], img.astype(read.dtype))


def test_colours_multiplied_by_alpha_are_divided():
    tifffile = pytest.importorskip('tifffile')
    alpha = np.full((20, 30), 32768, np.uint16)
    multiplied = (DEEP // 2).astype(np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.dstack([multiplied, alpha]), photometric='rgb', extrasamples=['assocalpha'])
    assert np.abs(read_picture(stream.getvalue()).pixels[..., ::-1] - DEEP.astype(int)).max() <= 3


@pytest.mark.parametrize(
    ('options', 'shape', 'dtype', 'reason'),
    [
        ({'photometric': 'rgb'}, (20, 30, 3), np.uint32, 'integer of 32 bits'),
        ({'photometric': 'rgb'}, (20, 30, 3), np.int16, 'signed of 16 bits'),
        ({'photometric': 'rgb'}, (20, 30, 3), np.float16, 'floating point of 16 bits'),
        ({'photometric': 'miniswhite'}, (20, 30), np.uint16, 'PhotometricInterpretation 0'),
        ({'photometric': 'separated'}, (20, 30, 4), np.uint16, 'PhotometricInterpretation 5'),
        ({'photometric': 'minisblack', 'extrasamples': ['unassalpha']}, (20, 30, 2), np.uint16, '2 channels'),
        ({'photometric': 'rgb'}, (2, 20, 30, 3), np.uint8, 'several pages'),
        ({'photometric': 'minisblack'}, (5, 20, 30), np.uint8, 'several pages'),
        ({'photometric': 'rgb', 'subfiletype': 1}, (20, 30, 3), np.uint8, 'camera raw'),
        ({'photometric': 'cfa'}, (20, 30), np.uint16, 'unusual way .*32803'),
    ],
)
def test_kinds_of_tiff_that_are_refused(options, shape, dtype, reason):
    tifffile = pytest.importorskip('tifffile')
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.ones(shape, dtype), **options)
    with pytest.raises(DataError, match=f'^a.tif: .*{reason}'):
        read_image(stream.getvalue(), 'a.tif')


def test_smaller_copies_in_a_tiff_are_no_pages():
    tifffile = pytest.importorskip('tifffile')
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        tiff.write(RGB, photometric='rgb')
        tiff.write(RGB[::2, ::2], photometric='rgb', subfiletype=1)
    assert np.array_equal(read_image(stream.getvalue())[..., ::-1], RGB)


@pytest.mark.parametrize(('file_format', 'reason'), [('GIF', 'animation'), ('PNG', 'animation'), ('WEBP', 'animation')])
def test_animations_are_refused(file_format, reason):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    content = save(frames[0], file_format, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=f'^a: .*{reason}'):
        read_image(content, 'a')


@pytest.mark.parametrize('file_format', ['JPEG', 'PNG', 'TIFF', 'WEBP', 'BMP', 'GIF', 'PPM', 'JPEG2000', 'HDR', 'EXR'])
def test_truncated_files_are_refused(tmp_path, file_format):
    if file_format == 'EXR':
        pytest.importorskip('OpenEXR', reason='extra exr')
        write_picture(Picture(np.float32(RGB)), tmp_path / 'a.exr')
        content = (tmp_path / 'a.exr').read_bytes()
    elif file_format == 'HDR':
        content = cv2.imencode('.hdr', np.float32(RGB))[1].tobytes()
    else:
        content = save(Image.fromarray(RGB), file_format)
    for size in (len(content) // 2, 40, 12, 1):
        with pytest.raises(DataError, match=r'^kitchen\.jpg: '):
            read_image(content[:size], 'kitchen.jpg')
    read_image(content)


def test_formats_that_are_not_read_are_named():
    with pytest.raises(DataError, match=r'HEIF, AVIF or video file \(heic\)'):
        read_image(b'\0\0\0\x18ftypheic' + bytes(40))
    with pytest.raises(DataError, match=r'not a picture of a format that is read.*starts with'):
        read_image(b'PK\x03\x04' + bytes(40))
    with pytest.raises(DataError, match='go up to 4095'):
        read_image(b'P5\n2 2\n4095\n' + bytes(8))


def test_the_limit_on_pixels(monkeypatch):
    header = struct.pack('>IIBBBBB', 20_000, 20_000, 8, 2, 0, 0, 0)
    content = b'\x89PNG\r\n\x1a\n' + png_chunk(b'IHDR', header) + png_chunk(b'IDAT', zlib.compress(bytes(9)))
    with pytest.raises(DataError, match=r'^a: 20,000 x 20,000 are 400,000,000 pixels.*BASICSR_MAX_IMAGE_PIXELS'):
        read_image(content, 'a')
    monkeypatch.setenv('BASICSR_MAX_IMAGE_PIXELS', '599')
    with pytest.raises(DataError, match='30 x 20 are 600 pixels, more than the limit of 599'):
        read_image(save(RGB, 'JPEG'))
    monkeypatch.setenv('BASICSR_MAX_IMAGE_PIXELS', '600')
    read_image(save(RGB, 'JPEG'))
    monkeypatch.setenv('BASICSR_MAX_IMAGE_PIXELS', 'many')
    with pytest.raises(DataError, match='BASICSR_MAX_IMAGE_PIXELS=many'):
        read_image(save(RGB, 'JPEG'))


def test_values_that_are_no_numbers_are_counted():
    img = np.float32(RGB)
    img[3, 4, 0], img[5, 6] = np.nan, np.inf
    with pytest.raises(DataError, match='4 of its 1,800 values are NaN or infinite'):
        read_image(float_tiff(img))


def test_radiance_after_its_definition():
    """Ward, Real Pixels (Graphics Gems II): mantissa times 2 to the power of the exponent less 128 + 8."""
    stored = np.array([[[128, 64, 32, 129], [255, 1, 0, 140]], [[1, 2, 3, 136], [0, 0, 0, 0]]], np.uint8)
    content = b'#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n' + stored.tobytes()
    expected = stored[..., :3] * 2.0 ** (stored[..., 3:].astype(int) - 136)
    assert np.array_equal(read_image(content)[..., ::-1], expected)
    with pytest.raises(DataError, match='from the top left'):
        read_image(content.replace(b'-Y 2', b'+Y 2'))


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'OpenEXR', None)
    with pytest.raises(DataError, match=r'^a\.exr: OpenEXR pictures need a package: `pip install basicsr\[exr\]`'):
        read_image(b'\x76\x2f\x31\x01' + bytes(50), 'a.exr')
    monkeypatch.setitem(sys.modules, 'pyvips', None)
    content = cv2.imencode('.png', DEEP)[1].tobytes()
    content = with_chunk(content, b'iCCP', b'x\0\0' + zlib.compress(LINEAR))
    with pytest.raises(DataError, match=r'^a\.png: .*16 bits from the ICC profile.*`pip install basicsr\[vips\]`'):
        read_image(content, 'a.png')


# Colour.


def test_a_profile_of_another_curve(tmp_path):
    """Colours of a profile with sRGB's primaries and gamma 1 are encoded by sRGB's curve."""
    expected = srgb_encode(RGB / 255) * 255
    for content in (save(RGB, 'PNG', icc_profile=LINEAR), save(RGB, 'TIFF', icc_profile=LINEAR)):
        picture = read_picture(content)
        assert np.abs(picture.pixels[..., ::-1] - expected).max() <= 1.01
        assert picture.icc_profile == LINEAR
    deep = with_chunk(cv2.imencode('.png', DEEP)[1].tobytes(), b'iCCP', b'x\0\0' + zlib.compress(LINEAR))
    pytest.importorskip('pyvips', reason='extra vips')
    assert np.abs(read_image(deep) - srgb_encode(DEEP / 65535) * 65535).max() < 65535 / 255


def test_a_profile_of_other_primaries():
    swapped = profile('bgr', 2.2)
    gamma = profile('srgb', 2.2)
    one, other = (read_image(save(RGB, 'PNG', icc_profile=p)).astype(int) for p in (swapped, gamma))
    assert np.abs(one - read_image(save(RGB[..., ::-1].copy(), 'PNG', icc_profile=gamma))).max() <= 1
    assert np.abs(one - other).mean() > 20


def test_what_differs_from_srgb():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    assert not differs_from_srgb(srgb)
    assert differs_from_srgb(LINEAR) and differs_from_srgb(profile('srgb', 2.2))
    picture = read_picture(save(RGB, 'PNG', icc_profile=srgb))
    assert np.array_equal(picture.pixels[..., ::-1], RGB) and picture.icc_profile is None


def test_grey_with_a_profile_stays_grey():
    """Grey of a display profile takes its curve; JPEG files of scanners are like this."""
    grey = np.ascontiguousarray(np.arange(256, dtype=np.uint8)[None].repeat(8, 0))
    picture = read_picture(save(grey, 'PNG', icc_profile=LINEAR))
    assert picture.is_grey and (picture.pixels == picture.pixels[..., :1]).all()
    assert np.abs(picture.pixels[0, :, 0] - srgb_encode(np.arange(256) / 255) * 255).max() <= 1.01


def test_profiles_that_do_not_fit_are_noted_or_refused(monkeypatch):
    lines = []
    monkeypatch.setattr(image_util, '_noted', set())
    monkeypatch.setattr('basicsr.utils.image_util.get_root_logger', lambda: type('L', (), {'warning': lines.append}))
    damaged = save(RGB, 'PNG', icc_profile=LINEAR[:200] + bytes(50))
    for name in ('a.png', 'a.png', 'b.png'):
        assert np.array_equal(read_image(damaged, name)[..., ::-1], RGB)
    assert [line[:5] for line in lines] == ['a.png', 'b.png'] and 'taken as sRGB' in lines[0]
    cmyk = Image.fromarray(np.dstack([RGB, ALPHA]), 'CMYK')
    with pytest.raises(DataError, match='its ICC profile is RGB, its pixels are CMYK'):
        read_image(save(cmyk, 'JPEG', icc_profile=LINEAR))


def test_light_with_a_profile():
    tifffile = pytest.importorskip('tifffile')
    for icc, is_refused in ((LINEAR, False), (profile('bgr', 1.0), True), (profile('srgb', 1.8), True)):
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.float32(RGB), photometric='rgb', extratags=[(34675, 7, len(icc), icc, True)])
        if is_refused:
            with pytest.raises(DataError, match='convert it to linear sRGB'):
                read_image(stream.getvalue())
        else:
            assert np.array_equal(read_image(stream.getvalue())[..., ::-1], RGB)


def test_png_colour_spaces_besides_profiles(monkeypatch):
    lines = []
    monkeypatch.setattr(image_util, '_noted', set())
    monkeypatch.setattr('basicsr.utils.image_util.get_root_logger', lambda: type('L', (), {'warning': lines.append}))
    content = save(RGB, 'PNG')
    read_image(with_chunk(content, b'gAMA', struct.pack('>I', 45455)))
    assert not lines
    read_image(with_chunk(content, b'gAMA', struct.pack('>I', 100_000)), 'a.png')
    assert len(lines) == 1 and 'a.png: this PNG claims a gamma of 1' in lines[0]
    with pytest.raises(DataError, match=r'\(9, 16, 0, 1\) of ITU-T H.273'):
        read_image(with_chunk(content, b'cICP', bytes([9, 16, 0, 1])))


# Writing.


@pytest.mark.parametrize('ending', ['png', 'tif', 'tiff', 'PNG'])
@pytest.mark.parametrize('pixels', [RGB, DEEP])
@pytest.mark.parametrize('has_alpha', [False, True])
def test_lossless_formats_give_back_what_was_written(tmp_path, ending, pixels, has_alpha):
    alpha = ALPHA.astype(pixels.dtype) * (257 if pixels is DEEP else 1) if has_alpha else None
    path = tmp_path / f'a.{ending}'
    write_picture(Picture(pixels, alpha), path)
    written = read_picture(path)
    assert written.pixels.dtype == pixels.dtype and np.array_equal(written.pixels, pixels)
    assert np.array_equal(written.alpha, alpha) if has_alpha else written.alpha is None
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH), pixels) or has_alpha
    if has_alpha and ending != 'png' and ending != 'PNG':
        with Image.open(path) as img:
            assert img.tag_v2[338] == (2,)  # TIFF 6.0, section 18: alpha that does not multiply the colours
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize('ending', ['png', 'tif', 'jpg'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_grey_stays_grey(tmp_path, ending, dtype):
    pixels = np.repeat((DEEP if dtype == np.uint16 else RGB)[..., :1], 3, axis=2)
    write_picture(Picture(pixels, is_grey=True), tmp_path / f'a.{ending}', quality=100)
    header = read_header(tmp_path / f'a.{ending}')
    assert header.is_grey and header.bits == (8 if ending == 'jpg' else pixels.dtype.itemsize * 8)


def test_jpeg_and_webp(tmp_path):
    write_picture(Picture(SMOOTH, SMOOTH[..., 0]), tmp_path / 'a.jpg')
    header = read_header(tmp_path / 'a.jpg')
    assert (header.jpeg_quality, header.jpeg_subsampling, header.has_alpha) == (95, '4:4:4', False)
    assert np.abs(cv2.imread(str(tmp_path / 'a.jpg')).astype(int) - SMOOTH).mean() < 2
    write_picture(Picture(np.maximum(LARGE.astype(int) - 100, 0).astype(np.uint16)), tmp_path / 'b.jpg')
    assert np.array_equal(cv2.imread(str(tmp_path / 'a.jpg')), cv2.imread(str(tmp_path / 'b.jpg')))
    write_picture(Picture(SMOOTH, SMOOTH[..., 0]), tmp_path / 'a.webp', quality=80)
    assert np.array_equal(read_picture(tmp_path / 'a.webp').alpha, SMOOTH[..., 0])


@pytest.mark.parametrize('ending', ['png', 'tif', 'jpg', 'webp'])
@pytest.mark.parametrize('is_grey', [False, True])
def test_profiles_are_given_back(tmp_path, ending, is_grey):
    icc = profile('srgb', 1.8)
    stored = np.repeat(SMOOTH[..., :1], 3, axis=2) if is_grey else SMOOTH
    picture = read_picture(save(stored[..., 0] if is_grey else stored[..., ::-1].copy(), 'PNG', icc_profile=icc))
    write_picture(picture, tmp_path / f'a.{ending}', quality=100)
    header = read_header(tmp_path / f'a.{ending}')
    assert header.icc_profile == icc and header.is_grey == (is_grey and ending != 'webp')
    raw = np.asarray(Image.open(tmp_path / f'a.{ending}').convert('RGB'))[..., ::-1].astype(int)
    difference = np.abs(raw - stored)
    assert difference.mean() < (2 if ending in ('jpg', 'webp') else 0.5)
    assert difference.max() <= 3 or ending in ('jpg', 'webp')


@pytest.mark.parametrize('ending', ['png', 'tif'])
@pytest.mark.parametrize('is_grey', [False, True])
def test_profiles_are_given_back_at_sixteen_bits(tmp_path, ending, is_grey):
    pytest.importorskip('pyvips', reason='extra vips')
    icc = profile('srgb', 1.8)
    stored = np.repeat(DEEP[..., :1], 3, axis=2) if is_grey else DEEP
    content = cv2.imencode('.png', stored[..., 0] if is_grey else stored)[1].tobytes()
    picture = read_picture(with_chunk(content, b'iCCP', b'x\0\0' + zlib.compress(icc)))
    picture.alpha = ALPHA.astype(np.uint16) * 257
    path = tmp_path / f'a.{ending}'
    write_picture(picture, path)
    header = read_header(path)
    assert (header.icc_profile, header.bits, header.is_grey) == (icc, 16, is_grey and ending == 'png')
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert np.abs(raw[..., :3].astype(int) - stored).max() < 300
    assert np.array_equal(read_picture(path).alpha, picture.alpha)


@pytest.mark.parametrize('ending', ['exr', 'tif', 'TIFF', 'hdr'])
def test_light_is_written(tmp_path, ending):
    if ending == 'exr':
        pytest.importorskip('OpenEXR', reason='extra exr')
    light = np.float32(RGB) / 16
    write_picture(Picture(light, np.float32(ALPHA)), tmp_path / f'a.{ending}')
    picture = read_picture(tmp_path / f'a.{ending}')
    if ending == 'hdr':
        assert np.abs(picture.pixels - light).max() < light.max() / 128
    else:
        assert np.array_equal(picture.pixels, light) and np.array_equal(picture.alpha, np.float32(ALPHA))


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match=r'a\.gif: pictures are written as \.jpg'):
        write_picture(Picture(RGB), tmp_path / 'a.gif')
    with pytest.raises(UserError, match=r'a\.png: PNG does not hold floating-point'):
        write_picture(Picture(np.float32(RGB)), tmp_path / 'a.png')
    with pytest.raises(UserError, match=r'a\.exr: EXR does not hold integer'):
        write_picture(Picture(RGB), tmp_path / 'a.exr')
    assert not os.listdir(tmp_path)
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'a\.png: cannot write'):
        write_picture(Picture(RGB), tmp_path / 'file' / 'a.png')
