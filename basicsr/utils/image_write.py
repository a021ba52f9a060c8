"""Writes a Picture as it was read: in its colour space, with its depth, grey or not, with alpha where possible."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import UserError
from basicsr.utils.image_exr import encode_exr
from basicsr.utils.image_icc import from_srgb_8bit, profile_space
from basicsr.utils.image_tiff import with_alpha_told
from basicsr.utils.image_util import Unreadable
from basicsr.utils.image_vips import VipsError, encode_with_profile
from basicsr.utils.misc import import_cv2

if TYPE_CHECKING:
    from basicsr.utils.image_file import Picture

_FORMATS = {
    '.jpg': 'JPEG',
    '.jpeg': 'JPEG',
    '.png': 'PNG',
    '.tif': 'TIFF',
    '.tiff': 'TIFF',
    '.webp': 'WEBP',
    '.exr': 'EXR',
    '.hdr': 'HDR',
}
_DEFLATE = 8  # of TIFF, "Adobe" kind
_FLOAT_FORMATS = ('EXR', 'HDR', 'TIFF')


def write_picture(picture: 'Picture', path: str | os.PathLike, quality: int = 95) -> None:
    """Write a picture; the ending of the name is its format: JPEG, PNG, TIFF, WebP, OpenEXR or Radiance HDR.

    Colours are converted to `picture.icc_profile`, which is embedded, and are sRGB without one. PNG and TIFF keep 16
    bits, JPEG and WebP round to 8; JPEG has no alpha. Floating point goes to OpenEXR, TIFF or Radiance HDR. The file
    appears whole or not at all, and its folder is created.

    Args:
        quality: of JPEG (without subsampling of chroma) and WebP, 1 to 100.

    Raises:
        UserError: unknown ending, a picture that the format cannot hold, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f'{path}: pictures are written as {", ".join(_FORMATS)}; choose one of these endings')
    file_format = _FORMATS[path.suffix.lower()]
    is_float = picture.pixels.dtype.kind == 'f'
    if is_float != (file_format in _FLOAT_FORMATS) and file_format != 'TIFF':
        kinds = 'floating-point' if is_float else 'integer'
        raise UserError(f'{path}: {file_format} does not hold {kinds} pictures; choose another ending')

    try:
        content = _encode_float(picture, path) if is_float else _encode(picture, file_format, quality)
    except Unreadable as error:
        raise UserError(f'{path}: {error}') from None
    write_atomic(path, content)


def _encode(picture: 'Picture', file_format: str, quality: int) -> bytes:
    pixels, alpha, is_deep = picture.pixels, picture.alpha, picture.pixels.dtype == np.uint16
    if is_deep and file_format in ('JPEG', 'WEBP'):
        pixels, alpha, is_deep = _to_8bit(pixels), None if alpha is None else _to_8bit(alpha), False
    alpha = None if file_format == 'JPEG' else alpha
    profile = picture.icc_profile
    if profile is not None and profile_space(profile) == 'grey' and (not picture.is_grey or file_format == 'WEBP'):
        profile = None  # colours, if only three equal ones: sRGB, then
    if is_deep and profile is not None:
        return _encode_16bit_with_profile(pixels, alpha, picture.is_grey, profile, file_format)
    if is_deep:
        return _encode_with_opencv(pixels, alpha, picture.is_grey, '.png' if file_format == 'PNG' else '.tif')
    return _encode_8bit(pixels, alpha, picture.is_grey, profile, file_format, quality)


def _to_8bit(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _encode_8bit(
    pixels: np.ndarray, alpha: np.ndarray | None, is_grey: bool, profile: bytes | None, file_format: str, quality: int
) -> bytes:
    from PIL import Image

    rgb = np.ascontiguousarray(pixels[..., ::-1])
    colours = rgb if profile is None else from_srgb_8bit(rgb, profile)
    if is_grey and colours.ndim == 3 and file_format != 'WEBP':
        colours = np.ascontiguousarray(colours[..., 1])
    img = Image.fromarray(colours)
    if alpha is not None:
        img.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
    options = {
        'JPEG': {'quality': quality, 'subsampling': 0},
        'WEBP': {'quality': quality},
        'TIFF': {'compression': 'tiff_adobe_deflate'},
        'PNG': {},
    }[file_format]
    stream = io.BytesIO()
    img.save(stream, file_format, **options, **({'icc_profile': profile} if profile else {}))
    return stream.getvalue()


def _encode_with_opencv(pixels: np.ndarray, alpha: np.ndarray | None, is_grey: bool, ending: str) -> bytes:
    cv2 = import_cv2()
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    elif is_grey:
        pixels = np.ascontiguousarray(pixels[..., 1])
    try:
        # Without this, floating-point TIFF may be stored as LogLuv, which is lossy.
        options = [cv2.IMWRITE_TIFF_COMPRESSION, _DEFLATE] if ending.startswith('.tif') else []
        is_encoded, content = cv2.imencode(ending, pixels, options)
    except cv2.error as error:
        raise Unreadable(f'cannot encode the picture: {error.err}') from None
    if not is_encoded:
        raise Unreadable(f'OpenCV cannot encode an image of shape {pixels.shape} and type {pixels.dtype} as {ending}')
    is_tiff_with_alpha = alpha is not None and ending != '.png'
    return with_alpha_told(content.tobytes()) if is_tiff_with_alpha else content.tobytes()


def _encode_16bit_with_profile(
    pixels: np.ndarray, alpha: np.ndarray | None, is_grey: bool, profile: bytes, file_format: str
) -> bytes:
    try:
        return encode_with_profile(pixels[..., ::-1], alpha, is_grey, profile, file_format)
    except VipsError as error:
        raise Unreadable(f'converting 16 bits from sRGB to the ICC profile of the picture {error}') from None


def _encode_float(picture: 'Picture', path: Path) -> bytes:
    pixels = picture.pixels[..., 1] if picture.is_grey else picture.pixels
    if path.suffix.lower() == '.exr':
        return encode_exr(pixels, picture.alpha)
    is_tiff = path.suffix.lower() != '.hdr'
    return _encode_with_opencv(
        picture.pixels, picture.alpha if is_tiff else None, picture.is_grey and is_tiff, path.suffix.lower()
    )
