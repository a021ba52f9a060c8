"""Crops of a file without decoding what lies below them, by libvips (extra `vips`)."""

import os
from pathlib import Path

import numpy as np

from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_picture
from basicsr.utils.image_header import ImageHeader, read_header
from basicsr.utils.image_icc import differs_from_srgb
from basicsr.utils.image_util import Unreadable
from basicsr.utils.image_vips import VipsError, decode_crop, has_vips, is_forked

_JPEG_END = b'\xff\xd9'  # ITU-T T.81, table B.1: EOI


class RegionImage:
    """A picture on disk as an array: slices of it equal those of what `read_image` returns.

    A slice decodes the rows down to its last one, each time anew; all of them in a process that was forked from one
    that had used libvips. Damage below the slice goes unnoticed.

    Attributes:
        shape: (H, W, 3).
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, path: str | os.PathLike, header: ImageHeader) -> None:
        self.path = str(path)
        self.shape = (header.height, header.width, 3)

    def __getitem__(self, slices: tuple[slice, slice]) -> np.ndarray:
        """Return `[top:bottom, left:right]` as (h, w, 3) BGR.

        Raises:
            DataError: the file is damaged, or has changed since it was opened.
        """
        top, bottom, left, right = _bounds(slices, self.shape)
        if top >= bottom or left >= right:
            return np.empty((max(bottom - top, 0), max(right - left, 0), 3), np.uint8)
        if is_forked():
            return np.ascontiguousarray(read_picture(self.path).pixels[top:bottom, left:right])
        try:
            region = decode_crop(self.path, left, top, right - left, bottom - top)
        except VipsError as error:
            raise DataError(f'{self.path}: reading a part of it {error}') from None
        if region.dtype != np.uint8 or region.shape[2] not in (1, 3):
            raise DataError(f'{self.path}: it has changed since it was opened')
        return np.repeat(region, 3, axis=-1) if region.shape[2] == 1 else np.ascontiguousarray(region[..., ::-1])


def open_region(path: str | os.PathLike) -> RegionImage | None:
    """Return crops of a file on demand; None where libvips is not there, or would give other pixels than `read_image`.

    Suitable are JPEG and PNG of 8 bits, RGB or grey, upright, whose ICC profile, if any, is that of sRGB.

    Raises:
        DataError: no such file, or one that `read_image` refuses by its header.
    """
    if not has_vips():
        return None
    header = read_header(path)
    return RegionImage(path, header) if _is_suitable(header) and _is_whole(Path(path), header) else None


def _is_suitable(header: ImageHeader) -> bool:
    is_plain = header.colours in ('RGB', 'grey') and not header.has_alpha and header.stored_bits == 8
    if header.format not in ('JPEG', 'PNG') or not is_plain or header.orientation != 1:
        return False
    try:
        return header.icc_profile is None or not differs_from_srgb(header.icc_profile)
    except Unreadable:
        return False


def _is_whole(path: Path, header: ImageHeader) -> bool:
    """A truncated JPEG is refused by `read_image`, while libvips would give the crops above the damage."""
    with path.open('rb') as file:
        file.seek(max(path.stat().st_size - 64, 0))
        end = file.read()
    return (_JPEG_END if header.format == 'JPEG' else b'IEND') in end


def _bounds(slices: tuple[slice, slice], shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
    rows, columns = slices
    (top, bottom, row_step), (left, right, column_step) = rows.indices(shape[0]), columns.indices(shape[1])
    if (row_step, column_step) != (1, 1):
        raise IndexError('a region is [top:bottom, left:right], without steps')
    return top, bottom, left, right
