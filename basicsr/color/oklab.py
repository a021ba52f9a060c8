"""OkLab, a perceptual space with more even hues than L*a*b*.

Constants: Björn Ottosson, "A perceptual color space for image processing", https://bottosson.github.io/posts/oklab/
(the matrices of 2021-01-25, from linear sRGB).
"""

from typing import Literal

import torch
from torch import Tensor

from basicsr.color.rgb import as_image, check_space, mix_channels, srgb_to_linear

_RGB_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_ROOTS_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)

# Below this the cube root becomes a line to 0, for its slope is infinite there. The first 8-bit grey (3.0e-4) is above.
_TOE = 1e-4


def rgb_to_oklab(x: Tensor, space: Literal['srgb', 'linear'] = 'srgb') -> Tensor:
    """RGB in [0, 1], (..., 3, H, W) -> OkLab L in [0, 1], a, b in about [-0.4, 0.4], same shape.

    Args:
        space: `srgb` for encoded values, `linear` for linear light.
    """
    check_space(space)
    channels = as_image(x).unbind(-3)
    if space == 'srgb':
        channels = [srgb_to_linear(channel) for channel in channels]

    roots = [_cube_root(mix_channels(*channels, row, 1.0)) for row in _RGB_TO_LMS]
    sums = (1.0, 0.0, 0.0)
    return torch.stack([mix_channels(*roots, row, total) for row, total in zip(_ROOTS_TO_LAB, sums)], dim=-3)


def _cube_root(t: Tensor) -> Tensor:
    root = t.clamp(min=_TOE).pow(1 / 3)
    return torch.where(t > _TOE, root, t * _TOE ** (-2 / 3))
