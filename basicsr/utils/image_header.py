"""What the header of a picture tells, without decoding it; and which pictures are refused on its word."""

import io
import os
import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

from basicsr.utils.errors import DataError
from basicsr.utils.image_icc import profile_name
from basicsr.utils.image_parsers import PARSERS
from basicsr.utils.image_util import MAX_PIXELS_VARIABLE, Unreadable, max_pixels, pillow_errors

Format = Literal['JPEG', 'PNG', 'TIFF', 'WEBP', 'BMP', 'GIF', 'JPEG2000', 'PNM', 'HDR', 'EXR']


@dataclass(frozen=True)
class ImageHeader:
    """The header of a picture; sizes are those of what `read_image` returns, after it is turned upright.

    Attributes:
        bits: of a sample as it is read: 8, 16 or 32.
        profile_name: the description in the embedded ICC profile, None where there is none or it is damaged.
        orientation: EXIF 2.32, section 4.6.4 A, 1 to 8; 1 is upright.
        jpeg_quality: 1 to 100, of the quantisation tables of the IJG's encoder that are nearest to the file's.
        jpeg_subsampling: of chroma: `4:4:4`, `4:2:2`, `4:2:0`, ...; None for other formats and for grey.
        colours: how the file stores them.
        stored_bits: of a sample in the file: 1, 2, 4, 8, 12, 16, 32 or 64.
        is_premultiplied: the file stores colours that are multiplied by alpha.
        is_planar: the file stores one channel after the other.
        colour_key: the colour, as stored (R, G, B or grey), that is transparent in this PNG.
        gamma: of a PNG that tells no colour space besides; it is not applied.
    """

    width: int
    height: int
    bits: int
    format: Format
    is_float: bool = False
    has_alpha: bool = False
    is_grey: bool = False
    icc_profile: bytes | None = None
    profile_name: str | None = None
    orientation: int = 1
    jpeg_quality: int | None = None
    jpeg_subsampling: str | None = None
    colours: Literal['RGB', 'grey', 'palette', 'CMYK', 'Lab'] = 'RGB'
    stored_bits: int = 8
    is_premultiplied: bool = False
    is_planar: bool = False
    colour_key: tuple[int, ...] | None = None
    gamma: float | None = None


def read_header(path: str | os.PathLike) -> ImageHeader:
    """Read the header of a picture.

    Raises:
        DataError: no such file, no picture, or one that `read_image` would refuse, as far as the header tells.
    """
    try:
        with open(path, 'rb') as file:
            return parse_header(file, str(path))
    except OSError as error:
        raise DataError(f'{path}: cannot read the picture: {error.strerror or error}') from None


def parse_header(source: bytes | BinaryIO, name: str) -> ImageHeader:
    """Read the header of an encoded picture, or of an open file; `name` is what messages call it.

    Raises:
        DataError: as `read_header`.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        header = _parse(file)
        _check_size(header)
    except Unreadable as error:
        raise DataError(f'{name}: {error}') from None
    return header


def _parse(file: BinaryIO) -> ImageHeader:
    start = file.read(32)
    file.seek(0)
    if not start:
        raise Unreadable('the file is empty')

    image_format = _sniff(start)
    try:
        facts = PARSERS[image_format](file)
    except pillow_errors() as error:
        raise Unreadable(f'cannot read its header, it is truncated or damaged ({image_format}: {error})') from None

    facts['format'] = image_format
    if facts.get('icc_profile'):
        facts['profile_name'] = profile_name(facts['icc_profile'])
    elif facts.get('colours') == 'CMYK':
        raise Unreadable('CMYK without an ICC profile, so its colours are unknown; convert it to sRGB')
    if facts.get('orientation', 1) > 4:
        facts['width'], facts['height'] = facts['height'], facts['width']
    return ImageHeader(**facts)


def _check_size(header: ImageHeader) -> None:
    count = header.width * header.height
    if count <= 0:
        raise Unreadable(f'it has no pixels: {header.width} x {header.height}')
    if count > max_pixels():
        raise Unreadable(
            f'{header.width:,} x {header.height:,} are {count:,} pixels, more than the limit of {max_pixels():,}; '
            f'set the environment variable {MAX_PIXELS_VARIABLE} to read it all the same'
        )


_SIGNATURES: list[tuple[bytes, Format]] = [
    (rb'\xff\xd8\xff', 'JPEG'),
    (rb'\x89PNG\r\n\x1a\n', 'PNG'),
    (rb'II[*+]\0|MM\0[*+]', 'TIFF'),
    (rb'RIFF....WEBP', 'WEBP'),
    (rb'BM', 'BMP'),
    (rb'GIF8[79]a', 'GIF'),
    (rb'\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51', 'JPEG2000'),
    (rb'P[1-6][\s#]', 'PNM'),
    (rb'#\?(RADIANCE|RGBE)\s', 'HDR'),
    (rb'\x76\x2f\x31\x01', 'EXR'),
]


def _sniff(start: bytes) -> Format:
    """Tell the format by the first bytes: the ending of a name may be wrong."""
    for signature, image_format in _SIGNATURES:
        if re.match(signature, start, re.DOTALL):
            return image_format
    if start[4:8] == b'ftyp':
        kind = start[8:12].decode('latin-1').strip()
        raise Unreadable(f'a HEIF, AVIF or video file ({kind}), which is not read; convert it to PNG, TIFF or JPEG')
    raise Unreadable(
        'not a picture of a format that is read (JPEG, PNG, TIFF, WebP, BMP, GIF, JPEG 2000, PNM, Radiance HDR, '
        f'OpenEXR); it starts with {start[:8]!r}'
    )
