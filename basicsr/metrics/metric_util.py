"""What the image metrics share: channel order and the Y channel."""

import numpy as np

from basicsr.utils.color_util import bgr2ycbcr


def reorder_image(img: np.ndarray, input_order: str = 'HWC') -> np.ndarray:
    """Return an image of shape (H, W, C), (C, H, W) with `input_order='CHW'`, or (H, W), as (H, W, C)."""
    if input_order not in ('HWC', 'CHW'):
        raise ValueError(f"input_order: {input_order!r} is not one of 'HWC', 'CHW'")
    if img.ndim == 2:
        return img[..., None]
    return img.transpose(1, 2, 0) if input_order == 'CHW' else img


def to_y_channel(img: np.ndarray) -> np.ndarray:
    """BGR in [0, 255], (H, W, 3) -> Y (BT.601) in [16, 235], (H, W, 1), not rounded; grey stays as it is."""
    img = img.astype(np.float32) / 255
    if img.ndim == 3 and img.shape[2] == 3:
        img = bgr2ycbcr(img, y_only=True)[..., None]
    return img * 255
