"""Writes image databases as BasicSR does: folders `<x>.lmdb` with `data.mdb`, `lock.mdb` and `meta_info.txt`.

A key is a name without ending, its value an encoded picture, its line in `meta_info.txt` is `key.png (h,w,c) level`.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.img_util import read_image
from basicsr.utils.lmdb_writer import LmdbWriter
from basicsr.utils.misc import import_cv2
from basicsr.utils.parallel import map_in_order

_BUILD = 'build.json'  # what the database was made from
_META = 'meta_info.txt'
_MAX_KEY = 511  # bytes; what LMDB is built with
_PNG = b'\x89PNG\r\n\x1a\n'
_HEADER = 26  # bytes of a PNG up to its colour type
# Channels of a PNG as OpenCV reads it unchanged, by its colour type (PNG specification, 11.2.2): grey, colour, palette,
# grey with alpha, colour with alpha.
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}


def make_lmdb_from_imgs(
    data_path: str,
    lmdb_path: str,
    img_path_list: Sequence[str],
    keys: Sequence[str],
    batch: int = 5000,
    compress_level: int | None = 1,
    multiprocessing_read: bool = False,
    n_thread: int = 40,
    map_size: int | None = None,
) -> int:
    """Put pictures into an LMDB as PNG, with the pixels that `read_image` gives; returns how many were put now.

    Called again after an interruption, or when pictures were added or changed, it does what is left to do. As long as
    the database is not complete, it has no `meta_info.txt`.

    Args:
        data_path: folder of the pictures.
        lmdb_path: folder of the database, ends with `.lmdb`.
        img_path_list: paths in `data_path`.
        keys: of each of them.
        batch: pictures are committed in batches of this many, or of 256 MB.
        compress_level: of PNG, 0 to 9. None keeps files that are PNG already as they are, and compresses others at 1;
            `meta_info.txt` then says -1.
        multiprocessing_read: work with `n_thread` threads.
        map_size: room for the database at first, in bytes; it grows on demand.

    Raises:
        DataError: a picture that cannot be read, or a key that a database cannot have.
        UserError: another database is there, or it cannot be written.
    """
    if len(img_path_list) != len(keys):
        raise ValueError(f'{len(img_path_list)} pictures for {len(keys)} keys')
    folder = _checked_folder(lmdb_path)
    _check_keys(keys, img_path_list)
    paths = dict(zip(keys, (os.path.join(data_path, name) for name in img_path_list)))
    build = {
        'data_path': os.path.realpath(data_path),
        'compress_level': compress_level,
        'files': {key: _mark_of(path) for key, path in paths.items()},
    }
    outdated = _find_outdated(folder, build)

    with LmdbWriter(folder, map_size, batch) as writer:
        writer.delete(outdated)
        # Only now: a picture that changed must not be taken for one that is there.
        write_atomic(folder / _BUILD, json.dumps(build))
        left = [key for key in keys if key not in writer]
        if left:
            (folder / _META).unlink(missing_ok=True)
        encoded = map_in_order(
            lambda key: encode_png(paths[key], compress_level), left, n_thread if multiprocessing_read else 1
        )
        for key, content in zip(left, tqdm(encoded, total=len(left), desc=folder.name, unit='image', disable=None)):
            writer.put(key, content)
        writer.commit()
        level = -1 if compress_level is None else compress_level
        lines = [_meta_line(key, _shape_of_png(writer.start_of(key, _HEADER)), level) for key in keys]
    write_atomic(folder / _META, ''.join(lines))
    return len(left)


class LmdbMaker:
    """Writes an LMDB from pictures that are encoded already, one by one.

    Args:
        lmdb_path: folder of the database, ends with `.lmdb`; must not exist.
        map_size: room for the database at first, in bytes; it grows on demand.
        batch: pictures are committed in batches of this many, or of 256 MB.
        compress_level: what `meta_info.txt` says of the pictures.

    Raises:
        UserError: the folder exists, or cannot be written.
    """

    def __init__(self, lmdb_path: str, map_size: int | None = None, batch: int = 5000, compress_level: int = 1) -> None:
        self._folder, self._level = _checked_folder(lmdb_path), compress_level
        if self._folder.exists():
            raise UserError(f'{lmdb_path} exists already: delete it, or choose another name')
        self._writer = LmdbWriter(self._folder, map_size, batch)
        self._lines: dict[str, str] = {}

    def put(self, img_byte: bytes, key: str, img_shape: Sequence[int]) -> None:
        """Add an encoded picture of shape (h, w, c)."""
        if key in self._lines:
            raise DataError(f'{self._folder}: the key {key!r} is there already')
        _check_keys([key], [key])
        self._writer.put(key, img_byte)
        self._lines[key] = _meta_line(key, img_shape, self._level)

    def close(self) -> None:
        """Commit what is left, and write `meta_info.txt`."""
        with self._writer:
            self._writer.commit()
        write_atomic(self._folder / _META, ''.join(self._lines.values()))


def encode_png(path: str, compress_level: int | None) -> bytes:
    """Return a picture as PNG, three channels of 8 or 16 bits; with None, a file that is PNG already as it is.

    Raises:
        DataError: it cannot be read, or has float samples, which PNG cannot hold.
    """
    cv2 = import_cv2()
    img = read_image(path)
    if compress_level is None:
        content = Path(path).read_bytes()
        if content.startswith(_PNG):
            return content
    if img.dtype.kind == 'f':
        raise DataError(f'{path}: PNG cannot hold its float samples; train from the files, without LMDB')
    level = 1 if compress_level is None else compress_level
    return cv2.imencode('.png', img, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()


def _checked_folder(lmdb_path: str) -> Path:
    if not str(lmdb_path).endswith('.lmdb'):
        raise UserError(f'{lmdb_path}: the folder of an LMDB has a name that ends with .lmdb')
    return Path(lmdb_path)


def _check_keys(keys: Sequence[str], names: Sequence[str]) -> None:
    """Raise for keys that a reader could not find again, with the names of the pictures."""
    for key, name in zip(keys, names):
        if '.' in key:
            raise DataError(f'{name}: the key {key!r} has a dot, and BasicSR reads keys up to a dot; rename the file')
        if len([key, *key.splitlines()]) != 2 or not 0 < len(key.encode()) <= _MAX_KEY:
            raise DataError(f'{name}: the key {key!r} is empty, has line breaks, or is longer than {_MAX_KEY} bytes')
    counts = Counter(keys)
    double = [name for key, name in zip(keys, names) if counts[key] > 1]
    if double:
        raise DataError(f'several pictures have the same key: {", ".join(double[:6])}; rename them')


def _mark_of(path: str) -> list[int]:
    """Return size and time of a file, by which a change shows."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DataError(f'{path}: cannot read the picture: {error.strerror}') from None
    return [stat.st_size, stat.st_mtime_ns]


