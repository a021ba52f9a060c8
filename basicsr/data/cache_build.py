"""What both pixel caches share: how much space pictures will take, and decoding many of them at once."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from basicsr.data.cache_entry import picture_state
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_header
from basicsr.utils.img_util import read_image
from basicsr.utils.parallel import map_in_order

_MAX_HEADERS = 4000
_HEADER_THREADS = 8


@dataclass(frozen=True)
class Need:
    """A picture that is not in the cache, and what it will take there; 0 bytes for one that cannot be read."""

    path: str
    num_bytes: int
    is_float: bool


@dataclass
class Survey:
    """What a cache holds of some pictures, and what it lacks."""

    num_there: int = 0
    bytes_there: int = 0
    needs: list[Need] = field(default_factory=list)

    @property
    def bytes_needed(self) -> int:
        """Space that the missing pictures take."""
        return sum(need.num_bytes for need in self.needs)


@dataclass
class Outcome:
    """What became of a build: bytes of each picture, errors of those that cannot be read, and what ended it early."""

    sizes: list[int] = field(default_factory=list)
    failures: list[DataError] = field(default_factory=list)
    stopped: OSError | None = None


def estimate_needs(paths: Sequence[str]) -> list[Need]:
    """Tell by the headers what pictures take when decoded; beyond 4,000 pictures, by as many of them."""
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _MAX_HEADERS)).astype(int)).tolist()
    sampled = dict(zip(chosen, map_in_order(_need, [paths[i] for i in chosen], _HEADER_THREADS)))
    if len(sampled) == len(paths):
        return list(sampled.values())

    mean = sum(need.num_bytes for need in sampled.values()) // len(sampled)
    return [sampled.get(i) or Need(path, mean, False) for i, path in enumerate(paths)]


def _need(path: str) -> Need:
    try:
        header = read_header(path)
    except DataError:  # it is met again, by name, when the picture is read
        return Need(path, 0, False)
    return Need(path, 3 * header.width * header.height * header.bits // 8, header.is_float)


def decode(path: str) -> tuple[np.ndarray, str]:
    """Read a picture that must not change meanwhile; return its pixels and `picture_state`.

    Raises:
        DataError: it cannot be read, or was written to just now.
    """
    try:
        state = picture_state(path)
        img = read_image(path)
        state_afterwards = picture_state(path)
    except OSError as error:
        raise DataError(f'{path}: cannot read the picture: {error.strerror}') from None
    if state != state_afterwards:
        raise DataError(f'{path}: was written to while it was read')
    return img, state


def build_all(build: Callable[[str], int], needs: Sequence[Need], title: str) -> Outcome:
    """Call `build` with every path, in threads, and show the progress; it returns the bytes of the picture.

    Threads do as well as processes here: decoding and writing let other threads run. A `DataError` is noted, an
    `OSError` ends the work.
    """
    outcome = Outcome()

    def attempt(need: Need) -> None:
        try:
            outcome.sizes.append(build(need.path))
        except DataError as error:
            outcome.failures.append(error)

    done = map_in_order(attempt, needs, _num_threads(needs))
    is_silent = None if get_dist_info()[0] == 0 else True
    try:
        for _ in tqdm(done, desc=title, total=len(needs), unit='image', leave=False, disable=is_silent):
            pass
    except OSError as error:
        outcome.stopped = error
    return outcome


def _num_threads(needs: Sequence[Need]) -> int:
    """One per core and another, which works while one waits for the disk; fewer where the pictures fill the memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    cores = max(1, cores // int(os.environ.get('LOCAL_WORLD_SIZE', 1)))  # torchrun: the ranks of a machine share it
    largest = max((need.num_bytes for need in needs), default=0)
    return max(1, min(cores + 1, available_memory() // (8 * max(largest, 1))))


def available_memory() -> int:
    """Return the bytes that may be allocated before the machine, or the container, runs out of memory."""
    room = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')]
    try:
        room.append(1024 * _read_table('/proc/meminfo')['MemAvailable:'])
        limit = Path('/sys/fs/cgroup/memory.max').read_text(encoding='ascii').strip()
        if limit.isdecimal():
            used, kinds = Path('/sys/fs/cgroup/memory.current'), _read_table('/sys/fs/cgroup/memory.stat')
            reclaimable = kinds['inactive_file'] + kinds['active_file']
            room.append(int(limit) - int(used.read_text(encoding='ascii')) + reclaimable)
    except (OSError, KeyError):  # another system than Linux, or another version of control groups
        pass
    return max(0, min(room))


def _read_table(file: str) -> dict[str, int]:
    """Return the lines `name number ...` of a file of the kernel."""
    rows = map(str.split, Path(file).read_text(encoding='ascii').splitlines())
    return {row[0]: int(row[1]) for row in rows}
