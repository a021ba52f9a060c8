"""Pictures in memory and on disk. Arrays are (H, W, C) in OpenCV's BGR order, tensors (C, H, W) in RGB order."""

import math
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.image_file import composite, read_picture
from basicsr.utils.image_util import note
from basicsr.utils.misc import import_cv2


def read_image(
    source: bytes | str | os.PathLike, name: str | None = None, alpha: Literal['drop', 'white', 'black'] = 'drop'
) -> np.ndarray:
    """Read a picture as (H, W, 3) BGR, uint8, uint16 or float32.

    Sixteen bits stay sixteen bits; OpenEXR, Radiance HDR and floating-point TIFF are linear light, values above 1 kept.
    EXIF orientation is applied, colours of an embedded ICC profile are converted to sRGB if they differ, grey is
    repeated in three channels.

    Args:
        source: path, or the bytes of an encoded picture.
        name: what messages call it, when `source` is bytes.
        alpha: drop it (the log says so once), or put the picture on white or black.

    Raises:
        DataError: no such file, or not a picture that can be read faithfully, see `read_picture`; names the file.
    """
    if alpha not in ('drop', 'white', 'black'):
        raise ValueError(f'alpha: {alpha!r} is not one of drop, white, black')
    picture = read_picture(source, name)
    if picture.alpha is None:
        return picture.pixels
    if alpha != 'drop':
        return composite(picture, alpha)
    if to_float(picture.alpha).min() < 1:
        name = name or ('a picture' if isinstance(source, bytes) else str(source))
        note(f'{name}: transparent parts; alpha is dropped, here and in further pictures', key='alpha')
    return picture.pixels


def imfrombytes(
    content: bytes, flag: Literal['color', 'grayscale', 'unchanged'] = 'color', float32: bool = False
) -> np.ndarray:
    """Decode a picture as BasicSR does: 8 bits unless `unchanged`, BGR.

    Args:
        float32: return float32 in [0, 1].
    """
    cv2 = import_cv2()
    flags = {'color': cv2.IMREAD_COLOR, 'grayscale': cv2.IMREAD_GRAYSCALE, 'unchanged': cv2.IMREAD_UNCHANGED}
    if flag not in flags:
        raise ValueError(f'flag: {flag!r} is not one of {", ".join(flags)}')
    img = _decode(content, flags[flag])
    return to_float(img) if float32 else img


def to_float(img: np.ndarray) -> np.ndarray:
    """Return a uint8 or uint16 image as float32 in [0, 1]; float images keep their values."""
    if np.issubdtype(img.dtype, np.integer):
        return img.astype(np.float32) / np.float32(np.iinfo(img.dtype).max)
    return img.astype(np.float32)


def imwrite(
    img: np.ndarray, file_path: str | os.PathLike, params: list[int] | None = None, auto_mkdir: bool = True
) -> None:
    """Write a picture; the ending of the name is its format. The file appears whole or not at all.

    Args:
        params: OpenCV's encoding parameters.
        auto_mkdir: create the folder.

    Raises:
        UserError: unknown format, or the file cannot be written; names the path.
    """
    path = Path(file_path)
    content = _encode(img, path, params or [])
    if not (auto_mkdir or path.parent.is_dir()):
        raise UserError(f'{path}: cannot write the picture: no such folder')
    write_atomic(path, content.tobytes())


def img2tensor(imgs: Any, bgr2rgb: bool = True, float32: bool = True) -> Any:
    """Turn (H, W, C) arrays into (C, H, W) tensors; values are not scaled.

    Args:
        imgs: an array or a list of arrays; the result is alike. Grey images are (H, W, 1).
        bgr2rgb: swap the channels of three-channel images.
        float32: convert to float32.
    """
    if isinstance(imgs, list):
        return [img2tensor(img, bgr2rgb, float32) for img in imgs]
    if imgs.ndim != 3:
        raise ValueError(f'expected an image of shape (H, W, C), got {imgs.shape}')
    if bgr2rgb and imgs.shape[2] == 3:
        imgs = imgs[..., ::-1]
    dtype = np.float32 if float32 or imgs.dtype == np.float64 else imgs.dtype
    return torch.from_numpy(np.array(imgs.transpose(2, 0, 1), dtype, order='C'))


def tensor2img(
    tensor: Any, rgb2bgr: bool = True, out_type: type = np.uint8, min_max: tuple[float, float] = (0, 1)
) -> np.ndarray | list[np.ndarray]:
    """Turn tensors into pictures: clamp to `min_max`, scale to the range of `out_type`, round half to even.

    Args:
        tensor: (N, C, H, W) becomes a grid of pictures when N > 1; (C, H, W); (H, W); or a list of such.
        rgb2bgr: swap the channels of three-channel images.
        out_type: an integer type, or a float type for [0, 1].

    Returns:
        (H, W, C), or (H, W) for grey; a list when `tensor` is a list of several.
    """
    tensors = tensor if isinstance(tensor, list) else [tensor]
    if not all(torch.is_tensor(t) for t in tensors):
        raise TypeError(f'expected a tensor or a list of tensors, got {type(tensor).__name__}')
    imgs = [_to_picture(t, rgb2bgr, out_type, min_max) for t in tensors]
    return imgs[0] if len(imgs) == 1 else imgs


def crop_border(imgs: Any, crop_border: int) -> Any:
    """Cut `crop_border` pixels from each side of an (H, W, ...) array, or of each array in a list."""
    if isinstance(imgs, list):
        return [_cut(img, crop_border) for img in imgs]
    return _cut(imgs, crop_border)


def _cut(img: np.ndarray, border: int) -> np.ndarray:
    return img[border:-border, border:-border, ...] if border else img


def _to_picture(tensor: torch.Tensor, rgb2bgr: bool, out_type: type, min_max: tuple[float, float]) -> np.ndarray:
    low, high = min_max
    tensor = tensor.detach().float().cpu().clamp(low, high)
    tensor = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    tensor = (tensor - low) / (high - low)
    if tensor.ndim == 4:
        from torchvision.utils import make_grid

        tensor = make_grid(tensor, nrow=int(math.sqrt(len(tensor))))
    if tensor.ndim not in (2, 3):
        raise TypeError(f'expected a tensor of 2 to 4 dimensions, got {tensor.ndim}')
    img = tensor.numpy()
    if img.ndim == 3:
        img = img.transpose(1, 2, 0)
        if img.shape[2] == 1:
            img = img[..., 0]
        elif img.shape[2] == 3 and rgb2bgr:
            img = img[..., ::-1]
    if np.issubdtype(out_type, np.integer):
        img = (img * np.iinfo(out_type).max).round()
    return np.ascontiguousarray(img, dtype=out_type)


def _decode(content: bytes, flags: int) -> np.ndarray:
    cv2 = import_cv2()
    if not content:
        raise DataError('encoded picture: it is empty')
    try:
        img = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:  # among others, more pixels than OpenCV accepts
        raise DataError(f'encoded picture: cannot decode the picture: {error.err}') from None
    if img is None:
        raise DataError(
            f'encoded picture: not one that OpenCV can read, or a truncated or damaged one ({len(content):,} bytes)'
        )
    return img


def _encode(img: np.ndarray, path: Path, params: list[int]) -> np.ndarray:
    cv2 = import_cv2()
    try:
        is_encoded, content = cv2.imencode(path.suffix, img, params)
    except cv2.error as error:
        raise UserError(f'{path}: cannot encode the picture: {error.err}') from None
    if not is_encoded:
        raise UserError(f'{path}: OpenCV cannot encode an image of shape {img.shape} and type {img.dtype} like this')
    return content
