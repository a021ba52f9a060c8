"""Copies of a picture that are quick to measure on. Pictures are (H, W, 3) BGR, as `read_image` gives them."""

import numpy as np
import torch

from basicsr.color import linear_to_srgb
from basicsr.utils.img_util import img2tensor, to_float
from basicsr.utils.misc import import_cv2


def as_integers(img: np.ndarray) -> np.ndarray:
    """Return integers as they are, and linear light (float) as sRGB in uint16, cut off above white."""
    if img.dtype in (np.uint8, np.uint16):
        return img
    light = torch.from_numpy(np.nan_to_num(img.astype(np.float32)).clip(0, 1))
    return (linear_to_srgb(light).numpy() * 65535).round().astype(np.uint16)


def resize(img: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a copy of (width, height): areas are averaged where it shrinks, cubic where it grows."""
    cv2 = import_cv2()
    if img.shape[1::-1] == size:
        return img
    shrinks = size[0] * size[1] < img.shape[0] * img.shape[1]
    return cv2.resize(img, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def thin_out(img: np.ndarray, count: int) -> np.ndarray:
    """Return every k-th pixel of every k-th row, about `count` of them: unlike an average, it keeps clipped pixels."""
    step = max(1, int((img.shape[0] * img.shape[1] / count) ** 0.5))
    return np.ascontiguousarray(img[::step, ::step])


def grey_bytes(img: np.ndarray) -> np.ndarray:
    """Return the luma, (H, W) uint8."""
    cv2 = import_cv2()
    return cv2.cvtColor(as_bytes(img), cv2.COLOR_BGR2GRAY)


def as_bytes(img: np.ndarray) -> np.ndarray:
    """Return the picture in 8 bits."""
    img = as_integers(img)
    return img if img.dtype == np.uint8 else np.round(img / 257).astype(np.uint8)


def to_rgb(img: np.ndarray) -> torch.Tensor:
    """Return R, G, B in [0, 1] as (3, H, W) float32."""
    return img2tensor(to_float(img))
