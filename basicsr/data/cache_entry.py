"""Entries of the pixel cache: files of decoded pixels in NumPy's format, to be mapped into memory.

`np.load` reads them as well: a header of format 1.0, then the rows of an (H, W, 3) BGR image.
"""

import contextlib
import errno
import functools
import hashlib
import io
import mmap
import os
from pathlib import Path

import numpy as np

from basicsr.utils.image_file import READER_VERSION

ENTRY_SUFFIX = '.npy'
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
_PREFIX_SIZE = 10  # magic string, version of the format, length of the rest of the header
# Every whole entry bears this time, 2000-01-01 in nanoseconds: one that something wrote to later does not.
_TIME = 946_684_800 * 10**9


def picture_state(path: str | os.PathLike) -> str:
    """Return what tells the content of a picture from what was there before: size, time, version of the reader.

    Raises:
        OSError: no such file.
    """
    status = os.stat(path)
    return f'{status.st_size} {status.st_mtime_ns} {READER_VERSION}'


def entry_name(path: str | os.PathLike, state: str) -> str:
    """Return the name of the entry of a picture, relative to the cache: `3f/<hash of path>-<hash of state>.npy`."""
    place = _hash(os.fsencode(os.path.abspath(path)))
    return f'{place[:2]}/{place}-{_hash(state.encode())}{ENTRY_SUFFIX}'


def write_entry(img: np.ndarray, file: Path, partial: Path) -> None:
    """Write an entry as `partial`, on the same disk, and rename it to `file`; after an error, nothing is left of it.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """
    img = np.ascontiguousarray(img)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(img))
    content = memoryview(img).cast('B')
    try:
        with open(partial, 'xb', buffering=0) as handle:
            _reserve(handle.fileno(), len(header.getvalue()) + len(content))
            handle.write(header.getvalue())
            while content:  # the kernel takes at most 2 GiB at a time
                content = content[handle.write(content) :]
        os.utime(partial, ns=(_TIME, _TIME))
        os.replace(partial, file)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def open_entry(file: str | os.PathLike) -> np.ndarray | None:
    """Map an entry into memory, read-only; None if it is not there, or was damaged after it was written.

    The file is not kept open, and the memory goes with the array: reading from many entries takes no more than from
    one.
    """
    try:
        with open(file, 'rb', buffering=0) as handle:
            status = os.fstat(handle.fileno())
            if status.st_mtime_ns != _TIME or status.st_size <= _PREFIX_SIZE:
                return None
            content = mmap.mmap(handle.fileno(), status.st_size, access=mmap.ACCESS_READ)
    except OSError:
        return None
    _ask_for_large_pages(content)

    header_size = _PREFIX_SIZE + int.from_bytes(content[_PREFIX_SIZE - 2 : _PREFIX_SIZE], 'little')
    layout = _read_header(content[:header_size])
    if layout is None:
        return None
    shape, dtype = layout
    if header_size + shape[0] * shape[1] * shape[2] * dtype.itemsize != status.st_size:
        return None
    return np.ndarray(shape, dtype, content, header_size)


def _ask_for_large_pages(content: mmap.mmap) -> None:
    """Let the kernel read and map 2 MB at a time: a crop is there in a quarter of the time, warm or cold."""
    if hasattr(mmap, 'MADV_HUGEPAGE'):
        with contextlib.suppress(OSError):  # a kernel without them
            content.madvise(mmap.MADV_HUGEPAGE)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _reserve(handle: int, size: int) -> None:
    """Claim the space of a file at once: faster than bit by bit, and a full disk is noticed before anything is written.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, 'posix_fallocate'):
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise


@functools.lru_cache(maxsize=1024)
def _read_header(header: bytes) -> tuple[tuple[int, int, int], np.dtype] | None:
    """Return shape and dtype; None for what is no header of an image."""
    stream = io.BytesIO(header)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            return None
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError:
        return None
    is_image = len(shape) == 3 and shape[2] == 3 and min(shape) > 0
    return (shape, dtype) if is_image and not is_fortran and dtype in _DTYPES else None
