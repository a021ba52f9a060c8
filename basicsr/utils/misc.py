"""Small helpers: folders, time stamps, seeds, and the import of OpenCV."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from basicsr.utils.errors import UserError


def import_cv2():
    """Import OpenCV on first use; say what to do when the machine lacks its system libraries."""
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            f'OpenCV cannot be imported: {error}.\nEither install the build that needs no display: '
            '`pip uninstall opencv-python && pip install opencv-python-headless`,\n'
            'or the system libraries it misses, on Debian and Ubuntu: `apt-get install libxcb1 libgl1 libglib2.0-0`.'
        ) from None
    return cv2


def import_pyplot():
    """Import matplotlib on first use, for files, without a display."""
    try:
        import matplotlib
    except ImportError:
        raise UserError('plots need matplotlib: run `pip install basicsr[report]`') from None
    matplotlib.use('Agg')
    from matplotlib import pyplot

    return pyplot


def seed_all(*position: int) -> None:
    """Seed the generators of python, numpy and torch with a function of `position`, such as (seed, sample index)."""
    import numpy as np
    import torch

    words = np.random.SeedSequence(position).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.manual_seed(int(words[2]) << 32 | int(words[3]))


def set_random_seed(seed: int) -> None:
    """BasicSR's name: seed every generator with `seed` itself."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def get_time_str() -> str:
    """Return the local time as `20260131_235959`."""
    return time.strftime('%Y%m%d_%H%M%S', time.localtime())


def scandir(
    dir_path: str, suffix: str | tuple[str, ...] | None = None, recursive: bool = False, full_path: bool = False
) -> Iterator[str]:
    """Yield the files of a folder in sorted order, hidden files left out.

    Args:
        suffix: yield only names with this ending.
        recursive: also those of the folders below.
        full_path: yield whole paths, not paths relative to `dir_path`.
    """
    if suffix is not None and not isinstance(suffix, str | tuple):
        raise TypeError(f'suffix must be text or a tuple of texts, got {suffix!r}')
    for folder, folders, names in os.walk(dir_path, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith('.')) if recursive else []
        for name in sorted(names):
            if not name.startswith('.') and (suffix is None or name.endswith(suffix)):
                path = os.path.join(folder, name)
                yield path if full_path else os.path.relpath(path, dir_path)


def sizeof_fmt(size: float, suffix: str = 'B') -> str:
    """Return a number of bytes for people: `3.4 MB`."""
    units = ['', 'K', 'M', 'G', 'T', 'P']
    while abs(size) >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return f'{size:.1f} {units[0]}{suffix}'


def archive_existing(path: str | Path) -> Path | None:
    """Rename what exists to `<path>_archived_<time>` and return its new name; None when there is nothing."""
    path = Path(path)
    if not path.exists():
        return None
    new_name = path.with_name(f'{path.name}_archived_{get_time_str()}')
    number = 1
    while new_name.exists():  # two runs within one second
        number += 1
        new_name = path.with_name(f'{path.name}_archived_{get_time_str()}_{number}')
    path.rename(new_name)
    return new_name


def mkdir_and_rename(path: str | Path) -> None:
    """Create a new folder; one that exists already is archived first."""
    archived = archive_existing(path)
    if archived is not None:
        print(f'Path already exists. Rename it to {archived}', flush=True)
    os.makedirs(path)
