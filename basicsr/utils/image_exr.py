"""OpenEXR pictures, through the OpenEXR package (extra `exr`): scene-linear, float32, values above 1 kept."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from basicsr.utils.errors import UserError
from basicsr.utils.image_util import Unreadable

# ITU-R BT.709-6, section 1.3; also what OpenEXR assumes where a file does not tell.
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def exr_facts(file: BinaryIO) -> dict:
    """Return what an OpenEXR file tells about itself, as fields of ImageHeader."""
    with _opened(_path_of(file) or file.read(), header_only=True) as exr:
        header = dict(_check_parts(exr.parts))  # it is emptied when the file is closed
        _check_channels(header)
        names = {channel.name for channel in header['channels']}
        (left, top), (right, bottom) = header['dataWindow'][0].tolist(), header['dataWindow'][1].tolist()
    return {
        'width': right - left + 1,
        'height': bottom - top + 1,
        'bits': 32,
        'stored_bits': 32,
        'is_float': True,
        'is_grey': 'Y' in names,
        'colours': 'grey' if 'Y' in names else 'RGB',
        'has_alpha': 'A' in names,
        'is_premultiplied': 'A' in names,
    }


def decode_exr(content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (H, W, 3) BGR or (H, W) grey, and alpha or None, all float32; the data window, as it is stored."""
    with _opened(content, separate_channels=True) as exr:
        if not exr.parts or not exr.parts[0].channels:  # the package prints a warning and goes on
            raise Unreadable('a truncated or damaged OpenEXR file')
        channels = exr.parts[0].channels
        planes = {name: channels[name].pixels for name in ('R', 'G', 'B', 'Y', 'A') if name in channels}
    for name, plane in planes.items():
        if plane.dtype not in (np.float16, np.float32):
            raise Unreadable(f'its channel {name} holds integers, not light')
    grey = planes.get('Y')
    pixels = np.stack([planes[c] for c in 'BGR'], axis=-1, dtype=np.float32) if grey is None else np.float32(grey)
    alpha = planes.get('A')
    return pixels, None if alpha is None else alpha.astype(np.float32)


def encode_exr(pixels: np.ndarray, alpha: np.ndarray | None) -> bytes:
    """Encode (H, W, 3) BGR or (H, W) grey float32 without loss."""
    openexr = _import_openexr()
    planes = {'Y': pixels} if pixels.ndim == 2 else dict(zip('BGR', np.moveaxis(pixels, -1, 0)))
    if alpha is not None:
        planes['A'] = alpha
    planes = {name: np.ascontiguousarray(plane, np.float32) for name, plane in planes.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'picture.exr'
        openexr.File({'compression': openexr.ZIP_COMPRESSION, 'type': openexr.scanlineimage}, planes).write(str(path))
        return path.read_bytes()


def _import_openexr():
    try:
        import OpenEXR
    except ImportError:
        raise UserError('OpenEXR pictures need a package: `pip install basicsr[exr]`') from None
    if not hasattr(OpenEXR, 'File'):
        raise UserError('the installed OpenEXR package is too old: `pip install --upgrade OpenEXR`')
    return OpenEXR


@contextlib.contextmanager
def _opened(source: bytes | str, **kwargs: bool) -> Iterator:
    """The package reads files by their name only; `source` is a path, or what is to be in a file."""
    try:
        openexr = _import_openexr()
    except UserError as error:
        raise Unreadable(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        path = source if isinstance(source, str) else os.path.join(folder, 'picture.exr')
        if isinstance(source, bytes):
            Path(path).write_bytes(source)
        try:
            with contextlib.redirect_stdout(io.StringIO()), openexr.File(path, **kwargs) as exr:
                yield exr
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise Unreadable(f'a truncated or damaged OpenEXR file ({str(error)[:200]})') from None


def _path_of(file: BinaryIO) -> str | None:
    path = getattr(file, 'name', None)
    return os.fspath(path) if isinstance(path, str | os.PathLike) else None


def _check_parts(parts: list) -> dict:
    """Return the header of the only part."""
    if not parts:
        raise Unreadable('a truncated or damaged OpenEXR file')
    if len(parts) > 1:
        raise Unreadable(f'an OpenEXR file of {len(parts)} parts; store each in a file of its own')
    header = parts[0].header
    if 'deep' in str(header.get('type')):
        raise Unreadable('a deep OpenEXR file; flatten it')
    if 'tiles' in header and 'ONE_LEVEL' not in str(header['tiles']):
        raise Unreadable('an OpenEXR file with mip-map levels; store the largest one alone')
    return header


def _check_channels(header: dict) -> None:
    channels = {channel.name: channel for channel in header['channels']}
    names = ', '.join(channels)
    if {'RY', 'BY'} & set(channels):
        raise Unreadable(f'an OpenEXR file of luminance and chroma ({names}); convert it to R, G, B')
    wanted = ['R', 'G', 'B'] if set('RGB') <= set(channels) else ['Y']
    if not set(wanted) <= set(channels) or ('Y' in channels and wanted != ['Y']):
        raise Unreadable(f'an OpenEXR file with the channels {names}; rename those of the picture to R, G, B, or to Y')
    if any((channels[name].xSampling, channels[name].ySampling) != (1, 1) for name in wanted):
        raise Unreadable('an OpenEXR file with channels at a lower resolution; convert it')
    primaries = header.get('chromaticities', _REC709)
    if not np.allclose(primaries, _REC709, atol=1e-3):
        told = ', '.join(f'{value:.4g}' for value in primaries)
        raise Unreadable(
            f'its primaries and white point are not those of sRGB (chromaticities {told}); convert it, '
            'for example with `oiiotool in.exr --colorconvert ACES2065-1 lin_rec709 -o out.exr`'
        )
