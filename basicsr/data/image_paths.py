"""Finds the images of the datasets that have no pairs: in folders, in an LMDB, or by a list of names."""

import os
from pathlib import Path

from basicsr.data.data_util import as_roots, name_in_meta_info, paths_from_folder, paths_from_lmdb
from basicsr.data.image_dataset import ImageOptions
from basicsr.utils.errors import DataError


def check_roots(roots: str | list[str], own: ImageOptions, key: str) -> None:
    """Refuse several folders where only one makes sense.

    Raises:
        ValueError: names the option `key`.
    """
    if not as_roots(roots):
        raise ValueError(f'`{key}` names no folder')
    if len(as_roots(roots)) > 1 and (own.io_backend.type == 'lmdb' or own.meta_info_file):
        raise ValueError(f'several folders in `{key}` are read whole, from disk: give one folder to a list or an LMDB')


def find_images(roots: str | list[str], own: ImageOptions, where: str) -> list[str]:
    """Return the paths of the images, or the keys of an LMDB, in the order of the folders and by name within each.

    Args:
        where: what messages call the option: `datasets.train.dataroot_gt`.

    Raises:
        DataError: no such folder or list, no images, or images that do not exist.
    """
    paths = []
    for root in as_roots(roots):
        if not os.path.isdir(root):
            raise DataError(f'{where}: no such folder: {root}')
        if own.io_backend.type == 'lmdb':
            found = paths_from_lmdb(root)
        elif own.meta_info_file is None:
            found = paths_from_folder(root)
        else:
            found = _listed(own.meta_info_file, root, where)
        if not found:
            raise DataError(f'{where}: no images in {root}')
        paths += found
    return paths


def _listed(meta_info_file: str, root: str, where: str) -> list[str]:
    """Return the images that the lines of a file begin with."""
    if not os.path.isfile(meta_info_file):
        raise DataError(f'{where}: no such file: {meta_info_file} (`meta_info_file`)')
    lines = Path(meta_info_file).read_text(encoding='utf-8-sig').splitlines()
    paths = [os.path.join(root, name_in_meta_info(line, root)) for line in lines if line.strip()]

    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        more = ', ...' if len(missing) > 5 else ''
        raise DataError(
            f'{where}: {len(missing)} of {len(paths)} images that {meta_info_file} lists do not exist: '
            f'{", ".join(missing[:5])}{more}'
        )
    return paths
