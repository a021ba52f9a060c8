"""The tags of a TIFF file, and which of its many kinds are read."""

import struct
from typing import BinaryIO

from basicsr.utils.image_util import Unreadable, valid_orientation

# TIFF 6.0, section 8, and its supplements.
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION = 254, 255, 256, 257, 258, 262, 274
_SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT, _ICC, _DNG = 277, 284, 338, 339, 34675, 50706
_KINDS = {0: 'grey', 1: 'grey', 2: 'RGB', 3: 'palette', 5: 'CMYK', 6: 'RGB', 8: 'Lab'}  # YCbCr is decoded to RGB
_COLOUR_SAMPLES = {'grey': 1, 'RGB': 3, 'palette': 1, 'CMYK': 4, 'Lab': 3}
_MAX_PAGES = 1000


def tiff_facts(file: BinaryIO) -> dict:
    """Return what a TIFF file tells about itself, as fields of ImageHeader."""
    if file.read(4) == b'MM\0+':
        raise Unreadable('a BigTIFF with the most significant byte first, which is not read; convert it')
    tags, next_offset = _read_directory(file)
    if _DNG in tags or _is_reduced(tags):
        raise Unreadable('a camera raw file (DNG or alike), not a developed picture; export it as TIFF, PNG or JPEG')
    _refuse_pages(file, next_offset)

    bits, extra = tags.get(_BITS, (1,)), tags.get(_EXTRA, ())
    photometric, samples = tags.get(_PHOTOMETRIC, 1), tags.get(_SAMPLES, 1)
    kind = _KINDS.get(photometric)
    facts = {
        'width': int(tags[_WIDTH]),
        'height': int(tags[_HEIGHT]),
        'stored_bits': bits[0],
        'bits': 8 if bits[0] <= 8 else 16 if bits[0] <= 16 else 32,
        'is_float': tags.get(_SAMPLE_FORMAT, (1,))[0] == 3,
        'is_grey': kind == 'grey',
        'colours': kind,
        'has_alpha': kind in ('grey', 'RGB') and _is_alpha(extra, samples - _COLOUR_SAMPLES[kind]),
        'is_premultiplied': bool(extra) and extra[0] == 1,
        'is_planar': samples > 1 and tags.get(_PLANAR, 1) == 2,
        'icc_profile': tags.get(_ICC) or None,
        'orientation': valid_orientation(tags.get(_ORIENTATION)),
    }
    _refuse_kinds(facts, photometric, samples, set(bits), tags.get(_SAMPLE_FORMAT, (1,)))
    return facts


def _is_alpha(extra: tuple[int, ...], num_extra: int) -> bool:
    """Section 18: 1 and 2 are alpha. Writers that leave the tag out mean alpha, too."""
    return extra[0] in (1, 2) if extra else num_extra == 1


def stored_upright(content: bytes) -> bytes:
    """Set the orientation of an encoded TIFF to 1: some decoders apply it and some do not, so the reader does it."""
    order = '<' if content[:2] == b'II' else '>'
    is_big = content[2:4] == b'+\0'
    place = struct.unpack_from(f'{order}Q' if is_big else f'{order}I', content, 8 if is_big else 4)[0]
    count = struct.unpack_from(f'{order}Q' if is_big else f'{order}H', content, place)[0]
    place, size, value = place + (8 if is_big else 2), 20 if is_big else 12, 12 if is_big else 8
    for entry in range(place, min(place + count * size, len(content) - size + 1), size):
        if struct.unpack_from(f'{order}HH', content, entry) == (_ORIENTATION, 3):
            upright = bytearray(content)
            struct.pack_into(f'{order}H', upright, entry + value, 1)
            return bytes(upright)
    return content


def with_alpha_told(content: bytes) -> bytes:
    """Add the tag that tells that the last channel is alpha, which does not multiply the colours; OpenCV leaves it out.

    The file is one of OpenCV's: a little-endian TIFF of one directory. A new directory comes to its end.
    """
    place = struct.unpack_from('<I', content, 4)[0]
    count = struct.unpack_from('<H', content, place)[0]
    entries = [content[place + 2 + 12 * i : place + 14 + 12 * i] for i in range(count)]
    entries = sorted([*entries, struct.pack('<HHIHxx', _EXTRA, 3, 1, 2)], key=lambda e: struct.unpack_from('<H', e))
    padding = bytes(len(content) % 2)
    directory = struct.pack('<H', len(entries)) + b''.join(entries) + bytes(4)
    return content[:4] + struct.pack('<I', len(content + padding)) + content[8:] + padding + directory


def _read_directory(file: BinaryIO, offset: int | None = None) -> tuple[dict, int]:
    """Return the tags of the directory at `offset`, the first one if None, and the offset of the next one."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file.seek(0)
    start = file.read(8)
    is_big = start[2:4] == b'+\0'
    directory = ImageFileDirectory_v2(ifh=start + (file.read(8) if is_big else b''))
    file.seek(directory.next if offset is None else offset)
    directory.load(file)
    return dict(directory), directory.next


def _is_reduced(tags: dict) -> bool:
    return bool(tags.get(_SUBFILE, 0) & 1) or tags.get(_OLD_SUBFILE) == 2


def _refuse_pages(file: BinaryIO, offset: int) -> None:
    """Further pages may be smaller copies of the first one, and nothing else."""
    seen = set()
    while offset and offset not in seen and len(seen) < _MAX_PAGES:
        seen.add(offset)
        tags, offset = _read_directory(file, offset)
        if tags and not _is_reduced(tags):
            raise Unreadable('a TIFF of several pages; store each in a file of its own')


def _refuse_kinds(facts: dict, photometric: int, samples: int, bits: set[int], formats: tuple[int, ...]) -> None:
    kind, depth = facts['colours'], facts['stored_bits']
    if kind is None:
        raise Unreadable(f'a TIFF whose colours are stored in an unusual way (PhotometricInterpretation {photometric})')
    if len(bits) > 1 or samples < _COLOUR_SAMPLES[kind]:
        raise Unreadable(f'a TIFF of {samples} channels of {sorted(bits)} bits, which does not fit its kind, {kind}')
    if set(formats) - {1, 3, 4} or (facts['is_float'] and depth not in (32, 64)) or (depth > 16) > facts['is_float']:
        what = 'floating point' if facts['is_float'] else 'signed' if 2 in formats else 'integer'
        raise Unreadable(f'its samples are {what} of {depth} bits; convert it to 8 or 16 bits unsigned, or to float32')
    if depth not in (1, 2, 4, 8, 16, 32, 64) and not (depth == 12 and kind == 'grey' and samples == 1):
        raise Unreadable(f'its samples have {depth} bits; convert it to 8 or 16 bits')
    is_plain = photometric in (1, 2) and samples in (1, 3, 4) and (kind == 'grey') == (samples == 1)
    if depth > 8 and not is_plain:
        raise Unreadable(
            f'a TIFF of {depth} bits with {samples} channels, PhotometricInterpretation {photometric}, which '
            'no decoder here reads faithfully; convert it to RGB, RGBA or grey (black is 0)'
        )
