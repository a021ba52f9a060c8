"""One reader of pictures for training, validation, inference and tools: the same pixels, whoever asks.

OpenCV and Pillow decode, Pillow converts ICC profiles; OpenEXR and libvips are optional.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from basicsr.utils.errors import DataError
from basicsr.utils.image_decode import decode_as_stored
from basicsr.utils.image_header import Format, ImageHeader, parse_header, read_header
from basicsr.utils.image_icc import differs_from_srgb, is_linear_srgb, profile_space, to_srgb_8bit
from basicsr.utils.image_util import Unreadable, largest, note, turn_upright
from basicsr.utils.image_vips import VipsError, convert_to_srgb

__all__ = ['READER_VERSION', 'ImageHeader', 'Picture', 'composite', 'read_header', 'read_picture']

# Part of the keys of pixel caches: raise it whenever the pixels of some file come out differently.
READER_VERSION = 2


@dataclass
class Picture:
    """A picture, and what writing it again in the same way takes.

    Attributes:
        pixels: (H, W, 3) BGR, upright: sRGB as uint8 or uint16, or float32 (linear light, values above 1 kept).
        alpha: (H, W) of the same type, or None. Colours of integer pictures are not multiplied by it; those of OpenEXR
            are, as that format defines.
        is_grey: the file stores no colours; the three channels are equal.
        icc_profile: the embedded profile if it differs from sRGB; `pixels` are already converted.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    is_grey: bool = False
    icc_profile: bytes | None = None
    format: Format = 'PNG'


def read_picture(source: bytes | str | os.PathLike, name: str | None = None) -> Picture:
    """Read a picture: orientation applied, colours of an embedded ICC profile converted to sRGB if they differ.

    Args:
        source: path, or the bytes of an encoded picture. The content tells the format, not the ending of the name.
        name: what messages call it, when `source` is bytes.

    Raises:
        DataError: no such file, damaged, animated, too large, NaN or infinite values, or of a kind that is not read
            faithfully; the message names the file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content, name = bytes(source), name or 'encoded picture'
    else:
        content, name = _read_bytes(source), str(source)
    header = parse_header(content, name)
    if header.gamma is not None and abs(header.gamma - 1 / 2.2) > 0.005:
        note(f'{name}: this PNG claims a gamma of {header.gamma:g} (gAMA), which is not applied: it is taken as sRGB')
    try:
        profile = _usable_profile(header, name)
        pixels, alpha = decode_as_stored(content, header)
        _check_decoded(pixels, header)
        pixels = _to_srgb(pixels, header, profile)
        return _picture(pixels, alpha, header, profile)
    except Unreadable as error:
        raise DataError(f'{name}: {error}') from None
    except MemoryError:
        raise DataError(f'{name}: not enough memory for {header.width:,} x {header.height:,} pixels') from None


def composite(picture: Picture, background: Literal['white', 'black']) -> np.ndarray:
    """Return the pixels over a background; integer pictures are mixed as they are encoded, as browsers do."""
    if picture.alpha is None:
        return picture.pixels
    if picture.format == 'EXR':  # multiplied by alpha already
        rest = np.float32(background == 'white') * (1 - picture.alpha[..., None])
        return picture.pixels + rest
    top = largest(picture.pixels)
    ground = float(top if background == 'white' else 0)
    mixed = ground + (picture.pixels - ground) * (picture.alpha[..., None] / top)
    return (mixed if top == 1 else mixed.round()).astype(picture.pixels.dtype)


def _read_bytes(path: str | os.PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'{path}: cannot read the picture: {error.strerror}') from None


def _usable_profile(header: ImageHeader, name: str) -> bytes | None:
    """Return the profile that the colours are to be converted from, None if they are those of sRGB already."""
    profile, colours = header.icc_profile, 'RGB' if header.colours == 'palette' else header.colours
    if profile is None or colours == 'Lab':
        return None
    space, must_fit = profile_space(profile), colours == 'CMYK'
    fits = space == colours or (header.is_grey and space == 'RGB')
    try:
        differs = fits and differs_from_srgb(profile)
    except Unreadable:
        fits, space = False, 'damaged'
    if not fits:
        problem = f'its ICC profile is {space or "damaged"}, its pixels are {colours}'
        if must_fit:
            raise Unreadable(f'{problem}, so its colours are unknown; convert it to sRGB')
        note(f'{name}: {problem}; the profile is ignored, the colours are taken as sRGB')
        return None
    if differs and header.is_float:
        if not is_linear_srgb(profile):
            raise Unreadable(f'floating point in the colours of {header.profile_name}; convert it to linear sRGB')
        return None
    return profile if differs else None


def _check_decoded(pixels: np.ndarray, header: ImageHeader) -> None:
    """The decoder gives what the header promises, and numbers."""
    size = (header.height, header.width) if header.orientation <= 4 else (header.width, header.height)
    if (
        pixels.shape[:2] != size
        or pixels.dtype.itemsize * 8 < header.bits
        or (pixels.dtype.kind == 'f') != header.is_float
    ):
        raise Unreadable(
            f'it decodes to {pixels.shape[1]} x {pixels.shape[0]} pixels of {pixels.dtype}, while its header promises '
            f'{size[1]} x {size[0]} of {header.bits} bits; convert it to PNG'
        )
    if header.is_float:
        with np.errstate(over='ignore'):
            num_bad = pixels.size - np.isfinite(pixels.astype(np.float32, copy=False)).sum()
        if num_bad:
            raise Unreadable(f'{num_bad:,} of its {pixels.size:,} values are NaN or infinite, unfit for training')


def _to_srgb(pixels: np.ndarray, header: ImageHeader, profile: bytes | None) -> np.ndarray:
    """Return (H, W, 3) BGR."""
    if profile is None and header.colours != 'Lab':
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=-1)
        return pixels.astype(np.float32, copy=False) if header.is_float else pixels
    if pixels.ndim == 2 and profile_space(profile) == 'RGB':
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    elif header.colours in ('RGB', 'palette'):
        pixels = pixels[..., ::-1]
    rgb = _from_16bit(pixels, profile, header) if pixels.dtype == np.uint16 else to_srgb_8bit(pixels, profile)
    return np.repeat(rgb[..., 1:2], 3, axis=-1) if header.is_grey else rgb[..., ::-1]


def _from_16bit(pixels: np.ndarray, profile: bytes, header: ImageHeader) -> np.ndarray:
    try:
        return convert_to_srgb(pixels, profile)
    except VipsError as error:
        what = f'converting 16 bits from the ICC profile {header.profile_name!r} to sRGB'
        raise Unreadable(f'{what} {error}; or convert the file') from None


def _picture(pixels: np.ndarray, alpha: np.ndarray | None, header: ImageHeader, profile: bytes | None) -> Picture:
    pixels = turn_upright(pixels, header.orientation)
    alpha = None if alpha is None else turn_upright(alpha, header.orientation).astype(pixels.dtype, copy=False)
    kept = None if header.colours == 'CMYK' else profile  # the pixels are RGB from here on
    return Picture(pixels, alpha, header.is_grey, kept, header.format)
