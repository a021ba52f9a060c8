"""The chunks of a PNG file besides its pixels."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from basicsr.utils.image_util import Unreadable, exif_orientation

_WANTED = {b'IHDR', b'iCCP', b'eXIf', b'acTL', b'tRNS', b'gAMA', b'sRGB', b'cICP'}
_MAX_CHUNK = 1 << 24
_TAIL = 1 << 16
_SRGB = (1, 13)  # ITU-T H.273, tables 2 and 3: primaries of BT.709, transfer function of sRGB
# PNG (third edition), section 11.2.1: colour types.
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6


def png_facts(file: BinaryIO) -> dict:
    """Return what a PNG file tells about itself, as fields of ImageHeader."""
    chunks = dict(_wanted_chunks(file))
    if len(chunks.get(b'IHDR', b'')) != 13:
        raise ValueError('it does not begin with an IHDR chunk')
    if b'acTL' in chunks:
        raise Unreadable('an animation (APNG); store its pictures in files of their own')
    if b'cICP' in chunks and tuple(chunks[b'cICP'][:2]) != _SRGB:
        raise Unreadable(f'its colour space is {tuple(chunks[b"cICP"])} of ITU-T H.273 (cICP); convert it to sRGB')

    width, height, depth, colour_type = struct.unpack('>IIBB', chunks[b'IHDR'][:10])
    is_grey, transparency = colour_type in (_GREY, _GREY_ALPHA), chunks.get(b'tRNS')
    key = None
    if transparency and colour_type in (_GREY, _RGB):
        key = struct.unpack(f'>{len(transparency) // 2}H', transparency)
    return {
        'width': width,
        'height': height,
        'bits': 16 if depth == 16 else 8,
        'stored_bits': depth,
        'is_grey': is_grey,
        'colours': 'palette' if colour_type == _PALETTE else 'grey' if is_grey else 'RGB',
        'has_alpha': colour_type in (_GREY_ALPHA, _RGB_ALPHA) or bool(transparency),
        'icc_profile': _profile(chunks.get(b'iCCP')),
        'orientation': exif_orientation(chunks.get(b'eXIf')),
        'colour_key': key,
        'gamma': _gamma(chunks),
    }


def _wanted_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, data) of what stands before the pixels, and of EXIF close behind them, near the end of the file.

    A truncated file simply ends: the decoder will tell.
    """
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack('>I4s', head)
        if kind == b'IDAT':
            yield from _exif_at_the_end(file)
            return
        if kind in _WANTED and length <= _MAX_CHUNK:
            yield kind, file.read(length)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _exif_at_the_end(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Going from chunk to chunk, over the pixels, would read the whole file from the disk."""
    file.seek(max(file.tell(), file.seek(0, 2) - _TAIL))
    tail = file.read()
    place = tail.find(b'eXIf', 4)
    if place < 0:
        return
    end = place + 4 + int.from_bytes(tail[place - 4 : place], 'big')
    if zlib.crc32(tail[place:end]).to_bytes(4, 'big') == tail[end : end + 4]:  # else four bytes of pixels
        yield b'eXIf', tail[place + 4 : end]


def _gamma(chunks: dict[bytes, bytes]) -> float | None:
    if len(chunks.get(b'gAMA', b'')) != 4 or {b'sRGB', b'iCCP', b'cICP'} & set(chunks):
        return None
    return int.from_bytes(chunks[b'gAMA'], 'big') / 100_000


def _profile(chunk: bytes | None) -> bytes | None:
    """Return the ICC profile of an iCCP chunk: name, 0, method 0, compressed profile."""
    if not chunk or b'\0' not in chunk[:80]:
        return None
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b'\0') + 2 :], _MAX_CHUNK) or None
    except zlib.error:
        return b'damaged'
