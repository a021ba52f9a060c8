"""Writes a split as lists of names, or as folders of links, and never over another one."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from basicsr.data.data_util import name_in_meta_info
from basicsr.data.split import PARTS
from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError, UserError


def meta_info_line(folder: str, name: str, size: tuple[int, int]) -> str:
    """Return the line of a list for an image, as BasicSR writes it: `name (height,width,3)`.

    Args:
        folder: where the file is.
        name: of the file, with folders below `folder`.
        size: (height, width).

    Raises:
        DataError: the name would be read as another one.
    """
    line = f'{name} ({size[0]},{size[1]},3)'
    if len(line.splitlines()) != 1 or name_in_meta_info(line, folder) != name:
        raise DataError(f'{os.path.join(folder, name)}: a list cannot hold the name {name!r}; rename the file')
    return line


def write_lists(out: Path, parts: Mapping[str, Sequence[str]]) -> list[Path]:
    """Write `meta_info_<part>.txt` for each part, from its lines; files that are there and equal stay as they are.

    Raises:
        UserError: lists of another split are there, or the folder cannot be written.
    """
    contents = {out / f'meta_info_{part}.txt': '\n'.join([*lines, '']).encode() for part, lines in parts.items()}
    for path in (out / f'meta_info_{part}.txt' for part in PARTS):
        if path.exists() and path.read_bytes() != contents.get(path):
            raise UserError(f'{path} belongs to another split: delete its lists, or name another folder with -o')
    for path, content in contents.items():
        if not path.exists():
            write_atomic(path, content)
    return list(contents)


def write_links(out: Path, parts: Mapping[str, Mapping[str, str]]) -> list[Path]:
    """Make folders `<part>` of symbolic links to images; folders that are there and equal stay as they are.

    The links are relative, so the images and `out` can be moved together.

    Args:
        parts: for each part, the images by their path in its folder: `{'train': {'lq/a.jpg': 'before/a.jpg', ...}}`.

    Raises:
        UserError: folders of another split are there, or links cannot be made.
    """
    targets = {part: _targets(out / part, images) for part, images in parts.items()}
    for part in PARTS:
        if os.path.lexists(out / part) and _links_in(out / part) != targets.get(part):
            raise UserError(f'{out / part} belongs to another split: delete it, or name another folder with -o')
    try:
        for part in targets:
            if not (out / part).exists():
                _make_links(out / part, targets[part])
    except OSError as error:
        raise UserError(f'{out}: cannot make links: {error.strerror}; without --links, lists are written') from None
    return [out / part for part in parts]


def _targets(folder: Path, images: Mapping[str, str]) -> dict[str, str]:
    """Return what each link points to, by its path in the folder."""
    real = os.path.realpath(folder)
    return {
        name: _relative(os.path.realpath(path), os.path.dirname(os.path.join(real, name)))
        for name, path in images.items()
    }


def _relative(path: str, start: str) -> str:
    try:
        return os.path.relpath(path, start)
    except ValueError:  # on another drive of Windows
        return path


def _links_in(folder: Path) -> dict[str, str | None]:
    """Return what each link below a folder points to; None for what is no link."""
    paths = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else None for path in paths}


def _make_links(folder: Path, targets: Mapping[str, str]) -> None:
    partial = folder.with_name(f'.{folder.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    for name, target in targets.items():
        link = partial / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    os.replace(partial, folder)