def _find_outdated(folder: Path, build: dict) -> list[str]:
    """Return the keys whose files have changed since the database was made; raise unless it is from the same files."""
    if not folder.exists() or not any(folder.iterdir()):
        return []
    other = f'delete {folder}, or name another database'
    try:
        before = json.loads((folder / _BUILD).read_text(encoding='utf-8'))
        files, source, level = before['files'], before['data_path'], before['compress_level']
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f'{folder} exists, and has no {_BUILD} that says what it was made from: {other}') from None
    if source != build['data_path'] or level != build['compress_level']:
        raise UserError(f'{folder} was made from {source} with compress_level {level}: {other}')
    gone = sorted(files.keys() - build['files'].keys())
    if gone:
        raise UserError(
            f'{folder} holds {len(gone)} pictures that are not among those to be put: {", ".join(gone[:5])}; {other}'
        )
    return [key for key, mark in files.items() if mark != build['files'][key]]


def _shape_of_png(header: bytes) -> tuple[int, int, int]:
    width, height = int.from_bytes(header[16:20], 'big'), int.from_bytes(header[20:24], 'big')
    return height, width, _CHANNELS[header[25]]


def _meta_line(key: str, shape: Sequence[int], level: int) -> str:
    height, width, channels = shape
    return f'{key}.png ({height},{width},{channels}) {level}\n'
