"""Degradations of detail: blur, fewer pixels, and the losses of JPEG."""

import math
import random
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from basicsr.color.rgb import check_space
from basicsr.data.degradations.single import (
    Degradation,
    IntRange,
    Range,
    choices,
    draw_log_uniform,
    from_light,
    limits,
    to_light,
)
from basicsr.utils.misc import import_cv2
from basicsr.utils.registry import DEGRADATION_REGISTRY

Interpolation = Literal['area', 'bilinear', 'bicubic', 'nearest']
_INTERPOLATIONS = ('area', 'bilinear', 'bicubic', 'nearest')
Subsampling = Literal['4:4:4', '4:2:2', '4:2:0']
_SUBSAMPLINGS = {'4:4:4': '444', '4:2:2': '422', '4:2:0': '420'}
# A Gaussian kernel ends where its weight is 3e-4 of the middle's, as OpenCV's for floats.
_RADIUS_IN_SIGMA = 4


@DEGRADATION_REGISTRY.register()
class Blur(Degradation):
    """Gaussian blur, round or elongated; the border is mirrored.

    Args:
        sigma: standard deviation in pixels, along the long axis; a number or a range, drawn from uniformly.
        aspect: of the long axis to the short one, 1 to 10, or a range, whose logarithm is drawn from uniformly. The
            direction is drawn too.
        space: light adds up in linear light, as in a lens; `srgb` blurs the encoded values, as editing programs do.
    """

    def __init__(
        self, sigma: Range = (0.2, 3.0), aspect: Range = 1.0, space: Literal['linear', 'srgb'] = 'linear'
    ) -> None:
        check_space(space)
        self._sigma = limits('sigma', sigma, 0.0, 50.0)
        self._aspect = limits('aspect', aspect, 1.0, 10.0)
        self._space = space

    def draw(self) -> dict:
        return {
            'sigma': random.uniform(*self._sigma),
            'aspect': draw_log_uniform(*self._aspect),
            'angle': random.uniform(0.0, math.pi),
        }

    def apply(self, img: np.ndarray, sigma: float, aspect: float, angle: float) -> np.ndarray:
        if sigma == 0:
            return img
        values = img if self._space == 'srgb' else to_light(img).numpy()
        values = _blurred(values, sigma, aspect, angle)
        return values.clip(0, 1) if self._space == 'srgb' else from_light(torch.from_numpy(values))

    def describe(self, sigma: float, aspect: float, angle: float) -> str:
        return f'sigma {sigma:.2f}' + (f' x {sigma / aspect:.2f}, {math.degrees(angle):.0f} deg' if aspect > 1 else '')


@DEGRADATION_REGISTRY.register()
class Downscale(Degradation):
    """Shrinks the picture. The list brings it to the size of the input: `scale` times smaller than the target.

    At scale 1 the picture is thus enlarged again, and what is lost is detail.

    Args:
        factor: how many times narrower and lower, 1 to 64, or a range, drawn from uniformly.
        interpolation: `area` (mean over the pixel), `bilinear` and `bicubic` (both with the support widened by the
            factor, as in Pillow), `nearest` (which aliases), or a list to draw from.
    """

    def __init__(self, factor: Range = 2.0, interpolation: Interpolation | list[Interpolation] = 'bicubic') -> None:
        self._factor = limits('factor', factor, 1.0, 64.0)
        self._interpolations = choices('interpolation', interpolation, _INTERPOLATIONS)

    def draw(self) -> dict:
        return {'factor': random.uniform(*self._factor), 'interpolation': random.choice(self._interpolations)}

    def apply(self, img: np.ndarray, factor: float, interpolation: str) -> np.ndarray:
        height, width = (max(1, round(side / factor)) for side in img.shape[:2])
        return resize(img, (height, width), interpolation)

    def describe(self, factor: float, interpolation: str) -> str:
        return f'/ {factor:.2f} {interpolation}'


@DEGRADATION_REGISTRY.register()
class JPEG(Degradation):
    """Compresses the picture as JPEG, by OpenCV, and reads it again.

    Args:
        quality: 1 to 100, or a range, drawn from uniformly.
        subsampling: of the chroma, or a list to draw from.
    """

    def __init__(self, quality: IntRange = (30, 95), subsampling: Subsampling | list[Subsampling] = '4:2:0') -> None:
        self._quality = limits('quality', quality, 1, 100)
        self._subsamplings = choices('subsampling', subsampling, tuple(_SUBSAMPLINGS))

    def draw(self) -> dict:
        return {'quality': random.randint(*self._quality), 'subsampling': random.choice(self._subsamplings)}

    def apply(self, img: np.ndarray, quality: int, subsampling: str) -> np.ndarray:
        cv2 = import_cv2()
        factor = getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{_SUBSAMPLINGS[subsampling]}')
        params = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        _, content = cv2.imencode('.jpg', np.rint(img * 255).astype(np.uint8), params)
        return cv2.imdecode(content, cv2.IMREAD_COLOR).astype(np.float32) / np.float32(255)

    def describe(self, quality: int, subsampling: str) -> str:
        return f'quality {quality}, {subsampling}'


def resize(img: np.ndarray, size: tuple[int, int], interpolation: str = 'bicubic') -> np.ndarray:
    """Return an (H, W, 3) image in [0, 1] of another (height, width), clipped to [0, 1]; itself where it has that size.

    Args:
        interpolation: `area`, `bilinear`, `bicubic` or `nearest`.
    """
    if img.shape[:2] == tuple(size):
        return img
    if interpolation in ('area', 'nearest'):
        cv2 = import_cv2()
        flag = cv2.INTER_AREA if interpolation == 'area' else cv2.INTER_NEAREST_EXACT
        return cv2.resize(np.ascontiguousarray(img), size[::-1], interpolation=flag).clip(0, 1)
    images = torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))[None]
    resized = F.interpolate(images, size=size, mode=interpolation, antialias=True)[0].clamp(0, 1)
    return resized.permute(1, 2, 0).contiguous().numpy()


def _blurred(values: np.ndarray, sigma: float, aspect: float, angle: float) -> np.ndarray:
    cv2 = import_cv2()
    values, border = np.ascontiguousarray(values), cv2.BORDER_REFLECT
    if aspect > 1:
        return cv2.filter2D(values, -1, _kernel(sigma, sigma / aspect, angle), borderType=border)
    side = 2 * math.ceil(_RADIUS_IN_SIGMA * sigma) + 1
    return cv2.GaussianBlur(values, (side, side), sigma, borderType=border)


def _kernel(sigma_long: float, sigma_short: float, angle: float) -> np.ndarray:
    """A Gaussian whose long axis is turned by `angle` from the x axis; its weights add up to 1."""
    radius = math.ceil(_RADIUS_IN_SIGMA * sigma_long)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((along / sigma_long) ** 2 + (across / sigma_short) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)
