"""How much of a picture is saturated."""

import numpy as np
import torch

from basicsr.color import is_saturated, linear_to_srgb
from basicsr.utils.img_util import img2tensor, to_float
from basicsr.utils.misc import import_cv2

# OpenCV's 100 of 255.
SATURATED = 100 / 255
_SIDE = 256


def reduce_image(img: np.ndarray, side: int = _SIDE) -> np.ndarray:
    """Return an image whose longer side is at most `side` pixels; each of its pixels is the mean of an area."""
    factor = side / max(img.shape[:2])
    if factor >= 1:
        return img
    cv2 = import_cv2()
    size = [max(1, round(pixels * factor)) for pixels in img.shape[1::-1]]
    return cv2.resize(img, size, interpolation=cv2.INTER_AREA)


def saturated_share(img: np.ndarray) -> float:
    """Return the share of saturated pixels, in [0, 1].

    Args:
        img: (H, W, 3) BGR, as `read_image` gives it: integers are sRGB, float32 is linear light.
    """
    rgb = img2tensor(to_float(img)).clamp(0, 1)
    if not np.issubdtype(img.dtype, np.integer):
        rgb = linear_to_srgb(rgb)
    return float(is_saturated(rgb, SATURATED).to(torch.float64).mean())
