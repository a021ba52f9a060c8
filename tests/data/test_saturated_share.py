"""The share of saturated pixels: judged by OpenCV's HSV."""

import cv2
import numpy as np
import pytest

from basicsr.data.saturated_share import reduce_image, saturated_share


def share_by_opencv(img):
    """OpenCV's saturation in 0 to 255, at least 100 there, of pixels with a value of at least 0.1."""
    hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
    return ((hsv[..., 1] >= 100) & (hsv[..., 2] >= 26)).mean()


def test_as_opencv():
    rng = np.random.default_rng(0)
    for highest in (40, 255):
        img = rng.integers(0, highest, (64, 80, 3), dtype=np.uint8)
        # OpenCV rounds the saturation: 99.5 counts as 100.
        assert saturated_share(img) == pytest.approx(share_by_opencv(img), abs=0.02)
        assert 0.05 < saturated_share(img) < 0.95
        assert saturated_share(img.astype(np.uint16) * 257) == pytest.approx(saturated_share(img), abs=1e-3)


def test_known_pictures():
    img = np.full((10, 20, 3), 128, np.uint8)
    assert saturated_share(img) == 0
    img[:, :5] = (0, 0, 255)
    assert saturated_share(img) == 0.25
    img[:, :5] = (0, 0, 20)  # a dark pixel's saturation is noise
    assert saturated_share(img) == 0
    assert saturated_share(np.zeros((4, 4, 3), np.uint8)) == 0


def test_linear_light_counts_as_it_is_shown():
    # sRGB (0.7, 0.8, 0.7) has saturation 0.125; as linear light, read as if it were sRGB, it would have 0.28.
    shown = np.full((8, 8, 3), (0.7, 0.8, 0.7), np.float32)
    linear = ((shown + 0.055) / 1.055) ** 2.4
    assert saturated_share(linear.astype(np.float32)) == 0
    # And (0.5, 0.8, 0.5), 0.375, is not saturated either, but 0.67 when taken for sRGB.
    linear = ((np.float32([0.5, 0.8, 0.5]) + 0.055) / 1.055) ** 2.4
    assert saturated_share(np.full((8, 8, 3), linear, np.float32)) == 0
    assert saturated_share(np.full((8, 8, 3), (0.0, 4.0, 0.0), np.float32)) == 1


def test_reduced_images():
    img = np.full((300, 1000, 3), 128, np.uint8)
    img[:, 500:] = (0, 0, 255)
    small = reduce_image(img)
    assert small.shape == (77, 256, 3)
    assert saturated_share(small) == pytest.approx(0.5, abs=0.01)
    assert reduce_image(small) is small
    assert reduce_image(np.zeros((1, 3000, 3), np.uint8)).shape == (1, 256, 3)
