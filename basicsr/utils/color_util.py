"""BasicSR's YCbCr functions: ITU-R BT.601, studio swing, as MATLAB rounds it. See `basicsr.color.ycbcr`."""

import numpy as np
import torch

from basicsr.color.ycbcr import (
    BT601_STUDIO,
    BT601_STUDIO_INVERSE,
    BT601_STUDIO_INVERSE_OFFSET,
    BT601_STUDIO_OFFSET,
    rgb_to_ycbcr,
)


def rgb2ycbcr(img: np.ndarray, y_only: bool = False) -> np.ndarray:
    """RGB image (..., 3) -> Y, Cb, Cr of the same type: uint8 code values, or float32 code values / 255.

    Args:
        img: uint8 in [0, 255] or float32 in [0, 1].
        y_only: return Y alone, without a channel axis.
    """
    rows, offsets = np.array(BT601_STUDIO), np.array(BT601_STUDIO_OFFSET)
    if y_only:
        rows, offsets = rows[0], offsets[0]
    return _to_type(_to_float32(img) @ rows.T + offsets, img.dtype)


def bgr2ycbcr(img: np.ndarray, y_only: bool = False) -> np.ndarray:
    """The same as `rgb2ycbcr` for an image in OpenCV's channel order."""
    return rgb2ycbcr(img[..., ::-1], y_only)


def ycbcr2rgb(img: np.ndarray) -> np.ndarray:
    """Inverse of `rgb2ycbcr`; 8-bit values outside the RGB cube are clipped to it."""
    rows, offsets = np.array(BT601_STUDIO_INVERSE), np.array(BT601_STUDIO_INVERSE_OFFSET)
    return _to_type(_to_float32(img) * 255 @ (rows.T * 255) + offsets, img.dtype)


def ycbcr2bgr(img: np.ndarray) -> np.ndarray:
    """Inverse of `bgr2ycbcr`."""
    return np.ascontiguousarray(ycbcr2rgb(img)[..., ::-1])


def rgb2ycbcr_pt(img: torch.Tensor, y_only: bool = False) -> torch.Tensor:
    """RGB in [0, 1], (N, 3, H, W) -> Y, Cb, Cr as code values / 255, same shape; (N, 1, H, W) with `y_only`."""
    ycbcr = rgb_to_ycbcr(img, 'studio')
    return ycbcr[..., :1, :, :] if y_only else ycbcr


def _to_float32(img: np.ndarray) -> np.ndarray:
    """Return float32 in [0, 1]. Single precision at this step is part of the published numbers."""
    if img.dtype == np.uint8:
        return img.astype(np.float32) / 255
    if img.dtype == np.float32:
        return img
    raise TypeError(f'expected an image of type uint8 or float32, got {img.dtype}')


def _to_type(code_values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype == np.uint8:
        return code_values.round().clip(0, 255).astype(np.uint8)
    return (code_values / 255).astype(np.float32)
