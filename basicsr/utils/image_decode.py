"""Chooses the library that decodes a picture faithfully.

OpenCV decodes most; Pillow what OpenCV gets wrong (alpha in TIFF, by which it multiplies) or does not give as it is
(palettes, CMYK, Lab).
"""

import io

import numpy as np

from basicsr.utils.image_exr import decode_exr
from basicsr.utils.image_header import ImageHeader
from basicsr.utils.image_tiff import stored_upright
from basicsr.utils.image_util import Unreadable, largest, pillow_errors
from basicsr.utils.image_vips import VipsError, decode
from basicsr.utils.misc import import_cv2


def decode_as_stored(content: bytes, header: ImageHeader) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels as stored, but never palettes: BGR, grey (H, W), CMYK or Lab; and alpha."""
    if header.format == 'EXR':
        return decode_exr(content)
    if header.format == 'TIFF':
        content = stored_upright(content)
    if header.is_planar and header.bits > 8:
        return _split(_decode_planar(content)[..., [2, 1, 0, 3][: 4 if header.has_alpha else 3]], header)
    if _is_for_pillow(header):
        return _split(_decode_with_pillow(content, header), header)
    return _split(_decode_with_opencv(content, header), header)


def _is_for_pillow(header: ImageHeader) -> bool:
    if header.colours not in ('RGB', 'grey') or header.format in ('BMP', 'GIF'):
        return True
    return header.format in ('TIFF', 'PNM') and (header.bits == 8 or header.stored_bits == 12)


def _decode_with_opencv(content: bytes, header: ImageHeader) -> np.ndarray:
    cv2 = import_cv2()
    try:
        img = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise Unreadable(f'cannot decode the picture: {error.err}') from None
    if img is None:
        raise Unreadable(f'a truncated or damaged {header.format} file ({len(content):,} bytes)')
    return img


def _decode_with_pillow(content: bytes, header: ImageHeader) -> np.ndarray:
    from PIL import (
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TiffImagePlugin,
    )

    plugin = {
        'BMP': BmpImagePlugin.BmpImageFile,
        'GIF': GifImagePlugin.GifImageFile,
        'JPEG': JpegImagePlugin.JpegImageFile,
        'PNG': PngImagePlugin.PngImageFile,
        'PNM': PpmImagePlugin.PpmImageFile,
        'TIFF': TiffImagePlugin.TiffImageFile,
    }[header.format]
    # These also keep Pillow from turning a TIFF.
    mode = {'palette': 'RGB', 'grey': 'L'}.get(header.colours, header.colours)
    mode = {'RGB': 'RGBA', 'L': 'LA'}[mode] if header.has_alpha else mode.upper()
    try:
        with plugin(io.BytesIO(content)) as img:
            for key in ('xmp', 'XML:com.adobe.xmp'):
                img.info.pop(key, None)
            img.load()
            if header.stored_bits == 12:
                return (np.asarray(img, np.float64) * (65535 / 4095)).round().astype(np.uint16)
            pixels = np.array(img if img.mode == mode else img.convert(mode))
    except pillow_errors() as error:
        raise Unreadable(f'a truncated or damaged {header.format} file ({error})') from None
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if mode in ('RGB', 'RGBA') else pixels


def _decode_planar(content: bytes) -> np.ndarray:
    """OpenCV mixes up the channels of TIFF files that store one after the other, and Pillow cuts them to 8 bits."""
    try:
        return decode(content)
    except VipsError as error:
        what = 'reading a TIFF of more than 8 bits that stores its channels one after the other (PlanarConfiguration 2)'
        raise Unreadable(f'{what} {error}; or store them interleaved') from None


def _split(img: np.ndarray, header: ImageHeader) -> tuple[np.ndarray, np.ndarray | None]:
    """Separate colours and alpha; OpenCV gives four channels for some pictures that have no alpha, or a grey one."""
    if header.colours in ('CMYK', 'Lab'):
        return img, None
    alpha = img[..., -1] if img.ndim == 3 and img.shape[2] in (2, 4) and header.has_alpha else None
    if img.ndim == 3:
        img = img[..., 0] if header.is_grey or img.shape[2] < 3 else img[..., :3]
    if header.colour_key:
        alpha = _alpha_of_key(img, header)
    elif alpha is not None and header.is_premultiplied and header.format == 'TIFF':
        img = _divide(img, alpha)
    return img, alpha


def _alpha_of_key(img: np.ndarray, header: ImageHeader) -> np.ndarray:
    key = np.array(header.colour_key[::-1]) * (largest(img) // (2**header.stored_bits - 1))
    is_key = (img == key).all(axis=-1) if img.ndim == 3 else img == key[0]
    return np.where(is_key, 0, largest(img)).astype(img.dtype)


def _divide(img: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Undo a multiplication by alpha; Pillow has done so where it decodes."""
    if img.dtype == np.uint8:
        return img
    top = largest(img)
    share = alpha.astype(np.float64) / top
    share = share[..., None] if img.ndim == 3 else share
    full = np.divide(img, share, out=np.zeros(img.shape), where=share > 0)
    return (full if top == 1 else full.round().clip(0, top)).astype(img.dtype)
