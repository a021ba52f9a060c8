"""Every odd file of the shared folder is read like another library reads it, or refused by name."""

import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_header, read_picture
from basicsr.utils.image_vips import has_vips
from basicsr.utils.img_util import read_image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data'
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason='needs the test images of ../shared/data')

# What the message on a file says.
REFUSED = {
    'odd_pillow/LICENSE.pillow': 'not a picture',
    'odd_pillow/broken_data_stream.png': 'damaged PNG',
    'odd_pillow/decompression_bomb.gif': 'pixels',
    'odd_pillow/hopper_unknown_pixel_mode.tif': 'integer of 32 bits',
    'odd_pillow/la.tga': 'not a picture of a format that is read',
    'odd_pillow/pil_sample_cmyk.jpg': 'CMYK without an ICC profile',
    'odd_pillow/tiff_strip_cmyk_jpeg.tif': 'CMYK without an ICC profile',
    'odd_pillow/truncated_image.png': 'truncated',
    'odd_pillow/truncated_jpeg.jpg': 'truncated',
    'odd_sharp/Channel_digital_image_CMYK_color_no_profile.jpg': 'CMYK without an ICC profile',
    'odd_sharp/LICENSE': 'not a picture',
    'odd_sharp/corrupt-header.jpg': 'truncated or damaged',
    'odd_sharp/truncated.jpg': 'truncated',
    'odd_sharp/truncated.png': 'truncated',
    'linear_exr/AllHalfValues.exr': '6,144 of its 196,608 values are NaN or infinite',
    'linear_exr/BrightRingsNanInf.exr': '18 of its 1,920,000 values are NaN or infinite',
    'linear_exr/Carrots.exr': 'primaries',
    'linear_exr/LICENSE': 'not a picture',
    'linear_exr/Rec709_YC.exr': 'luminance and chroma',
    'linear_exr/Trunks.exr': 'deep',
    'linear_exr/WideFloatRange.exr': 'channels G',
    'linear_exr/XYZ.exr': 'primaries',
    'exif_orientation/LICENSE': 'not a picture',
}
# Sixteen bits (Pillow cuts them to eight), and what Pillow refuses or shows otherwise; tested below.
NOT_FOR_PILLOW = {
    *(f'odd_pillow/{name}' for name in ('12bit.cropped.tif', '12in16bit.tif', '16bit.MM.cropped.tif', 'i_trns.png')),
    *(f'odd_pillow/{name}' for name in ('16bit.cropped.tif', 'hopper_16bit.pgm', 'png_decompression_dos.png')),
    *(f'odd_pillow/{name}' for name in ('tiff_16bit_RGB.tiff', 'tiff_16bit_RGBa.tiff', 'hopper.Lab.tif')),
    'odd_pillow/tiff_strip_planar_16bit_RGB.tiff',
    *(f'odd_sharp/{name}' for name in ('16-bit-grey-alpha.png', 'Flag_of_the_Netherlands-16bit.png')),
    *(f'odd_sharp/{name}' for name in ('bggn4a16.png', 'tbgn2c16.png', 'tifftag-photoshop.tiff')),
}
COLOUR_SPACES = {
    'lib_photos/rocket.jpg': 'Adobe RGB (1998)',
    'odd_sharp/p3.png': 'Display P3',
    'odd_sharp/prophoto.png': 'ProPhoto RGB',
    'odd_sharp/tifftag-photoshop.tiff': 'Adobe RGB (1998)',
    'odd_pillow/xmp_tags_orientation.png': 'ColorMatch RGB',
}
LUT_PROFILES = ('odd_pillow/icc_profile_big.jpg', 'odd_sharp/Channel_digital_image_CMYK_color.jpg')


def names_of(*folders):
    paths = [path for folder in folders for path in sorted((DATA / folder).glob('*')) if path.is_file()]
    return [str(path.relative_to(DATA)) for path in paths]


def others(names, *judged_elsewhere):
    return [name for name in names if not any(name in group for group in (REFUSED, *judged_elsewhere))]


def rgb(name):
    return read_image(DATA / name)[..., ::-1]


