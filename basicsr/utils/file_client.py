"""Reads the bytes of files from folders or from LMDB, with BasicSR's interface."""

import functools
import os
from pathlib import Path
from typing import Any

from basicsr.utils.errors import DataError, OptionError


class FileClient:
    """Reads files by path, or values by key.

    A client holds no open file until the first `get`, so it can be sent to worker processes.

    Args:
        backend: `disk` or `lmdb`.
        db_paths: LMDB folders, for `lmdb`.
        client_keys: a name for each of them, by which `get` selects it.
        readonly: arguments of `lmdb.open`, as are `lock` and `readahead`.
    """

    def __init__(
        self,
        backend: str = 'disk',
        db_paths: str | list[str] | None = None,
        client_keys: str | list[str] = 'default',
        readonly: bool = True,
        lock: bool = False,
        readahead: bool = False,
    ) -> None:
        if backend not in ('disk', 'lmdb'):
            what = 'is not supported' if backend == 'memcached' else 'is unknown'
            raise OptionError(f"io_backend: type {backend!r} {what}; use 'disk' or 'lmdb'")
        self.backend = backend
        self.db_paths: dict[str, str] = {}
        self.flags = {'readonly': readonly, 'lock': lock, 'readahead': readahead}
        if backend == 'lmdb':
            self.db_paths = _named_paths(db_paths, client_keys)
            _import_lmdb()

    def get(self, filepath: str | os.PathLike, client_key: str = 'default') -> bytes:
        """Return the content of a file, or the value of a key.

        Raises:
            DataError: it cannot be read; names the file, or the key and the database.
        """
        if self.backend == 'disk':
            try:
                return Path(filepath).read_bytes()
            except OSError as error:
                raise DataError(f'{filepath}: cannot read the file: {error.strerror}') from None
        with _open_database(self.db_paths[client_key], **self.flags).begin() as transaction:
            value = transaction.get(str(filepath).encode())
        if value is None:
            raise DataError(f'{self.db_paths[client_key]}: has no key {str(filepath)!r}')
        return value


def _named_paths(db_paths: str | list[str] | None, client_keys: str | list[str]) -> dict[str, str]:
    paths = [db_paths] if isinstance(db_paths, str | os.PathLike) else db_paths or []
    keys = [client_keys] if isinstance(client_keys, str) else client_keys
    if not paths or len(paths) != len(keys):
        raise OptionError(f'io_backend: {len(paths)} db_paths for {len(keys)} client_keys; give each database one key')
    return {key: os.path.realpath(path) for key, path in zip(keys, paths)}


def _import_lmdb() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise OptionError(f'io_backend: type lmdb needs a package: {error}; run `pip install basicsr[lmdb]`') from None
    return lmdb


# A process must not open one database twice, so all clients share it. A forked worker inherits what is open; without
# locks (the default) reading from that is safe.
@functools.cache
def _open_database(path: str, readonly: bool, lock: bool, readahead: bool) -> Any:
    lmdb = _import_lmdb()
    try:
        return lmdb.open(path, readonly=readonly, lock=lock, readahead=readahead)
    except lmdb.Error as error:
        raise DataError(f'{path}: cannot open the LMDB: {error}') from None
