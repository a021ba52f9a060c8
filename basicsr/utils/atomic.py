"""Writes files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from basicsr.utils.errors import UserError


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a path to write to, in the folder of `path`, which is created; afterwards, what lies there becomes `path`.

    If anything goes wrong, the old file stays as it was.

    Raises:
        UserError: the file cannot be written; the message names it.
    """
    path = Path(path)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f'{path}: cannot write the file: {error.strerror or error}') from None
    finally:
        if partial.exists():
            partial.unlink()


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
    """Write a file with its folder; text in UTF-8.

    Raises:
        UserError: it cannot be written; the message names it.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode('utf-8') if isinstance(content, str) else content)
