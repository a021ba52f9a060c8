"""The pixel cache in memory, which a process shares with its workers."""

import mmap
import os
import tempfile
import threading
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from basicsr.data.cache_build import Need, Outcome, Survey, available_memory, build_all, decode, estimate_needs
from basicsr.data.cache_entry import picture_state


class _Place(NamedTuple):
    """Where the pixels of a picture are, and which version of it they are."""

    state: str
    offset: int
    shape: tuple[int, ...]
    dtype: str


class RamCache:
    """Decoded pictures in one file without a name, which is in memory. Workers share it; ranks have one each."""

    kind = 'ram'
    place = 'memory'

    def __init__(self) -> None:
        self._index: dict[str, _Place] = {}
        self._file: BinaryIO | None = None
        self._memory: mmap.mmap | None = None
        self._end = 0

    def get(self, path: str) -> np.ndarray | None:
        """Return the pixels of a picture, read-only; None if they have to be decoded."""
        place = self._index.get(path)
        try:
            if place is None or place.state != picture_state(path):
                return None
        except OSError:
            return None
        return np.ndarray(place.shape, place.dtype, self._memory, place.offset)

    def free_bytes(self) -> int:
        """Return the memory that is left."""
        return available_memory()

    def survey(self, paths: Sequence[str]) -> Survey:
        """Tell by their headers what the pictures will take."""
        return Survey(needs=estimate_needs(paths))

    def build(self, needs: Sequence[Need], title: str) -> Outcome:
        """Decode pictures into memory, once, before there are workers.

        Returns:
            `stopped` is set when the memory is full.
        """
        self._file = _nameless_file()
        lock = threading.Lock()

        def build_one(path: str) -> int:
            img, state = decode(path)
            with lock:
                offset = self._end
                self._end += -(-img.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
            _write(self._file.fileno(), np.ascontiguousarray(img), offset)
            self._index[path] = _Place(state, offset, img.shape, img.dtype.str)
            return img.nbytes

        outcome = build_all(build_one, needs, title)
        self._map()
        return outcome

    def _map(self) -> None:
        if self._index:
            self._memory = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    # A worker that is not forked gets the open file, not the pixels.

    def __getstate__(self) -> dict[str, Any]:
        handle = None if self._file is None else DupFd(self._file.fileno())
        return {'_index': self._index, '_end': self._end, 'handle': handle}

    def __setstate__(self, state: dict[str, Any]) -> None:
        handle = state.pop('handle')
        self.__dict__.update(state)
        self._file = None if handle is None else os.fdopen(handle.detach(), 'r+b', buffering=0)
        self._memory = None
        self._map()


def _nameless_file() -> BinaryIO:
    """Open a file in memory that ends with the processes that use it; on other systems than Linux, a temporary file."""
    if hasattr(os, 'memfd_create'):
        return os.fdopen(os.memfd_create('pixel cache'), 'r+b', buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _write(handle: int, img: np.ndarray, offset: int) -> None:
    content = memoryview(img).cast('B')
    while content:  # the kernel takes at most 2 GiB at a time
        count = os.pwrite(handle, content, offset)
        content, offset = content[count:], offset + count
