"""What the readers of the picture formats share: errors, notes, limits, orientation."""

import os
import struct
import zlib

import numpy as np

from basicsr.utils.errors import DataError
from basicsr.utils.logger import get_root_logger

_ORIENTATION = 0x0112  # the tag of Exif 2.32, section 4.6.4 A
_noted: set[str] = set()

MAX_PIXELS = 2**28
MAX_PIXELS_VARIABLE = 'BASICSR_MAX_IMAGE_PIXELS'


def pillow_errors() -> tuple[type[Exception], ...]:
    """Return what Pillow raises on damaged files, depending on where the damage is."""
    from PIL.Image import DecompressionBombError

    damage = (SyntaxError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)
    return (*damage, OSError, EOFError, struct.error, zlib.error, DecompressionBombError)


class Unreadable(Exception):
    """Why a picture is refused; becomes a DataError where the name of the file is known."""


def note(text: str, key: str | None = None) -> None:
    """Log a warning, once per process for the same text, or the same key."""
    if (key or text) not in _noted:
        _noted.add(key or text)
        get_root_logger().warning(text)


def max_pixels() -> int:
    """Return how many pixels a picture may have: `BASICSR_MAX_IMAGE_PIXELS`, or 2^28, 268 million."""
    text = os.environ.get(MAX_PIXELS_VARIABLE, '')
    if text and not text.isdecimal():
        raise DataError(f'{MAX_PIXELS_VARIABLE}={text}: the environment variable is to hold a number of pixels')
    return int(text) if text else MAX_PIXELS


def exif_orientation(exif: bytes | None) -> int:
    """Return the orientation of an EXIF block, 1 to 8; 1 where there is none, or none that makes sense.

    An orientation in XMP does not count: decoders and browsers do not look at it either.
    """
    from PIL import Image

    block = Image.Exif()
    try:
        block.load(exif)
        orientation = block.get(_ORIENTATION)
    except pillow_errors():
        return 1
    return valid_orientation(orientation)


def valid_orientation(orientation: object) -> int:
    """Return an orientation of 1 to 8 as it is, and 1 for everything else."""
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def turn_upright(img: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture (H, W, ...) that was stored with this EXIF orientation."""
    if orientation > 4:  # 5 to 8: rows and columns are exchanged
        img = img.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        img = img[::-1]
    if orientation in (2, 3, 6, 7):
        img = img[:, ::-1]
    return np.ascontiguousarray(img)


def largest(img: np.ndarray) -> int:
    """Return the value of white: the maximum of an integer type, 1 for floating point."""
    return int(np.iinfo(img.dtype).max) if img.dtype.kind == 'u' else 1
