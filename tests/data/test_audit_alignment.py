"""Alignment, judged by pictures that were moved by a known amount and changed in exposure, cast, noise and format."""

import math

import cv2
import numpy as np
import pytest

from basicsr.data.audit.alignment import RELATED, Alignment, align
from basicsr.data.audit.edges import textured_tiles


def scene(seed: int, width: int, height: int, margin: int = 0) -> np.ndarray:
    """Rectangles and discs of all sizes, as float BGR in [0, 255], blurred as a lens does."""
    rng = np.random.default_rng(seed)
    img = np.full((height + 2 * margin, width + 2 * margin, 3), 120.0)
    for _ in range(140):
        x, y = rng.integers(0, img.shape[1]), rng.integers(0, img.shape[0])
        color = rng.uniform(20, 235, 3).tolist()
        side = int(rng.uniform(4, width / 6))
        if rng.random() < 0.5:
            cv2.rectangle(img, (x, y), (x + side, y + side // 2 + 3), color, -1)
        else:
            cv2.circle(img, (x, y), side // 2 + 2, color, -1)
    return cv2.GaussianBlur(img, (0, 0), 1.2)


def moved(img: np.ndarray, dx: float, dy: float, degrees: float, margin: int) -> np.ndarray:
    """OpenCV's own rotation about the centre, and a shift; without the margin."""
    height, width = img.shape[:2]
    # Its angle runs against the clock.
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1)
    matrix[:, 2] += dx, dy
    out = cv2.warpAffine(img, matrix, (width, height), flags=cv2.INTER_LANCZOS4)
    return out[margin:-margin, margin:-margin]


def as_taken(img: np.ndarray, seed: int = 0) -> np.ndarray:
    """Two and a half stops darker, with a cast, another contrast, noise, and as a JPEG."""
    rng = np.random.default_rng(seed)
    light = (img.clip(0, 255) / 255) ** 2.2 * 0.18 * np.array([0.6, 1.0, 1.3])
    dark = 255 * light.clip(0, 1) ** (0.85 / 2.2) + rng.normal(0, 2, img.shape)
    _, content = cv2.imencode('.jpg', dark.clip(0, 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


def grey(img: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(img.clip(0, 255).round().astype(np.uint8), cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize(
    'dx, dy, degrees', [(0, 0, 0), (1, 0, 0), (0.4, -0.3, 0.03), (3, -2, 0.1), (-14.5, 9.2, -0.6), (40, 25, 0)]
)
@pytest.mark.parametrize('width, height', [(256, 256), (1200, 800)])
def test_known_motion(width, height, dx, dy, degrees):
    margin = 60
    img = scene(1, width, height, margin)
    target = img[margin:-margin, margin:-margin]
    found = align(grey(as_taken(moved(img, dx, dy, degrees, margin))), grey(target))
    assert (found.dx, found.dy) == (pytest.approx(dx, abs=0.12), pytest.approx(dy, abs=0.12))
    assert found.rotation == pytest.approx(degrees, abs=0.03)
    assert found.correlation > 0.8


def test_a_pixel_of_a_large_photograph():
    img = scene(2, 3300, 2200, 8)
    found = align(grey(as_taken(moved(img, 1, 0, 0, 8))), grey(img[8:-8, 8:-8]))
    assert (found.dx, found.dy) == (pytest.approx(1, abs=0.1), pytest.approx(0, abs=0.1))
    assert found.spread < 0.2


def test_input_of_half_the_size_is_measured_in_pixels_of_the_target():
    img = scene(3, 1200, 800, 16)
    lq = cv2.resize(moved(img, 3, -2, 0, 16), (600, 400), interpolation=cv2.INTER_AREA)
    found = align(grey(as_taken(lq)), grey(img[16:-16, 16:-16]))
    assert (found.dx, found.dy) == (pytest.approx(3, abs=0.15), pytest.approx(-2, abs=0.15))


def test_parts_that_move_apart_are_told():
    img = scene(4, 1200, 800, 16)
    both = np.hstack([moved(img, 0, 0, 0, 16)[:, :600], moved(img, 0, 5, 0, 16)[:, 600:]])
    assert align(grey(both), grey(img[16:-16, 16:-16])).spread > 1
    assert align(grey(img), grey(img)).spread < 0.05


def test_other_scenes_have_nothing_in_common():
    scenes = [scene(seed, 320, 240) for seed in range(5)]
    values = [align(grey(as_taken(a)), grey(b)).correlation for a in scenes for b in scenes if a is not b]
    assert max(values) < RELATED - 0.05
    assert align(grey(as_taken(scenes[0])[:, ::-1]), grey(scenes[0])).correlation < RELATED


def test_pictures_without_texture_are_not_measured():
    smooth = np.tile(np.linspace(60, 90, 300, dtype=np.float32), (200, 1)).astype(np.uint8)
    assert align(smooth, grey(scene(1, 300, 200))) is None
    assert align(grey(scene(1, 300, 200)), smooth) is None


def test_pixels_is_the_root_mean_square_over_the_frame():
    found = Alignment(2.0, -1.0, 0.4, 0.0, 1.0, (300, 200))
    x, y = np.meshgrid(np.arange(300), np.arange(200))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    distance = np.hypot(*(found.matrix() @ points - points[:2]))
    assert found.pixels == pytest.approx(math.sqrt((distance**2).mean()), rel=1e-4)


def test_tiles_are_where_the_texture_is():
    img = np.full((400, 600), 128, np.uint8)
    img[250:330, 40:120] = np.random.default_rng(0).integers(0, 255, (80, 80), dtype=np.uint8)
    (left, top), *_ = textured_tiles(img, 80, 1)
    assert abs(left - 40) <= 10 and abs(top - 250) <= 10
