"""One picture through a network: from its pixels to a tensor and back, with grey, alpha and bit depth kept."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from basicsr.color.ycbcr import luma
from basicsr.utils.errors import DataError
from basicsr.utils.image_file import Picture
from basicsr.utils.img_util import img2tensor, imwrite, tensor2img, to_float
from basicsr.utils.misc import import_cv2

# Longer side of each half of a strip of before and after.
_STRIP_SIDE = 1600
_GAP = 8


def check_encoding(picture: Picture) -> None:
    """Raise DataError for linear light in floating point: no network that was trained on photographs has seen it."""
    if not np.issubdtype(picture.pixels.dtype, np.integer):
        raise DataError(
            'it holds linear light in floating point, and networks are trained on sRGB in [0, 1]; develop it into a '
            'picture of 8 or 16 bits first'
        )


def restore_picture(picture: Picture, restorer: Callable[[torch.Tensor], torch.Tensor]) -> Picture:
    """Restore the colours of a picture; its alpha, colour profile and bit depth stay as they are.

    A grey picture goes in as three equal channels; what comes out is the luma (ITU-R BT.601) of the result.

    Args:
        restorer: float32 (1, 3, H, W), RGB in [0, 1] -> the same, restored and perhaps larger.

    Raises:
        DataError: see `check_encoding`.
    """
    check_encoding(picture)
    image = img2tensor(to_float(picture.pixels)).unsqueeze(0)
    result = restorer(image)
    if picture.is_grey:
        result = luma(result).unsqueeze(1).expand(-1, 3, -1, -1)
    restored = tensor2img(result, out_type=picture.pixels.dtype.type)
    return dataclasses.replace(picture, pixels=restored, alpha=_resized(picture.alpha, restored.shape[:2]))


def _resized(alpha: np.ndarray | None, size: tuple[int, int]) -> np.ndarray | None:
    """Return alpha, (H, W), at the size of the result."""
    if alpha is None or alpha.shape == size:
        return alpha
    cv2 = import_cv2()
    return cv2.resize(alpha, size[::-1], interpolation=cv2.INTER_LINEAR)


def write_strip(before: Picture, after: Picture, path: Path) -> None:
    """Write both side by side as 8-bit sRGB, without alpha, at most 1600 pixels each."""
    cv2 = import_cv2()
    height, width = after.pixels.shape[:2]
    factor = min(1.0, _STRIP_SIDE / max(height, width))
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    halves = [
        cv2.resize((to_float(picture.pixels) * 255).round().astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        for picture in (before, after)
    ]
    gap = np.full((size[1], _GAP, 3), 255, np.uint8)
    imwrite(np.concatenate([halves[0], gap, halves[1]], axis=1), path, [cv2.IMWRITE_JPEG_QUALITY, 92])
