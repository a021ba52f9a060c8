"""The pixel cache on disk, shared by all runs, workers and ranks that read the same pictures.

Nothing in it needs a lock. An entry is written under a name of its own and then renamed, so two that build the same one
do no harm, and one that is killed leaves a partial file, which the next build removes.
"""

import collections
import contextlib
import functools
import logging
import os
import platform
import random
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from basicsr.data.cache_build import Need, Outcome, Survey, build_all, decode, estimate_needs
from basicsr.data.cache_entry import entry_name, open_entry, picture_state, write_entry

_PARTIAL_FOLDER = 'partial'
_PARTIAL_SUFFIX = '.partial'
_MAX_AGE = 3600  # seconds; writing an entry takes few


class DiskCache:
    """Decoded pictures, each in a file of a folder, found by path, size and time of the picture.

    Args:
        folder: created by the first build.
    """

    kind = 'disk'

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = os.path.abspath(folder)
        self._has_noted_damage = False

    @property
    def place(self) -> str:
        """Where the pixels are, for messages."""
        return self.folder

    def get(self, path: str) -> np.ndarray | None:
        """Return the pixels of a picture, read-only and mapped into memory; None if they have to be decoded."""
        try:
            file = os.path.join(self.folder, entry_name(path, picture_state(path)))
        except OSError:
            return None
        img = open_entry(file)
        if img is None and not self._has_noted_damage and os.path.exists(file):
            self._has_noted_damage = True
            logging.getLogger('basicsr').warning(f'{file}: damaged entry of the pixel cache; decoding {path} instead')
        return img

    def free_bytes(self) -> int:
        """Return the space that is left on the disk of the folder."""
        folder = Path(self.folder)
        existing = next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))
        return shutil.disk_usage(existing).free

    def survey(self, paths: Sequence[str]) -> Survey:
        """Look which pictures have whole entries, and tell by their headers what the others will take."""
        survey, missing = Survey(), []
        for path in paths:
            img = self._map(path)
            if img is None:
                missing.append(path)
            else:
                survey.num_there += 1
                survey.bytes_there += img.nbytes
        survey.needs = estimate_needs(missing)
        return survey

    def build(self, needs: Sequence[Need], title: str) -> Outcome:
        """Decode pictures into entries, and remove what is left of older versions of them and of killed builds.

        Several processes may build the same entries: each takes them in another order, and passes over what is there.

        Returns:
            `stopped` is set when the folder cannot be written to, above all when the disk is full.
        """
        self._remove_leftovers()
        if not needs:
            return Outcome()
        try:
            os.makedirs(os.path.join(self.folder, _PARTIAL_FOLDER), exist_ok=True)
            self._remove_outdated([need.path for need in needs])
        except OSError as error:
            return Outcome(stopped=error)
        # A generator of its own, which leaves the global one alone.
        shuffled = random.Random().sample(needs, len(needs))
        return build_all(self._build_one, shuffled, title)

    def _map(self, path: str) -> np.ndarray | None:
        try:
            return open_entry(os.path.join(self.folder, entry_name(path, picture_state(path))))
        except OSError:
            return None

    def _build_one(self, path: str) -> int:
        img = self._map(path)
        if img is not None:  # another process was here first
            return img.nbytes
        img, state = decode(path)
        file = Path(self.folder, entry_name(path, state))
        file.parent.mkdir(exist_ok=True)
        partial = f'{_machine()}-{os.getpid()}-{uuid.uuid4().hex}{_PARTIAL_SUFFIX}'
        write_entry(img, file, Path(self.folder, _PARTIAL_FOLDER, partial))
        return img.nbytes

    def _remove_leftovers(self) -> None:
        """Remove partial files whose writer is gone."""
        for file in Path(self.folder, _PARTIAL_FOLDER).glob(f'*{_PARTIAL_SUFFIX}'):
            with contextlib.suppress(OSError, ValueError):  # gone by now, or someone else's
                machine, pid, _ = file.name.split('-')
                is_dead = machine == _machine() and not _is_running(int(pid))
                if is_dead or time.time() - file.stat().st_mtime > _MAX_AGE:
                    file.unlink()

    def _remove_outdated(self, paths: Sequence[str]) -> None:
        """Remove the entries of what used to be at these paths."""
        current: dict[str, dict[str, str]] = collections.defaultdict(dict)
        for path in paths:
            with contextlib.suppress(OSError):
                folder, name = entry_name(path, picture_state(path)).split('/')
                current[folder][name.split('-')[0]] = name
        for folder, names in current.items():
            for file in Path(self.folder, folder).glob('*-*'):
                if names.get(file.name.split('-')[0], file.name) != file.name:
                    file.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """Name what process numbers belong to: a machine, or a container on it."""
    try:
        namespace = os.stat('/proc/self/ns/pid').st_ino
    except OSError:
        namespace = 0
    return f'{platform.node().replace("-", "_")}_{namespace}'


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to someone else
        return True
    return True
