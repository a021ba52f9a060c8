"""What each format tells about a picture in its header; PNG, TIFF and OpenEXR have files of their own.

Every function takes an open file and returns fields of ImageHeader. Damage surfaces as one of `pillow_errors`. Pillow's
classes are used directly: `Image.open` would refuse what is smaller than the limit of `image_header`.
"""

import re
from collections.abc import Callable
from typing import BinaryIO

from basicsr.utils.image_exr import exr_facts
from basicsr.utils.image_jpeg import chroma_subsampling, estimate_quality
from basicsr.utils.image_png import png_facts
from basicsr.utils.image_tiff import tiff_facts
from basicsr.utils.image_util import Unreadable, exif_orientation


def _parse_jpeg(file: BinaryIO) -> dict:
    from PIL.JpegImagePlugin import JpegImageFile  # the first image of an MPO file is the photograph

    with JpegImageFile(file) as img:
        colours = {'L': 'grey', 'RGB': 'RGB', 'CMYK': 'CMYK'}[img.mode]
        return {
            **_from_pillow(img),
            'colours': colours,
            'is_grey': colours == 'grey',
            'jpeg_quality': estimate_quality(list(img.quantization.values())),
            'jpeg_subsampling': chroma_subsampling(img.layer),
        }


def _parse_webp(file: BinaryIO) -> dict:
    from PIL.WebPImagePlugin import WebPImageFile

    with WebPImageFile(file) as img:
        _refuse_animation(img)
        return {**_from_pillow(img), 'has_alpha': img.mode == 'RGBA'}


def _parse_bmp(file: BinaryIO) -> dict:
    from PIL.BmpImagePlugin import BmpImageFile

    with BmpImageFile(file) as img:
        facts = {'colours': 'palette'} if img.mode == 'P' else {'is_grey': img.mode in ('1', 'L')}
        return {**_from_pillow(img), **facts, 'has_alpha': img.mode == 'RGBA'}


def _parse_gif(file: BinaryIO) -> dict:
    from PIL.GifImagePlugin import GifImageFile

    with GifImageFile(file) as img:
        _refuse_animation(img)
        return {**_from_pillow(img), 'colours': 'palette', 'has_alpha': 'transparency' in img.info}


def _parse_jpeg2000(file: BinaryIO) -> dict:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    with Jpeg2KImageFile(file) as img:
        facts = _from_pillow(img)
        mode = img.mode
    file.seek(0)
    start = file.read(1 << 16)
    place = start.find(b'\xff\x4f\xff\x51')  # ISO/IEC 15444-1, A.5.1: SOC, SIZ; Ssiz of the first component is 42 on
    depths = {(value & 0x7F) + 1 for value in start[place + 42 : place + 43]} if place >= 0 else set()
    if depths not in ({8}, {16}) or mode not in ('L', 'LA', 'RGB', 'RGBA', 'I;16'):
        raise Unreadable(f'JPEG 2000 of {depths} bits, {mode}; convert it to 8 or 16 bits, RGB or grey')
    bits = depths.pop()
    return {
        **facts,
        'bits': bits,
        'stored_bits': bits,
        'is_grey': mode in ('L', 'LA', 'I;16'),
        'has_alpha': mode in ('LA', 'RGBA'),
    }


def _parse_pnm(file: BinaryIO) -> dict:
    text = re.sub(rb'#[^\n]*\n', b' ', file.read(1 << 16))
    kind, *numbers = text.split(maxsplit=4)[:4]
    is_bitmap = kind in (b'P1', b'P4')
    width, height, maximum = *(int(number) for number in numbers[:2]), 1 if is_bitmap else int(numbers[2])
    if maximum not in (1, 255, 65535) or (maximum == 1 and not is_bitmap):
        raise Unreadable(f'its samples go up to {maximum}; convert it to a maximum of 255 or 65535')
    bits = 16 if maximum == 65535 else 8
    is_grey = kind not in (b'P3', b'P6')
    colours = 'grey' if is_grey else 'RGB'
    facts = {'width': width, 'height': height, 'bits': bits, 'stored_bits': bits}
    return {**facts, 'is_grey': is_grey, 'colours': colours}


def _parse_hdr(file: BinaryIO) -> dict:
    text = file.read(1 << 16)
    size = re.search(rb'\n\n-Y +(\d+) +\+X +(\d+)\n', text.replace(b'\r', b''))
    if size is None or b'FORMAT=32-bit_rle_xyze' in text[: size.start()]:
        raise Unreadable('a Radiance file whose pixels are not RGB, from the top left, row by row; convert it')
    height, width = (int(number) for number in size.groups())
    return {'width': width, 'height': height, 'bits': 32, 'stored_bits': 32, 'is_float': True}


def _from_pillow(img) -> dict:
    return {
        'width': img.width,
        'height': img.height,
        'bits': 8,
        'icc_profile': img.info.get('icc_profile') or None,
        'orientation': exif_orientation(img.info.get('exif')),
    }


def _refuse_animation(img) -> None:
    if getattr(img, 'is_animated', False):
        raise Unreadable(f'an animation of {img.n_frames} pictures; store them in files of their own')


PARSERS: dict[str, Callable[[BinaryIO], dict]] = {
    'JPEG': _parse_jpeg,
    'PNG': png_facts,
    'TIFF': tiff_facts,
    'WEBP': _parse_webp,
    'BMP': _parse_bmp,
    'GIF': _parse_gif,
    'JPEG2000': _parse_jpeg2000,
    'PNM': _parse_pnm,
    'HDR': _parse_hdr,
    'EXR': exr_facts,
}
