"""Degradations, judged by colour-science, scipy, Pillow and OpenCV."""

import io
import math
import random

import colour
import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from basicsr.data.degradations import (
    JPEG,
    Blur,
    CameraBefore,
    Degradation,
    Downscale,
    GaussianNoise,
    Grayscale,
    PoissonNoise,
    build_degradations,
    seeded_draws,
)
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.misc import seed_all
from basicsr.utils.registry import DEGRADATION_REGISTRY
from basicsr.utils.schema import check_arguments

NEUTRAL = {'exposure_ev': 0, 'white_balance_k': 6504, 'contrast': 1, 'saturation': 1, 'gamma': 1, 'black_lift': 0}
ALL = ('Grayscale', 'CameraBefore', 'GaussianNoise', 'PoissonNoise', 'JPEG', 'Blur', 'Downscale')


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth picture (H, W, 3) BGR, float32 in [0, 1]."""
    rng = np.random.default_rng(1)
    return cv2.resize(rng.random((6, 8, 3), np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def flat(value: float, side: int = 256) -> np.ndarray:
    return np.full((side, side, 3), value, np.float32)


def decode(img: np.ndarray) -> np.ndarray:
    """Linear light, by colour-science, in double precision."""
    return colour.cctf_decoding(img.astype(np.float64), function='sRGB')


def encode(light) -> np.ndarray:
    return colour.cctf_encoding(np.asarray(light, np.float64), function='sRGB')


@pytest.mark.parametrize('name', ALL)
def test_every_degradation_keeps_its_promises(name):
    degradation = DEGRADATION_REGISTRY.get(name)()
    img = picture()
    original = img.copy()
    drawn = degradation.draw()
    results = [degradation.apply(img, **drawn) for _ in range(2)]
    assert np.array_equal(*results), 'apply is a function of what was drawn'
    assert np.array_equal(img, original), 'the input is left alone'
    assert results[0].dtype == np.float32 and 0 <= results[0].min() <= results[0].max() <= 1
    assert np.abs(results[0] - img).max() > 0.01 if results[0].shape == img.shape else name == 'Downscale'
    random.seed(5)
    first = degradation(img)
    random.seed(5)
    assert np.array_equal(first, degradation(img))
    reversed_view = degradation.apply(img[:, ::-1], **drawn)
    assert np.array_equal(reversed_view, degradation.apply(np.ascontiguousarray(img[:, ::-1]), **drawn))


def test_gray_has_the_luminance_of_the_colour():
    img = picture()
    luminance = decode(img[..., ::-1]) @ colour.RGB_COLOURSPACES['sRGB'].matrix_RGB_to_XYZ[1]
    gray = Grayscale()(img)
    assert np.array_equal(gray[..., 0], gray[..., 1]) and np.array_equal(gray[..., 0], gray[..., 2])
    np.testing.assert_allclose(gray[..., 0], encode(luminance), atol=2e-4)  # the matrix of colour-science is rounded
    np.testing.assert_allclose(Grayscale()(flat(0.3, 4)), 0.3, atol=1e-6)


def test_camera_changes_the_light_of_each_channel():
    img = picture()
    np.testing.assert_allclose(CameraBefore(**NEUTRAL)(img), img, atol=1e-5)

    darker = CameraBefore(**{**NEUTRAL, 'exposure_ev': -1})(img)
    np.testing.assert_allclose(darker, encode(decode(img) / 2), atol=1e-5)

    gains = {**NEUTRAL, 'white_balance_k': None, 'exposure_ev': -2, 'gains': [1.3, 1.3]}
    np.testing.assert_allclose(CameraBefore(**gains)(img), encode(decode(img) * 1.3 / 4), atol=1e-5)

    lifted = CameraBefore(**{**NEUTRAL, 'black_lift': 0.01})
    np.testing.assert_allclose(lifted(flat(0.0, 4)), encode(0.01), atol=1e-6)
    np.testing.assert_allclose(lifted(flat(1.0, 4)), 1.0, atol=1e-6)
    np.testing.assert_allclose(CameraBefore(**{**NEUTRAL, 'exposure_ev': 3})(flat(0.7, 4)), 1.0, atol=1e-6)


def test_white_balance_gives_white_the_colour_of_daylight():
    """CIE illuminant D50 is daylight of 5003 K: x = 0.3457, y = 0.3585 (CIE 15:2004, table T.3)."""
    warm = CameraBefore(**{**NEUTRAL, 'exposure_ev': -2, 'white_balance_k': 5003})(flat(1.0, 4))
    xyz = colour.RGB_COLOURSPACES['sRGB'].matrix_RGB_to_XYZ @ decode(warm[0, 0, ::-1])
    np.testing.assert_allclose(xyz[:2] / xyz.sum(), [0.3457, 0.3585], atol=5e-4)
    assert CameraBefore(gains=1.0).draw()['photometric'][5] == 0, 'no daylight where there are gains'


def test_camera_draws_within_its_ranges():
    camera = CameraBefore(exposure_ev=(-2.0, -1.0), black_lift=(0.01, 0.02))
    draws = [camera.draw() for _ in range(200)]
    exposures, lifts = [float(draw['photometric'][1]) for draw in draws], [draw['black_lift'] for draw in draws]
    assert -2 <= min(exposures) < -1.95 and -1.05 < max(exposures) <= -1
    assert 0.01 <= min(lifts) < 0.0105 and 0.0195 < max(lifts) <= 0.02
    words = camera.describe(**draws[0])
    assert f'exposure {exposures[0]:+.2f} EV' in words and f'black {lifts[0]:.3f}' in words


def test_gaussian_noise_has_its_sigma():
    img = flat(0.5)
    noise = (GaussianNoise(12.0)(img) - img).astype(np.float64) * 255
    size = noise.size
    assert abs(noise.mean()) < 5 * 12 / math.sqrt(size)
    assert abs(noise.std() - 12) < 5 * 12 / math.sqrt(2 * size)
    assert stats.kstest(noise.ravel()[::7] / 12, 'norm').pvalue > 1e-4
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 5 / math.sqrt(size / 3)
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 5 / math.sqrt(size)

    gray = GaussianNoise(12.0, gray_prob=1.0)(img) - img
    assert np.array_equal(gray[..., 0], gray[..., 2]) and abs(gray.std() * 255 - 12) < 0.3


@pytest.mark.parametrize('expected', [0.5, 7.0, 19.5, 20.5, 90.0, 2000.0])
def test_shot_noise_is_a_poisson_law(expected):
    """Mean, variance and skewness of a Poisson variable, and its probabilities."""
    photons = 4000.0
    light = expected / photons
    noisy = PoissonNoise(photons)(flat(float(encode(light))))
    counts = decode(noisy).ravel() * photons
    size = counts.size
    assert np.abs(counts - counts.round()).max() < 0.05, 'photons are whole'

    counts = counts.round()
    assert abs(counts.mean() - expected) < 5 * math.sqrt(expected / size) + 2e-3 * math.sqrt(expected)
    # The variance of a sample variance: (mu4 - var^2) / n, with mu4 = m + 3 m^2.
    assert abs(counts.var() - expected) < 5 * math.sqrt((expected + 2 * expected**2) / size) + 0.01 * expected
    assert abs(stats.skew(counts) - 1 / math.sqrt(expected)) < 0.05
    values = np.arange(counts.max() + 1)
    frequencies = np.bincount(counts.astype(int)) / size
    assert np.abs(frequencies - stats.poisson.pmf(values, expected)).sum() / 2 < 0.03 if expected < 1000 else True


def test_shot_noise_goes_with_the_square_root_of_light():
    relative = []
    for light in (0.02, 0.08, 0.32):
        noisy = decode(PoissonNoise(10_000)(flat(float(encode(light)))))
        relative.append(noisy.std() / noisy.mean())
    np.testing.assert_allclose(relative, [1 / math.sqrt(10_000 * light) for light in (0.02, 0.08, 0.32)], rtol=0.01)
    assert (PoissonNoise(100)(flat(0.0, 8)) == 0).all(), 'there is no noise in the dark'


def test_photons_are_drawn_by_their_logarithm():
    draws = [PoissonNoise((10.0, 1000.0)).draw()['photons'] for _ in range(500)]
    assert 10 <= min(draws) < max(draws) <= 1000
    assert abs(np.median(np.log10(draws)) - 2) < 0.15


@pytest.mark.parametrize('quality', [10, 60, 95])
@pytest.mark.parametrize(('subsampling', 'pillow'), [('4:4:4', 0), ('4:2:2', 1), ('4:2:0', 2)])
def test_jpeg_loses_what_other_encoders_lose(quality, subsampling, pillow):
    img = picture(64, 80)
    pixels = np.rint(img * 255).astype(np.uint8)
    result = JPEG(quality, subsampling)(img) * 255

    file = io.BytesIO()
    Image.fromarray(pixels[..., ::-1].copy()).save(file, 'JPEG', quality=quality, subsampling=pillow)
    by_pillow = np.asarray(Image.open(file))[..., ::-1].astype(float)
    assert np.abs(result - by_pillow).mean() < 0.05 < np.abs(result - pixels).mean()
    if subsampling == '4:2:0':
        content = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        assert np.array_equal(result, cv2.imdecode(content, cv2.IMREAD_COLOR))


@pytest.mark.parametrize('space', ['linear', 'srgb'])
def test_round_blur_is_that_of_scipy(space):
    img = picture()
    values = decode(img) if space == 'linear' else img.astype(float)
    blurred = ndimage.gaussian_filter(values, sigma=(1.5, 1.5, 0), mode='reflect', truncate=4)
    expected = encode(blurred) if space == 'linear' else blurred
    np.testing.assert_allclose(Blur(1.5, space=space)(img), expected, atol=1e-4)


@pytest.mark.parametrize(('sigma', 'aspect'), [(2.0, 1.0), (3.0, 2.0), (6.0, 4.0)])
def test_blur_spreads_a_point_by_its_sigma(sigma, aspect):
    """The second moments of the picture of a point are the variances of the kernel along its axes."""
    point = np.zeros((81, 81, 3), np.float32)
    point[40, 40] = 1
    angle = 0.6
    spread = Blur(sigma, aspect, 'srgb').apply(point, sigma, aspect, angle)[..., 0].astype(float)
    assert abs(spread.sum() - 1) < 1e-5
    y, x = np.mgrid[-40:41, -40:41]
    covariance = np.array([[(spread * x * x).sum(), (spread * x * y).sum()], [0, (spread * y * y).sum()]])
    variances, axes = np.linalg.eigh(covariance, UPLO='U')
    np.testing.assert_allclose(variances, [(sigma / aspect) ** 2, sigma**2], rtol=0.01)
    if aspect > 1:
        assert abs(abs(axes[:, 1] @ [math.cos(angle), math.sin(angle)]) - 1) < 1e-3


def test_blur_keeps_the_light():
    spots = np.zeros((64, 64, 3), np.float32)
    spots[20:44:8, 20:44:8] = 1
    assert abs(decode(Blur(2.0)(spots)).sum() / decode(spots).sum() - 1) < 1e-3
    assert np.array_equal(Blur(0.0)(spots), spots)


@pytest.mark.parametrize(('interpolation', 'resample'), [('bilinear', Image.BILINEAR), ('bicubic', Image.BICUBIC)])
@pytest.mark.parametrize('factor', [2.0, 3.0])
def test_downscale_is_that_of_pillow(interpolation, resample, factor):
    img = picture(48, 60) * 0.8 + 0.1
    small = Downscale(factor, interpolation)(img)
    size = round(60 / factor), round(48 / factor)
    for channel in range(3):
        expected = np.asarray(Image.fromarray(img[..., channel]).resize(size, resample))
        np.testing.assert_allclose(small[..., channel], expected, atol=1e-4)


def test_downscale_by_area_and_by_picking():
    img = picture(48, 60)
    np.testing.assert_allclose(
        Downscale(4, 'area')(img), img.reshape(12, 4, 15, 4, 3).mean(axis=(1, 3), dtype=float), atol=1e-5
    )
    picked = Downscale(4, 'nearest')(img)
    assert {tuple(pixel) for pixel in picked.reshape(-1, 3)} <= {tuple(pixel) for pixel in img.reshape(-1, 3)}
    factors = {Downscale((1.0, 3.0), ['area', 'nearest']).draw()['interpolation'] for _ in range(50)}
    assert factors == {'area', 'nearest'}


@pytest.mark.parametrize('scale', [1, 2, 4])
@pytest.mark.parametrize('entries', [[('Downscale', {'factor': 3.0}), ('JPEG', {})], [('Blur', {})]])
def test_the_input_is_scale_times_smaller(scale, entries):
    degradations = build_degradations([{'type': kind, **more} for kind, more in entries], scale)
    img, words = degradations(picture(48, 64))
    assert img.shape == (48 // scale, 64 // scale, 3) and len(words) == len(entries)


def test_what_follows_a_downscale_works_on_the_small_picture():
    """JPEG after it: the blocks are those of the small picture."""
    img = picture(64, 64)
    listed, _ = build_degradations([{'type': 'Downscale', 'factor': 4}, {'type': 'JPEG', 'quality': 10}], 4)(img)
    small = Downscale(4)(img)
    assert np.array_equal(listed, JPEG(10)(small))


def test_at_scale_1_the_picture_is_enlarged_at_once():
    img = picture(64, 64)
    back, _ = build_degradations([{'type': 'Downscale', 'factor': 4}])(img)
    expected = Image.fromarray(Downscale(4)(img)[..., 0]).resize((64, 64), Image.BICUBIC)
    np.testing.assert_allclose(back[..., 0], np.asarray(expected).clip(0, 1), atol=1e-4)
    compressed, _ = build_degradations([{'type': 'Downscale', 'factor': 4}, {'type': 'JPEG', 'quality': 10}])(img)
    assert np.array_equal(compressed, JPEG(10)(back))


def test_the_list_is_a_function_of_the_generators():
    degradations = build_degradations([{'type': kind} for kind in ALL if kind != 'Grayscale'])
    results = []
    for _ in range(2):
        seed_all(3, 14)
        np.random.random(5)  # numpy's generator may be anywhere: the draws of an entry are its own
        img, words = degradations(picture())
        results.append((img, words, random.random()))
        np.random.random(3)
    assert np.array_equal(results[0][0], results[1][0]) and results[0][1:] == results[1][1:]
    names = [word.split(':')[0] for word in results[0][1]]
    assert names == ['camera_before', 'gaussian_noise', 'poisson_noise', 'jpeg', 'blur', 'downscale']
    assert not np.array_equal(degradations(picture())[0], img), 'the next picture is degraded otherwise'


def test_entries_draw_independently():
    """One that is changed or taken out leaves what the others draw."""
    entries = [{'type': 'GaussianNoise', 'sigma': [0, 50]}, {'type': 'Blur'}, {'type': 'JPEG'}]
    said = []
    for chosen in (entries, entries[1:], [{**entries[0], 'prob': 0.0}, *entries[1:]], entries[::-1]):
        random.seed(8)
        said.append([word for word in build_degradations(chosen)(picture())[1] if 'noise' not in word])
    assert said[0] == said[1] == said[2] == said[3][::-1] and len(said[0]) == 2

    twice = build_degradations([{**entries[0], 'name': name} for name in ('fine', 'coarse')])
    drawn = np.array([[float(word.split()[-1]) for word in twice(picture(4, 4))[1]] for _ in range(200)])
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.3, 'nor does one follow from another'


def test_prob_is_a_share():
    degradations = build_degradations([{'type': 'Grayscale', 'prob': 0.3}, {'type': 'Grayscale', 'name': 'other'}])
    small, count = picture(4, 4), 600
    words = [degradations(small)[1] for _ in range(count)]
    assert all(word[-1] == 'other' for word in words)
    share = sum(word[0] == 'grayscale' for word in words) / count
    assert abs(share - 0.3) < 5 * math.sqrt(0.3 * 0.7 / count)


def test_seeded_draws_leave_no_trace():
    seed_all(1)
    expected = random.random(), np.random.random()
    seed_all(1)
    with seeded_draws(7, 2):
        inside = random.random(), np.random.random()
    assert (random.random(), np.random.random()) == expected
    with pytest.raises(KeyError), seeded_draws(7, 2):
        assert (random.random(), np.random.random()) == inside
        raise KeyError
    with seeded_draws(7, 3):
        assert random.random() != inside[0]


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        ([], 'degradations is empty'),
        ([{'type': 'JPEG'}, {'type': 'JPEG'}], 'two entries are called jpeg'),
        ([{'type': 'JPEG', 'quality': [5, 101]}], r"'jpeg': quality: expected a number or \[low, high\] with 1 <= low"),
        ([{'type': 'JPEG', 'subsampling': '4:1:0'}], 'subsampling: expected one of 4:4:4, 4:2:2, 4:2:0'),
        ([{'type': 'Blur', 'name': 'lens', 'sigma': [3, 1]}], r"where: 'lens': sigma: .* got \[3, 1\]"),
        ([{'type': 'Blur', 'space': 'lab'}], "'srgb' or 'linear', not 'lab'"),
        ([{'type': 'CameraBefore', 'exposure_ev': 40}], 'exposure_ev: expected .*10'),
        ([{'type': 'CameraBefore', 'gains': 1.1, 'white_balance_k': 5000}], 'give one of them'),
        ([{'type': 'Downscale', 'factor': 0.5}], 'factor: expected'),
        ([{'type': 'Blurr'}], "not a registered degradation; did you mean 'Blur'"),
        ([{'type': 'Blur', 'radius': 3}], "'blur': .*radius"),
    ],
)
def test_mistakes_are_named(entries, message):
    with pytest.raises(OptionError, match=message):
        build_degradations(entries, where='where')


@pytest.mark.parametrize(
    ('name', 'arguments', 'problem'),
    [
        ('JPEG', {'quality': 50}, None),
        ('JPEG', {'quality': [30, 60], 'subsampling': ['4:4:4', '4:2:0']}, None),
        ('Blur', {'sigma': [1, 2], 'aspect': 1}, None),
        ('CameraBefore', {'exposure_ev': [-1, 1], 'gains': None}, None),
        ('JPEG', {'quality': '50'}, "expected int or a list, got '50' (str)"),
        ('Blur', {'sigma': [1, 2, 3]}, 'expected a number or at most 2 entries, got [1, 2, 3] (list)'),
        ('Blur', {'radius': 2}, 'Blur has no such argument'),
    ],
)
def test_the_signature_is_the_schema(name, arguments, problem):
    checked, problems = check_arguments(DEGRADATION_REGISTRY.get(name), arguments, ())
    assert [message for _, message in problems] == ([] if problem is None else [problem])
    assert problem is not None or DEGRADATION_REGISTRY.get(name)(**checked)


def test_a_class_of_a_client_stands_in_the_list(monkeypatch):
    monkeypatch.setattr(DEGRADATION_REGISTRY, '_obj_map', dict(DEGRADATION_REGISTRY._obj_map))

    @DEGRADATION_REGISTRY.register()
    class Darker:
        """Takes light away; knows nothing of the base class."""

        def __init__(self, factor: float = 0.5) -> None:
            self.factor = factor

        def __call__(self, img: np.ndarray) -> np.ndarray:
            return img.astype(np.float64) * self.factor

    img, words = build_degradations([{'type': 'Darker', 'factor': 0.25}])(picture())
    assert words == ['darker'] and img.dtype == np.float32
    np.testing.assert_allclose(img, picture() / 4)
    with pytest.raises(UserError, match=r"'darker' .* not finite"):
        build_degradations([{'type': 'Darker', 'factor': math.nan}])(picture())
    assert not issubclass(Darker, Degradation)
