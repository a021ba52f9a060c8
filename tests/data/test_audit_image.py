"""What is measured on one image, judged by scikit-image and by pictures whose shares are known."""

import cv2
import numpy as np
import pytest

from basicsr.data.audit.image import measure_image, measure_pixels
from basicsr.data.audit.pixels import as_integers, grey_bytes
from basicsr.data.audit.summary import HUE_NAMES, named_hues
from basicsr.utils.errors import DataError
from basicsr.utils.thumbnail import reduce


def patches(*colors: tuple[int, int, int]) -> np.ndarray:
    """Equal stripes of R, G, B, as BGR."""
    img = np.repeat(np.array(colors, np.uint8)[None], 100, 0)
    return np.ascontiguousarray(np.repeat(img, 20, 1)[..., ::-1])


def test_shares_of_known_patches():
    greys, reds = ((255,) * 3, (128,) * 3, (9,) * 3), ((255, 40, 40), (128, 100, 100), (200, 152, 152))
    img = patches((0, 0, 0), (2, 2, 1), *greys, *reds)
    found = measure_pixels(img)
    assert found['shadows'] == pytest.approx(2 / 8)
    assert found['highlights'] == pytest.approx(2 / 8)
    # HSV saturation of the patches: 0, 0.5, 0, 0, 0, 0.84, 0.22, 0.24; the steps are 0.235 and 0.392.
    assert found['saturated_60'] == pytest.approx(3 / 8)
    assert found['saturated_100'] == pytest.approx(2 / 8)


def test_lightness_and_hue_histogram_of_scikit_image():
    skcolor = pytest.importorskip('skimage.color')
    img = cv2.resize(np.random.default_rng(0).uniform(0, 255, (10, 10, 3)), (150, 150)).round().astype(np.uint8)
    lab = skcolor.rgb2lab(img[..., ::-1])
    chroma, hue = np.hypot(lab[..., 1], lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    counts, _ = np.histogram((hue[chroma >= 20] + 5) % 360, 36, (0, 360))
    found = measure_pixels(img)
    assert found['hues'] == pytest.approx(counts / chroma.size, abs=2e-3)
    assert found['hue_chroma'].sum() == pytest.approx(chroma[chroma >= 20].sum() / chroma.size, rel=0.01)
    assert found['lightness'] == pytest.approx(lab[..., 0].mean(), abs=0.05)
    assert found['contrast'] == pytest.approx(lab[..., 0].std(), abs=0.05)


@pytest.mark.parametrize(
    'color, name',
    [((220, 20, 30), 'red'), ((250, 210, 20), 'yellow'), ((20, 160, 60), 'green'), ((20, 40, 220), 'blue'),
     ((230, 120, 20), 'orange'), ((0, 200, 210), 'cyan')],
)  # fmt: skip
def test_colours_have_the_names_that_people_give(tmp_path, color, name):
    cv2.imwrite(str(tmp_path / 'a.png'), patches(color))
    report, _, _ = measure_image(str(tmp_path / 'a.png'))
    shares = named_hues([report])
    assert set(shares) == set(HUE_NAMES)
    best = max(shares, key=shares.get)
    # Blue of sRGB lies between blue and violet.
    assert best == name or (name, best) == ('blue', 'violet')
    assert shares[best] == pytest.approx(1)


def test_header_and_pixels_of_a_file(tmp_path):
    img = patches((10, 60, 200), (250, 220, 120))
    cv2.imwrite(str(tmp_path / 'deep.png'), img.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.tile(img, (12, 30, 1)), [cv2.IMWRITE_JPEG_QUALITY, 61])
    deep, _, _ = measure_image(str(tmp_path / 'deep.png'))
    photo, whole, small = measure_image(str(tmp_path / 'a.jpg'), 300)
    assert (deep.bits, deep.format, deep.size) == (16, 'PNG', (40, 100))
    assert (photo.bits, photo.format, photo.jpeg_quality) == (8, 'JPEG', 61)
    assert whole.shape == (1200, 1200, 3) and small.shape == (300, 300, 3)


def test_linear_light_is_encoded_and_cut_off_at_white():
    skimage_light = np.array([[[0.0, 0.0031308, 0.18], [0.5, 1.0, 7.0]]], np.float32)
    expected = [0, 0.04045, 0.46136, 0.73536, 1, 1]  # IEC 61966-2-1
    assert as_integers(skimage_light).ravel() / 65535 == pytest.approx(expected, abs=1e-4)


def test_grey_of_8_and_16_bits_is_the_same():
    img = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(grey_bytes(img), grey_bytes(img.astype(np.uint16) * 257))
    assert reduce(img, 100) is img


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r'none\.png'):
        measure_image(str(tmp_path / 'none.png'))