@pytest.mark.parametrize('name', REFUSED)
def test_refused_by_name(name):
    if name.endswith('.exr'):
        pytest.importorskip('OpenEXR', reason='extra exr')
    content = (DATA / name).read_bytes()
    for source, told in ((DATA / name, name), (content, 'picture 5')):
        with pytest.raises(DataError) as error:
            read_image(source, name='picture 5')
        assert told in str(error.value) and REFUSED[name] in str(error.value)
        assert '\n' not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize(
    'name',
    others(names_of('odd_pillow', 'odd_sharp', 'exif_orientation'), NOT_FOR_PILLOW, COLOUR_SPACES, LUT_PROFILES),
)
def test_eight_bits_as_pillow_reads_them(name):
    with Image.open(DATA / name) as img:
        expected = np.asarray(img.convert('RGBA').convert('RGB') if img.mode == 'P' else img.convert('RGB'))
        if img.getexif().get(0x0112, 1) > 1 and img.format == 'JPEG':
            expected = np.asarray(ImageOps.exif_transpose(img).convert('RGB'))
    img = rgb(name)
    assert img.dtype == np.uint8 and img.shape == expected.shape
    # Builds of libjpeg may round differently.
    assert np.abs(img.astype(int) - expected).max() <= (2 if Path(name).suffix in ('.jpg', '.mpo') else 0)


@pytest.mark.parametrize(
    'name',
    ['16bit.MM.cropped.tif', '16bit.cropped.tif', '12in16bit.tif', 'tiff_16bit_RGB.tiff']
    + ['tiff_16bit_RGBa.tiff', 'tiff_strip_planar_16bit_RGB.tiff', 'i_trns.png']
    + ['../odd_sharp/Flag_of_the_Netherlands-16bit.png', '../odd_sharp/bggn4a16.png', '../odd_sharp/tbgn2c16.png'],
)  # fmt: skip
def test_sixteen_bits_as_libvips_reads_them(name):
    pyvips = pytest.importorskip('pyvips', reason='extra vips')
    expected = np.atleast_3d(pyvips.Image.new_from_file(str(DATA / 'odd_pillow' / name)).numpy())
    picture = read_picture(DATA / 'odd_pillow' / name)
    num_colours = 1 if picture.is_grey else 3
    assert picture.pixels.dtype == np.uint16 == expected.dtype
    # Where the file stores colours multiplied by alpha, the division is rounded.
    tolerance = 1 if name == 'tiff_16bit_RGBa.tiff' else 0
    assert np.abs(picture.pixels[..., ::-1] - expected[..., :num_colours].astype(int)).max() <= tolerance
    assert (picture.alpha is not None) == (expected.shape[2] > num_colours)
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, expected[..., -1])


def test_a_grey_map_of_sixteen_bits():
    with Image.open(DATA / 'odd_pillow/hopper_16bit.pgm') as img:
        assert np.array_equal(rgb('odd_pillow/hopper_16bit.pgm')[..., 0], np.asarray(img))


def test_twelve_bits_fill_the_range():
    with Image.open(DATA / 'odd_pillow/12bit.cropped.tif') as img:
        raw = np.asarray(img).astype(int)
    assert raw.max() == 30
    assert np.array_equal(rgb('odd_pillow/12bit.cropped.tif')[..., 0], (raw * 65535 / 4095).round())
    content = (DATA / 'odd_pillow/12bit.cropped.tif').read_bytes()
    with Image.open(io.BytesIO(content)) as img:
        offset, size = img.tag_v2[273][0], img.tag_v2[279][0]
    white = content[:offset] + b'\xff' * size + content[offset + size :]
    assert read_image(white)[0].min() == 65535


@pytest.mark.parametrize('name', COLOUR_SPACES)
def test_profiles_are_converted_as_colour_science_does(name):
    colour = pytest.importorskip('colour')
    if name.endswith('.tiff'):
        pytest.importorskip('pyvips', reason='extra vips')
        raw = cv2.imread(str(DATA / name), -1)[..., ::-1] / 65535
    else:
        raw = np.asarray(Image.open(DATA / name).convert('RGB')) / 255
    source, srgb = colour.RGB_COLOURSPACES[COLOUR_SPACES[name]], colour.RGB_COLOURSPACES['sRGB']
    options = {'apply_cctf_decoding': True, 'apply_cctf_encoding': True}
    expected = colour.RGB_to_RGB(raw, source, srgb, chromatic_adaptation_transform='Bradford', **options).clip(0, 1)
    img = rgb(name)
    difference = np.abs(img / np.iinfo(img.dtype).max - expected) * 255
    assert np.percentile(difference, 99) < 1 and difference.mean() < 0.5
    assert np.abs(raw - expected).mean() * 255 > 2, 'without a conversion the test would fail'
    assert read_header(DATA / name).profile_name.startswith(COLOUR_SPACES[name][:9])


