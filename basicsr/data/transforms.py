"""Crops and flips of image pairs. They draw from python's `random`, in BasicSR's order."""

import random
from typing import Any

import numpy as np
import torch

from basicsr.utils.errors import DataError


def mod_crop(img: np.ndarray, scale: int) -> np.ndarray:
    """Cut an (H, W) or (H, W, C) image at the bottom and right to sides that are multiples of `scale`."""
    if img.ndim not in (2, 3):
        raise ValueError(f'expected an image of shape (H, W) or (H, W, C), got {img.shape}')
    height, width = img.shape[:2]
    return img[: height - height % scale, : width - width % scale]


def paired_random_crop(
    img_gts: Any, img_lqs: Any, gt_patch_size: int, scale: int, gt_path: str | None = None
) -> tuple[Any, Any]:
    """Cut the same random square out of all images; a view, not a copy.

    Args:
        img_gts: (H, W, ...) array, (..., H, W) tensor, or a list of such; `img_lqs` alike.
        gt_patch_size: side of the squares of `img_gts`; those of `img_lqs` are `gt_patch_size // scale`.
        gt_path: named in errors.

    Returns:
        The squares; lists where there are several.

    Raises:
        DataError: the sizes do not match `scale`, or an image is smaller than the square.
    """
    gts, lqs = (imgs if isinstance(imgs, list) else [imgs] for imgs in (img_gts, img_lqs))
    lq_patch_size = gt_patch_size // scale
    (height_gt, width_gt), (height, width) = _size(gts[0]), _size(lqs[0])

    where = f'{gt_path}: ' if gt_path else ''
    if (height_gt, width_gt) != (height * scale, width * scale):
        raise DataError(
            f'{where}GT is {width_gt} x {height_gt} and LQ {width} x {height} pixels; for scale {scale} '
            f'GT should be {width * scale} x {height * scale}'
        )
    if min(height, width) < lq_patch_size:
        raise DataError(
            f'{where}GT is {width_gt} x {height_gt} pixels, smaller than the patch of {gt_patch_size}; '
            'choose a smaller gt_size'
        )

    top, left = random.randint(0, height - lq_patch_size), random.randint(0, width - lq_patch_size)
    lqs = [_square(img, top, left, lq_patch_size) for img in lqs]
    gts = [_square(img, top * scale, left * scale, gt_patch_size) for img in gts]
    return (gts[0] if len(gts) == 1 else gts), (lqs[0] if len(lqs) == 1 else lqs)


def augment(imgs: Any, hflip: bool = True, rotation: bool = True, return_status: bool = False) -> Any:
    """Flip and transpose all images alike: one of the eight symmetries of the square, or of two without `rotation`.

    Args:
        imgs: (H, W, ...) array or a list of arrays.
        hflip: flip left to right with probability 1/2.
        rotation: flip top to bottom and swap the axes, each with probability 1/2.
        return_status: also return (left to right, top to bottom, axes swapped).

    Returns:
        Contiguous arrays; a list where there are several.
    """
    hflip = hflip and random.random() < 0.5
    vflip = rotation and random.random() < 0.5
    rot90 = rotation and random.random() < 0.5

    results = []
    for img in imgs if isinstance(imgs, list) else [imgs]:
        img = img[:, ::-1] if hflip else img
        img = img[::-1] if vflip else img
        img = img.swapaxes(0, 1) if rot90 else img
        results.append(np.ascontiguousarray(img))
    result = results[0] if len(results) == 1 else results
    return (result, (hflip, vflip, rot90)) if return_status else result


def _size(img: Any) -> tuple[int, int]:
    return tuple(img.shape[-2:] if torch.is_tensor(img) else img.shape[:2])


def _square(img: Any, top: int, left: int, side: int) -> Any:
    if torch.is_tensor(img):
        return img[..., top : top + side, left : left + side]
    return img[top : top + side, left : left + side]
