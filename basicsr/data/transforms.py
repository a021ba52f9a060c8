"""Crops, flips and channel orders of image pairs. They draw from python's `random`, in BasicSR's order."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from basicsr.utils.errors import DataError
from basicsr.utils.misc import import_cv2


class Crop(NamedTuple):
    """A square of an image, in its pixels."""

    top: int
    left: int
    side: int


def mod_crop(img: np.ndarray, scale: int) -> np.ndarray:
    """Cut an (H, W) or (H, W, C) image at the bottom and right to sides that are multiples of `scale`."""
    if img.ndim not in (2, 3):
        raise ValueError(f'expected an image of shape (H, W) or (H, W, C), got {img.shape}')
    height, width = img.shape[:2]
    return img[: height - height % scale, : width - width % scale]


def draw_crop(size: Sequence[int], side: int, scale_jitter: Sequence[float] | None = None) -> Crop:
    """Draw a square in an image of (height, width) that is at least as large as `side`.

    Args:
        scale_jitter: the side is multiplied by a factor from this range first, and limited by the image.
    """
    height, width = size
    if scale_jitter is not None:
        side = min(max(round(side * random.uniform(*scale_jitter)), 1), height, width)
    return Crop(random.randint(0, height - side), random.randint(0, width - side), side)


def cut(img: Any, crop: Crop, side: int | None = None) -> Any:
    """Cut a square out of an (H, W, ...) array or (..., H, W) tensor: one slice, a view where it is not resized.

    Args:
        img: anything with `shape` that takes `img[top:bottom, left:right]` will do for an array.
        side: resize to this side; arrays only.
    """
    rows, columns = slice(crop.top, crop.top + crop.side), slice(crop.left, crop.left + crop.side)
    square = img[..., rows, columns] if torch.is_tensor(img) else img[rows, columns]
    return square if side in (None, crop.side) else _resize(square, side)


def paired_random_crop(
    img_gts: Any,
    img_lqs: Any,
    gt_patch_size: int,
    scale: int,
    gt_path: str | None = None,
    scale_jitter: Sequence[float] | None = None,
    return_crop: bool = False,
) -> tuple:
    """Cut the same random square out of all images; a view, not a copy, unless it is resized.

    Args:
        img_gts: (H, W, ...) array, (..., H, W) tensor, or a list of such; `img_lqs` alike. Of an array, `shape` and one
            slice of rows and columns are asked for.
        gt_patch_size: side of the squares of `img_gts`; those of `img_lqs` are `gt_patch_size // scale`.
        gt_path: named in errors.
        scale_jitter: cut squares of other sizes, by a factor from this range, and resize them; arrays only.
        return_crop: also return the `Crop` of `img_lqs`.

    Returns:
        The squares; lists where there are several.

    Raises:
        DataError: the sizes do not match `scale`, or an image is smaller than the square.
    """
    gts, lqs = _listed(img_gts), _listed(img_lqs)
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

    crop = draw_crop((height, width), lq_patch_size, scale_jitter)
    side_gt = gt_patch_size if scale_jitter is None else crop.side * scale
    lqs = [cut(img, crop, lq_patch_size) for img in lqs]
    gts = [cut(img, Crop(crop.top * scale, crop.left * scale, side_gt), gt_patch_size) for img in gts]
    pair = (gts[0] if len(gts) == 1 else gts), (lqs[0] if len(lqs) == 1 else lqs)
    return (*pair, crop) if return_crop else pair


def augment(
    imgs: Any,
    hflip: bool = True,
    rotation: bool = True,
    return_status: bool = False,
    vflip: bool | None = None,
    rot90: bool | None = None,
) -> Any:
    """Flip and turn all images alike: one of the eight symmetries of the square, or of two without `rotation`.

    Args:
        imgs: (H, W, ...) array or a list of arrays.
        hflip: flip left to right with probability 1/2.
        rotation: the default of `vflip` and `rot90`.
        return_status: also return (left to right, top to bottom, on its side).
        vflip: flip top to bottom with probability 1/2.
        rot90: swap the axes with probability 1/2, after the flips. Where neither flip is allowed, swapping would mirror
            the picture: it is turned by 90 degrees counter-clockwise.

    Returns:
        Contiguous arrays; a list where there are several.
    """
    may_vflip, may_rot90 = (rotation if switch is None else switch for switch in (vflip, rot90))
    is_turned = not (hflip or may_vflip)
    status = tuple(bool(switch and random.random() < 0.5) for switch in (hflip, may_vflip, may_rot90))

    results = [_oriented(img, *status, is_turned) for img in _listed(imgs)]
    result = results[0] if len(results) == 1 else results
    return (result, status) if return_status else result


def draw_channel_order(prob: float) -> tuple[int, int, int]:
    """Draw one of the six orders of the channels with probability `prob`, else (0, 1, 2). 0 takes no random number."""
    if prob == 0 or random.random() >= prob:
        return 0, 1, 2
    first, second, third = random.sample(range(3), 3)
    return first, second, third


def shuffle_channels(img: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return an (H, W, 3) image whose channel i is channel `order[i]` of `img`; the image itself where none moves."""
    return img if tuple(order) == (0, 1, 2) else np.ascontiguousarray(img[..., list(order)])


def _oriented(img: np.ndarray, hflip: bool, vflip: bool, rot90: bool, is_turned: bool) -> np.ndarray:
    """Return a contiguous array. A crop is copied first: walking over a large picture by columns is slow."""
    img = np.ascontiguousarray(img)
    if img.dtype not in (np.uint8, np.uint16, np.float32) or img.shape[2:] not in ((), (3,), (4,)):
        return np.ascontiguousarray(_oriented_view(img, hflip, vflip, rot90, is_turned))

    # OpenCV takes a twentieth of the time of numpy, which copies pixel by pixel here.
    cv2 = import_cv2()
    if hflip or vflip:
        img = cv2.flip(img, -1 if hflip and vflip else int(hflip))
    if rot90:
        img = cv2.rotate(img, cv2.ROTATE_90_COUNTERCLOCKWISE) if is_turned else cv2.transpose(img)
    return img


def _oriented_view(img: np.ndarray, hflip: bool, vflip: bool, rot90: bool, is_turned: bool) -> np.ndarray:
    img = img[:, ::-1] if hflip else img
    img = img[::-1] if vflip else img
    if rot90 and is_turned:
        return np.rot90(img)
    return img.swapaxes(0, 1) if rot90 else img


def _resize(img: np.ndarray, side: int) -> np.ndarray:
    """Resize a square image: means of areas when it shrinks, cubic when it grows, without values it did not have."""
    cv2 = import_cv2()
    if torch.is_tensor(img):
        raise ValueError('scale_jitter resizes arrays (H, W, ...), not tensors')
    img = np.ascontiguousarray(img)
    shrinks = side < img.shape[0]
    resized = cv2.resize(img, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    resized = resized if shrinks else resized.clip(img.min(), img.max())
    return resized.reshape(side, side, *img.shape[2:])


def _listed(imgs: Any) -> list:
    return imgs if isinstance(imgs, list) else [imgs]


def _size(img: Any) -> tuple[int, int]:
    return tuple(img.shape[-2:] if torch.is_tensor(img) else img.shape[:2])
