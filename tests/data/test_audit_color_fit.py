"""The global fit, judged by corrections that are known; the noise floor, by moving a picture oneself."""

import cv2
import numpy as np
import pytest

from basicsr.data.audit.alignment import Alignment
from basicsr.data.audit.color_fit import fit_color, noise_floor


def light_of(seed: int, size: tuple[int, int] = (200, 150)) -> np.ndarray:
    """A smooth picture in linear light, BGR, from 0.005 to 0.7."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.uniform(0.07, 0.84, (12, 16, 3)), size, interpolation=cv2.INTER_LINEAR)
    return smooth**2


def encoded(light: np.ndarray, dtype=np.uint16) -> np.ndarray:
    """IEC 61966-2-1."""
    light = light.clip(0, 1)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (srgb * np.iinfo(dtype).max).round().astype(dtype)


def test_known_gains_and_gammas_come_back():
    light = light_of(1)
    gains, gammas = np.array([1.3, 0.9, 1.1]), np.array([0.8, 1.0, 1.25])  # B, G, R
    fit, left = fit_color(encoded(light), encoded(gains * light**gammas))
    assert fit.gains == pytest.approx(gains[::-1], rel=0.01)
    assert fit.gammas == pytest.approx(gammas[::-1], abs=0.01)
    assert fit.after < 0.2 < 5 < fit.before
    assert left.shape == (150, 200) and left.mean() == pytest.approx(fit.after, rel=1e-5)


def test_numbers_for_photographers():
    light = light_of(2)
    fit, _ = fit_color(encoded(light / 4 * np.array([1.5, 1.0, 0.8])), encoded(light))
    # Two stops, less the geometric mean of the cast.
    assert fit.stops == pytest.approx(2 - np.log2(1.5 * 0.8) / 3, abs=0.02)
    assert fit.white_balance == (pytest.approx(1 / 0.8, rel=0.01), pytest.approx(1 / 1.5, rel=0.01))
    assert fit.gamma == pytest.approx(1, abs=0.01)


def test_repainted_objects_and_clipped_areas_do_not_bend_the_fit():
    light = light_of(3)
    target = 2.0 * light
    target[30:70, 20:80] = (0.9, 0.05, 0.02)  # a sixth of the picture
    fit, left = fit_color(encoded(light, np.uint8), encoded(target, np.uint8))
    assert fit.gains == pytest.approx((2, 2, 2), rel=0.06)
    assert fit.gammas == pytest.approx((1, 1, 1), abs=0.06)
    assert left[30:70, 20:80].mean() > 10 > 10 * left[80:, 100:].mean()


def test_a_black_picture_has_no_fit():
    black = np.zeros((50, 60, 3), np.uint8)
    fit, left = fit_color(black, encoded(light_of(4, (60, 50)), np.uint8))
    assert fit is None and left.shape == (50, 60)


def test_residual_is_the_ciede2000_of_scikit_image():
    skcolor = pytest.importorskip('skimage.color')
    a, b = encoded(light_of(5)), encoded(light_of(6))
    fit, _ = fit_color(a, b)
    labs = [skcolor.rgb2lab(img[..., ::-1] / 65535) for img in (a, b)]
    assert fit.before == pytest.approx(skcolor.deltaE_ciede2000(*labs).mean(), rel=0.01)


def shifted_floor(img: np.ndarray, dx: int, dy: int) -> float:
    """CIEDE2000 between a picture and itself, moved by whole pixels, by scikit-image."""
    skcolor = pytest.importorskip('skimage.color')
    height, width = img.shape[:2]
    lab = skcolor.rgb2lab(img[..., ::-1])
    a, b = lab[dy:, dx:], lab[: height - dy, : width - dx]
    return float(skcolor.deltaE_ciede2000(a, b).mean())


def test_noise_floor_of_whole_pixels():
    rng = np.random.default_rng(0)
    img = cv2.GaussianBlur(rng.uniform(0, 255, (240, 240, 3)), (0, 0), 2)
    img = ((img - 127) * 4 + 127).clip(0, 255).round().astype(np.uint8)
    floor = noise_floor(img, Alignment(3.0, 2.0, 0.0, 0.0, 1.0, (240, 240)))
    assert floor == pytest.approx(shifted_floor(img, 3, 2), rel=0.08)


def test_noise_floor_rises_with_the_shift_and_begins_at_zero():
    img = encoded(light_of(8, (300, 200)), np.uint8)
    size = (300, 200)
    motions = [(0, 0, 0), (0.5, 0, 0), (2, 0, 0), (2, 0, 1.0)]
    floors = [noise_floor(img, Alignment(dx, dy, turn, 0.0, 1.0, size)) for dx, dy, turn in motions]
    assert floors[0] < 1e-3 and floors == sorted(floors) and floors[3] > 1.2 * floors[2]
