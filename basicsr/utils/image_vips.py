"""What libvips does for pictures (extra `vips`): ICC profiles at 16 bits, planar TIFF, crops of a file.

libvips keeps threads that do not survive a fork: a process that was forked from one that has used it would wait for
them for ever. There the work is done by a fresh process, for which this file is also a script; so it imports nothing of
the package.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_used_by: int | None = None  # the process


class VipsError(Exception):
    """libvips is not there, or cannot do what is asked; the message continues that of the caller."""


def has_vips() -> bool:
    """True if libvips and its package are installed."""
    try:
        import pyvips  # noqa: F401
    except (ImportError, OSError):  # the package without the library
        return False
    return True


def is_forked() -> bool:
    """True if this process was forked from one that had used libvips."""
    return _used_by not in (None, os.getpid())


def convert_to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Convert uint16 RGB (H, W, 3) or grey (H, W) of the space of `profile` to (H, W, 3) RGB.

    Relative colorimetric with black point compensation, as `basicsr.utils.image_icc`.

    Raises:
        VipsError: libvips is not there, or cannot use the profile.
    """
    return _run(_convert_to_srgb, pixels, profile)


def encode_with_profile(
    pixels: np.ndarray, alpha: np.ndarray | None, is_grey: bool, profile: bytes, file_format: str
) -> bytes:
    """Convert uint16 (H, W, 3) RGB of sRGB to the space of `profile`, embed it, and encode as PNG or TIFF.

    Raises:
        VipsError: as above.
    """
    return _run(_encode_with_profile, pixels, alpha, is_grey, profile, file_format)


def decode(content: bytes) -> np.ndarray:
    """Decode a picture as it is stored: (H, W, C), C in the order of the file.

    Raises:
        VipsError: libvips is not there, or cannot decode it.
    """
    return _run(_decode, content)


def decode_crop(path: str, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Decode a part of a file: (height, width, C), C in the order of the file. Not in forked processes.

    Raises:
        VipsError: as above.
    """
    return _run(_decode_crop, path, left, top, width, height)


def _run(function: Callable, *args: Any) -> Any:
    global _used_by
    if not has_vips():
        raise VipsError('needs libvips: `pip install basicsr[vips]`')
    if is_forked():
        return _run_in_fresh_process(function.__name__, args)
    import pyvips

    _used_by = os.getpid()
    try:
        return function(*args)
    except pyvips.Error as error:
        raise VipsError(f'fails in libvips: {" ".join(str(error).split())[:200]}') from None


def _run_in_fresh_process(name: str, args: tuple) -> Any:
    code = f'import runpy; runpy.run_path({__file__!r}, run_name="__main__")'
    done = subprocess.run([sys.executable, '-c', code], input=pickle.dumps((name, args)), capture_output=True)
    if done.returncode != 0:
        raise VipsError(f'fails in libvips: {done.stderr.decode(errors="replace").strip()[-200:]}')
    result, message = pickle.loads(done.stdout)
    if message:
        raise VipsError(message)
    return result


def _convert_to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    import pyvips

    image = _image(pixels)
    image.set_type(pyvips.GValue.blob_type, 'icc-profile-data', profile)
    return _array(
        image.icc_transform('srgb', embedded=True, intent='relative', black_point_compensation=True, depth=16)
    )


def _encode_with_profile(
    pixels: np.ndarray, alpha: np.ndarray | None, is_grey: bool, profile: bytes, file_format: str
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'profile.icc')
        Path(path).write_bytes(profile)
        options = {'input_profile': 'srgb', 'intent': 'relative', 'black_point_compensation': True, 'depth': 16}
        image = _image(pixels).icc_transform(path, **options)
        if is_grey and image.bands == 3 and (alpha is None or file_format == 'PNG'):  # few read grey with alpha in TIFF
            image = image[1].copy(interpretation='grey16')
        if alpha is not None:
            image = image.bandjoin(_image(alpha))
        if file_format == 'PNG':
            return image.pngsave_buffer(bitdepth=16, profile=path)
        return image.tiffsave_buffer(compression='deflate', profile=path)


def _decode(content: bytes) -> np.ndarray:
    import pyvips

    return _array(pyvips.Image.new_from_buffer(content, '', fail_on='truncated'))


def _decode_crop(path: str, left: int, top: int, width: int, height: int) -> np.ndarray:
    import pyvips

    # Sequential access stops at the last row of the crop.
    image = pyvips.Image.new_from_file(path, access='sequential', fail_on='error')
    return _array(image.crop(left, top, width, height))


def _image(pixels: np.ndarray):
    import pyvips

    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return image.copy(interpretation='grey16' if pixels.ndim == 2 else 'rgb16')


def _array(image) -> np.ndarray:
    """Return (H, W, C), also where H, W or C are 1."""
    dtype = {'uchar': np.uint8, 'ushort': np.uint16, 'float': np.float32, 'double': np.float64}.get(image.format)
    if dtype is None:
        raise VipsError(f'fails: libvips gives samples of type {image.format}')
    return np.frombuffer(image.write_to_memory(), dtype).reshape(image.height, image.width, image.bands)


def _main() -> None:
    """Do what standard input asks for, in the fresh process."""
    name, args = pickle.load(sys.stdin.buffer)
    try:
        answer = _run(globals()[name], *args), ''
    except VipsError as error:
        answer = None, str(error)
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == '__main__':
    _main()
