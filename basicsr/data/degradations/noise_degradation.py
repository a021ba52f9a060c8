"""Degradations that add noise. The noise of a picture is a function of a seed that is drawn for it."""

import random

import numpy as np
import torch

from basicsr.data.degradations.single import Degradation, Range, draw_log_uniform, from_light, limits, to_light
from basicsr.utils.registry import DEGRADATION_REGISTRY

# From so many expected photons on the variance of the approximation in `_photons` is right to 1 %.
_MANY_PHOTONS = 20.0


@DEGRADATION_REGISTRY.register()
class GaussianNoise(Degradation):
    """White Gaussian noise on the sRGB values, clipped to [0, 1].

    Args:
        sigma: standard deviation in 8-bit steps (of 255), or a range, drawn from uniformly.
        gray_prob: probability that the noise is the same in all three channels.
    """

    def __init__(self, sigma: Range = (0.0, 25.0), gray_prob: float = 0.0) -> None:
        self._sigma = limits('sigma', sigma, 0.0, 255.0)
        self._gray_prob = limits('gray_prob', gray_prob, 0.0, 1.0)[0]

    def draw(self) -> dict:
        return {
            'sigma': random.uniform(*self._sigma),
            'is_gray': random.random() < self._gray_prob,
            'seed': random.getrandbits(64),
        }

    def apply(self, img: np.ndarray, sigma: float, is_gray: bool, seed: int) -> np.ndarray:
        shape = (*img.shape[:2], 1 if is_gray else 3)
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        return (img + np.float32(sigma / 255) * noise).clip(0, 1)

    def describe(self, sigma: float, is_gray: bool, seed: int) -> str:
        return f'sigma {sigma:.1f}' + ', gray' * is_gray


@DEGRADATION_REGISTRY.register()
class PoissonNoise(Degradation):
    """Shot noise: the light of each channel of each pixel is counted in photons, in linear light.

    The counts have mean and variance `photons` times the light, so the signal-to-noise ratio at white is the square
    root of `photons`. What exceeds white is clipped.

    Args:
        photons: expected count at white, 1 to 1e6, or a range, whose logarithm is drawn from uniformly.
    """

    def __init__(self, photons: Range = (100.0, 10_000.0)) -> None:
        self._photons = limits('photons', photons, 1.0, 1e6)

    def draw(self) -> dict:
        return {'photons': draw_log_uniform(*self._photons), 'seed': random.getrandbits(64)}

    def apply(self, img: np.ndarray, photons: float, seed: int) -> np.ndarray:
        expected = to_light(img).numpy() * np.float32(photons)
        counts = _photons(expected, np.random.default_rng(seed))
        return from_light(torch.from_numpy(counts / np.float32(photons)))

    def describe(self, photons: float, seed: int) -> str:
        return f'{photons:.0f} photons'


def _photons(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw Poisson counts, float32, of the same shape.

    Large ones come from a normal variable z by the first terms of Cornish and Fisher's expansion (Revue de l'Institut
    International de Statistique 5, 1937), in a fraction of the time: m + sqrt(m) z + (z^2 - 1) / 6 has the mean and
    third moment of a Poisson variable, and its variance but for 1 / 18, and 1 / 12 by rounding.
    """
    z = rng.standard_normal(expected.shape, dtype=np.float32)
    counts = np.rint(expected + np.sqrt(expected) * z + (z * z - 1) / 6)
    is_few = expected < _MANY_PHOTONS
    counts[is_few] = rng.poisson(expected[is_few])
    return counts