@pytest.mark.parametrize('name', LUT_PROFILES)
def test_profiles_of_tables_as_libvips_converts_them(name):
    pyvips = pytest.importorskip('pyvips', reason='extra vips')
    image = pyvips.Image.new_from_file(str(DATA / name))
    options = {'intent': 'relative', 'black_point_compensation': True}
    expected = image.icc_transform('srgb', embedded=True, **options).numpy()
    assert np.abs(rgb(name).astype(int) - expected).mean() < 0.2


def test_lab_is_the_photograph_it_was_made_of():
    with Image.open(DATA / 'odd_pillow/hopper.png') as img:
        expected = np.asarray(img).astype(int)
    assert np.abs(rgb('odd_pillow/hopper.Lab.tif') - expected).mean() < 3


@pytest.mark.parametrize('name', others(names_of('lib_photos'), COLOUR_SPACES, ['lib_photos/README.txt']))
def test_srgb_profiles_change_nothing(name):
    with Image.open(DATA / name) as img:
        assert np.abs(rgb(name).astype(int) - np.asarray(img.convert('RGB'))).max() <= (2 if 'jpg' in name else 0)


@pytest.mark.parametrize('name', others(names_of('linear_exr')))
def test_openexr_as_its_own_package_reads_it(name):
    openexr = pytest.importorskip('OpenEXR', reason='extra exr')
    with openexr.File(str(DATA / name), separate_channels=True) as exr:
        channels = exr.channels()
        expected = [channels[c if c in channels else 'Y'].pixels.astype(np.float32) for c in 'RGB']
        is_grey = 'Y' in channels  # which is emptied when the file is closed
    picture = read_picture(DATA / name)
    assert picture.pixels.dtype == np.float32
    assert np.array_equal(picture.pixels[..., ::-1], np.stack(expected, axis=-1))
    header = read_header(DATA / name)
    assert (header.height, header.width, header.is_float, header.bits) == (*picture.pixels.shape[:2], True, 32)
    assert header.is_grey == picture.is_grey == is_grey


def test_light_above_one_is_kept():
    pytest.importorskip('OpenEXR', reason='extra exr')
    assert read_image(DATA / 'linear_exr/StillLife.exr').max() == 491.5


@pytest.mark.parametrize('name', names_of('odd_pillow', 'odd_sharp', 'exif_orientation'))
def test_headers_tell_what_is_read(name):
    try:
        header = read_header(DATA / name)
    except DataError as error:
        assert REFUSED[name] in str(error)
        return
    if name in REFUSED:  # for what the header does not tell
        assert 'damaged' in REFUSED[name] or 'truncated' in REFUSED[name]
        return
    if not has_vips() and header.bits == 16 and (header.is_planar or header.icc_profile):
        pytest.skip('needs libvips: extra vips')
    picture = read_picture((DATA / name).read_bytes(), name)
    assert (header.height, header.width, 3) == picture.pixels.shape
    assert header.bits == picture.pixels.dtype.itemsize * 8
    assert (header.is_grey, header.has_alpha) == (picture.is_grey, picture.alpha is not None)
    if header.is_grey:
        assert (picture.pixels == picture.pixels[..., :1]).all()


def test_all_of_it_in_bounded_memory():
    """In 1 GB beyond what the libraries take when they are loaded, no file is more than a DataError."""
    script = f"""
import resource, sys
from pathlib import Path
import cv2, OpenEXR, PIL.ImageCms, numpy, torch
from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_picture
used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
for folder in ('odd_pillow', 'odd_sharp'):
    for path in sorted((Path({str(DATA)!r}) / folder).iterdir()):
        try:
            read_picture(path)
        except DataError as error:
            assert path.name in str(error) and 'memory' not in str(error), error
print('all')
"""
    if not Path('/proc/self/statm').exists():
        pytest.skip('needs Linux')
    pytest.importorskip('OpenEXR', reason='extra exr')
    done = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == 'all\n', done.stderr


def test_a_picture_with_too_much_text():
    """Pillow refuses its text, which is 64 MB when it is inflated; nobody asks for it here."""
    assert rgb('odd_pillow/png_decompression_dos.png').tolist() == [[[0, 0, 0]]]


def test_the_first_image_of_an_mpo_file_is_read():
    with Image.open(DATA / 'odd_pillow/frozenpond.mpo') as img:
        assert img.n_frames == 2
        expected = np.asarray(img.convert('RGB')).astype(int)
    assert np.abs(rgb('odd_pillow/frozenpond.mpo') - expected).max() <= 2
