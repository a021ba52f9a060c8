"""Luma and chroma, ITU-R BT.601. The constants serve the numpy functions of `basicsr.utils.color_util` too."""

from typing import Literal

import torch
from torch import Tensor

from basicsr.color.rgb import as_image, mix_channels

# ITU-R BT.601-7, section 2.5: Y = KR R + (1 - KR - KB) G + KB B, Cb = (B - Y) / (2 - 2 KB), Cr = (R - Y) / (2 - 2 KR).
KR, KB = 0.299, 0.114
BT601_FULL = (
    (KR, 1 - KR - KB, KB),
    (-0.5 * KR / (1 - KB), -0.5 * (1 - KR - KB) / (1 - KB), 0.5),
    (0.5, -0.5 * (1 - KR - KB) / (1 - KR), -0.5 * KB / (1 - KR)),
)

# The 8-bit studio swing as MATLAB's rgb2ycbcr and BasicSR round it: rows Y, Cb, Cr of RGB in [0, 1], result in code
# values (Y 16 to 235, Cb and Cr 16 to 240).
BT601_STUDIO = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
BT601_STUDIO_OFFSET = (16.0, 128.0, 128.0)

# Its inverse, with MATLAB's rounding: rows R, G, B of code values, result times 255, plus the offset, in [0, 255].
BT601_STUDIO_INVERSE = (
    (0.00456621, 0.0, 0.00625893),
    (0.00456621, -0.00153632, -0.00318811),
    (0.00456621, 0.00791071, 0.0),
)
BT601_STUDIO_INVERSE_OFFSET = (-222.921, 135.576, -276.836)

# range: (rows for values in [0, 1], weight sum of the Y row, offsets)
_RANGES = {
    'full': (BT601_FULL, 1.0, (0.0, 0.5, 0.5)),
    'studio': (
        tuple(tuple(weight / 255 for weight in row) for row in BT601_STUDIO),
        219 / 255,
        tuple(offset / 255 for offset in BT601_STUDIO_OFFSET),
    ),
}


def rgb_to_ycbcr(x: Tensor, range: Literal['studio', 'full'] = 'studio') -> Tensor:
    """sRGB in [0, 1], (..., 3, H, W) -> Y, Cb, Cr, same shape.

    Args:
        range: `studio` is BasicSR's, 8-bit code values / 255: Y in [16, 235] / 255, grey at 128 / 255. `full` is Y in
            [0, 1], and Cb and Cr in [0, 1] with grey at 0.5.
    """
    rows, grey, offsets = _range(range)
    r, g, b = as_image(x).unbind(-3)
    sums = (grey, 0.0, 0.0)
    return torch.stack([mix_channels(r, g, b, row, s) + o for row, s, o in zip(rows, sums, offsets)], dim=-3)


def chroma_uv(x: Tensor, range: Literal['studio', 'full'] = 'full') -> Tensor:
    """sRGB in [0, 1], (..., 3, H, W) -> Cb, Cr centred on zero, (..., 2, H, W); grey is exactly 0.

    Args:
        range: `full` gives values in [-0.5, 0.5]; `studio` those times 224 / 255.
    """
    rows, _, _ = _range(range)
    r, g, b = as_image(x).unbind(-3)
    return torch.stack([mix_channels(r, g, b, row, 0.0) for row in rows[1:]], dim=-3)


def luma(x: Tensor) -> Tensor:
    """sRGB in [0, 1], (..., 3, H, W) -> full-range Y in [0, 1], (..., H, W)."""
    return mix_channels(*as_image(x).unbind(-3), BT601_FULL[0], 1.0)


def _range(name: str) -> tuple:
    if name not in _RANGES:
        raise ValueError(f"the YCbCr range is 'studio' or 'full', not {name!r}")
    return _RANGES[name]
