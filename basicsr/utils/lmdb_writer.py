"""A database that grows while it is written, and loses no more than a batch when it is killed."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from basicsr.utils.errors import UserError

_FIRST_MAP = 64 << 20
_MAX_PENDING = 256 << 20


class LmdbWriter:
    """Values by key; a context manager that commits and closes, also when an error or interruption leaves it.

    Args:
        folder: of the database; is made.
        map_size: room at first, in bytes; it grows on demand.
        batch: values are committed in batches of this many, or of 256 MB.

    Raises:
        UserError: the database cannot be opened or written.
    """

    def __init__(self, folder: Path, map_size: int | None, batch: int) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise UserError(f'LMDBs need a package: {error}; run `pip install basicsr[lmdb]`') from None
        self._lmdb, self._folder, self._batch = lmdb, folder, batch
        self._pending: dict[bytes, bytes] = {}
        self._num_bytes = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._env: Any = lmdb.open(str(folder), map_size=map_size or _FIRST_MAP)
        except (OSError, lmdb.Error) as error:
            raise UserError(f'{folder}: cannot open the LMDB: {error}') from None

    def __enter__(self) -> 'LmdbWriter':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.commit()
        finally:
            self._env.close()

    def __contains__(self, key: str) -> bool:
        return self.start_of(key, 0) is not None

    def start_of(self, key: str, count: int) -> bytes | None:
        """Return the first bytes of a value that has been committed; None for a key that is not there."""
        with self._env.begin(buffers=True) as transaction:
            value = transaction.get(key.encode())
            return None if value is None else bytes(value[:count])

    def put(self, key: str, value: bytes) -> None:
        """Add a value; it is in the database once its batch is full, or with `commit`."""
        self._pending[key.encode()] = value
        self._num_bytes += len(value)
        if len(self._pending) >= self._batch or self._num_bytes >= _MAX_PENDING:
            self.commit()

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; those that are not there are no error."""
        names = [key.encode() for key in keys]
        if names:
            self._write(lambda transaction: [transaction.delete(name) for name in names])

    def commit(self) -> None:
        """Write what is pending."""
        if self._pending:
            self._write(lambda transaction: [transaction.put(*item) for item in self._pending.items()])
            self._pending, self._num_bytes = {}, 0

    def _write(self, change: Any) -> None:
        """Make a change in one transaction; when the map is full, enlarge it and make the whole change again."""
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    change(transaction)
                return
            except self._lmdb.MapFullError:
                size = self._env.info()['map_size']
                self._env.set_mapsize(size + max(size // 4, 2 * self._num_bytes, _FIRST_MAP))
            except self._lmdb.Error as error:
                raise UserError(f'{self._folder}: cannot write the LMDB: {error}') from None
