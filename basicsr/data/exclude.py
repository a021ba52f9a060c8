"""Leaves out of a set what a file names: `exclude: exclude.txt`."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from basicsr.utils.errors import DataError, suggest
from basicsr.utils.logger import get_root_logger

# The next step after an error in a photograph of a training set.
REMEDY = 'repair or remove what is damaged, or name it in `exclude:` (tools/audit_data.py writes the list)'
_NUM_EXAMPLES = 5


def read_exclude(path: str) -> list[str]:
    """Return the names in a file: one per line, up to a `#` that begins the line or follows a space.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except OSError as error:
        raise DataError(f'{path}: cannot read the list: {error.strerror}') from None
    except UnicodeDecodeError:
        raise DataError(f'{path}: is not a text file in UTF-8') from None
    names = (re.split(r'(?:^|\s)#', line, maxsplit=1)[0].strip() for line in lines)
    return [name for name in names if name]


def unreadable(errors: Sequence[DataError], looked_at: str, section: str) -> DataError:
    """Return one error for images of a set that cannot be read: how many, the first of them, and the next step.

    Args:
        looked_at: how many images that is, in words: `8 pairs`.
        section: where the set stands in the option file: `datasets.train`.
    """
    lines = ''.join(f'\n    {error}' for error in errors[:_NUM_EXAMPLES])
    more = '\n    ...' if len(errors) > _NUM_EXAMPLES else ''
    return DataError(f'{section}: of {looked_at}, {len(errors):,} cannot be read:{lines}{more}\n{REMEDY}')


def leave_out(
    pairs: Sequence[dict[str, str]], exclude: str | None, section: str, key: str = 'gt_path'
) -> list[dict[str, str]]:
    """Return the pairs whose target no line of a file names, by file name, by stem, or by the end of its path.

    Args:
        exclude: the file; None leaves out nothing.
        section: where the set stands in the option file, for messages: `datasets.train`.

    Names that the set does not have are noted in the log: the sets of a mixture may share a file.

    Raises:
        DataError: the file cannot be read, or leaves nothing.
    """
    if exclude is None:
        return list(pairs)
    by_name: dict[str, set[int]] = {}
    for index, pair in enumerate(pairs):
        for name in _names(pair[key]):
            by_name.setdefault(name, set()).add(index)

    names = [os.path.normpath(name) for name in read_exclude(exclude)]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        get_root_logger().warning(
            f'{section}.exclude: {exclude} names {len(unknown)} images (of {len(names)}) that the set does not have, '
            f'the first is {unknown[0]!r}{suggest(unknown[0], by_name)}'
        )
    out = set().union(*(by_name.get(name, ()) for name in names))
    if len(out) == len(pairs):
        raise DataError(f'{section}.exclude: {exclude} leaves none of {len(pairs)} images')
    get_root_logger().info(f'{section}: {len(out)} of {len(pairs)} images are left out, as {exclude} says.')
    return [pair for index, pair in enumerate(pairs) if index not in out]


def _names(path: str) -> list[str]:
    """Return what a line may call an image: the ends of its path, and its name without ending."""
    parts = Path(path).parts
    ends = [str(Path(*parts[-count:])) for count in range(1, min(len(parts), 4) + 1)]
    return [*ends, path, Path(path).stem]
