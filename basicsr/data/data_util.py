"""Finds image pairs in folders, in LMDBs, or by a list of names. Pairs are `{'lq_path': ..., 'gt_path': ...}`."""

import os
from collections.abc import Sequence
from pathlib import Path

from basicsr.utils.errors import DataError
from basicsr.utils.misc import scandir

IMAGE_EXTENSIONS = ('.bmp', '.jp2', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
_NUM_EXAMPLES = 5


def paths_from_folder(folder: str) -> list[str]:
    """Return the paths of the images in a folder, sorted; other files are left out."""
    return [os.path.join(folder, name) for name in _image_names(folder)]


def paths_from_lmdb(folder: str) -> list[str]:
    """Return the keys of an LMDB from its `meta_info.txt`, whose lines are `key.png (h,w,c) compression`."""
    meta_info = Path(folder) / 'meta_info.txt'
    if not str(folder).endswith('.lmdb'):
        raise DataError(f'{folder}: the folder of an LMDB has a name that ends with .lmdb')
    if not meta_info.is_file():
        raise DataError(f'{meta_info}: no such file; it lists the keys of the LMDB')
    return [line.split('.')[0] for line in meta_info.read_text(encoding='utf-8').splitlines() if line.strip()]


def paired_paths_from_folder(
    folders: Sequence[str], keys: Sequence[str] = ('lq', 'gt'), filename_tmpl: str = '{}', section: str = 'datasets'
) -> list[dict[str, str]]:
    """Pair the images of two folders by name.

    An LQ image may have another ending than its GT image; of several that differ in the ending only, the one with GT's
    counts.

    Args:
        folders: of LQ and GT.
        filename_tmpl: makes the name of LQ from that of GT, both without ending: `{}_x4`.
        section: where the folders are set in the option file, for messages: `datasets.train`.

    Raises:
        DataError: no such folder, no images, or images without a partner.
    """
    lq_folder, gt_folder = _existing_folders(folders, keys, section)
    lq_names, gt_names = _image_names(lq_folder), _image_names(gt_folder)
    for names, folder, key in ((lq_names, lq_folder, keys[0]), (gt_names, gt_folder, keys[1])):
        if not names:
            raise DataError(
                f'{section}.dataroot_{key}: no images in {folder} (looked for {", ".join(IMAGE_EXTENSIONS)})'
            )

    by_stem: dict[str, list[str]] = {}
    for name in lq_names:
        by_stem.setdefault(os.path.splitext(name)[0], []).append(name)
    partners = {}
    for gt_name in gt_names:
        stem, ending = os.path.splitext(gt_name)
        lq_stem = filename_tmpl.format(stem)
        partners[gt_name] = _choose(by_stem.get(lq_stem, []), lq_stem + ending, f'{section}.dataroot_{keys[0]}')

    without_lq = [name for name, partner in partners.items() if partner is None]
    without_gt = sorted(set(lq_names) - set(partners.values()))
    if without_lq or without_gt:
        raise DataError(
            f'{section}: the images do not pair up (filename_tmpl: {filename_tmpl!r})'
            + _list_names(without_lq, f'of {len(gt_names)} images in {gt_folder} have no partner in dataroot_{keys[0]}')
            + _list_names(without_gt, f'of {len(lq_names)} images in {lq_folder} have no partner in dataroot_{keys[1]}')
        )
    return [_pair(keys, os.path.join(lq_folder, lq), os.path.join(gt_folder, gt)) for gt, lq in partners.items()]


def paired_paths_from_lmdb(
    folders: Sequence[str], keys: Sequence[str] = ('lq', 'gt'), section: str = 'datasets'
) -> list[dict[str, str]]:
    """Pair the entries of two LMDBs, which have equal keys.

    Raises:
        DataError: no such folder, or keys that only one of them has.
    """
    lq_folder, gt_folder = _existing_folders(folders, keys, section)
    lq_keys, gt_keys = paths_from_lmdb(lq_folder), paths_from_lmdb(gt_folder)
    only_gt, only_lq = sorted(set(gt_keys) - set(lq_keys)), sorted(set(lq_keys) - set(gt_keys))
    if only_gt or only_lq:
        raise DataError(
            f'{section}: the LMDBs have different keys'
            + _list_names(only_gt, f'of {len(gt_keys)} keys of {gt_folder} are not in dataroot_{keys[0]}')
            + _list_names(only_lq, f'of {len(lq_keys)} keys of {lq_folder} are not in dataroot_{keys[1]}')
        )
    if not gt_keys:
        raise DataError(f'{section}.dataroot_{keys[1]}: no entries in {gt_folder}')
    return [_pair(keys, key, key) for key in sorted(gt_keys)]


def paired_paths_from_meta_info_file(
    folders: Sequence[str],
    keys: Sequence[str],
    meta_info_file: str,
    filename_tmpl: str = '{}',
    section: str = 'datasets',
) -> list[dict[str, str]]:
    """Pair the images that a file lists: each line starts with the name of a GT image, the rest of it is not read.

    Raises:
        DataError: no such folder or file, no names in it, or images that do not exist.
    """
    lq_folder, gt_folder = _existing_folders(folders, keys, section)
    if not os.path.isfile(meta_info_file):
        raise DataError(f'{section}.meta_info_file: no such file: {meta_info_file}')
    lines = Path(meta_info_file).read_text(encoding='utf-8').splitlines()
    pairs = []
    for gt_name in (line.split()[0] for line in lines if line.strip()):
        stem, ending = os.path.splitext(gt_name)
        lq_name = os.path.join(os.path.dirname(stem), filename_tmpl.format(os.path.basename(stem)) + ending)
        pairs.append(_pair(keys, os.path.join(lq_folder, lq_name), os.path.join(gt_folder, gt_name)))

    missing = [path for pair in pairs for path in pair.values() if not os.path.isfile(path)]
    if missing or not pairs:
        raise DataError(
            f'{section}.meta_info_file: {meta_info_file} lists {len(pairs)} images'
            + _list_names(missing, f'of {2 * len(pairs)} files do not exist')
        )
    return pairs


def _image_names(folder: str) -> list[str]:
    return [name for name in scandir(folder) if name.lower().endswith(IMAGE_EXTENSIONS)]


def _existing_folders(folders: Sequence[str], keys: Sequence[str], section: str) -> Sequence[str]:
    missing = [
        f'{section}.dataroot_{key}: no such folder: {folder}'
        for key, folder in zip(keys, folders)
        if not os.path.isdir(folder)
    ]
    if missing:
        demo = 'For a small set to try things with: python tools/make_demo_data.py'
        raise DataError('\n'.join([*missing, demo]))
    return folders


def _choose(candidates: list[str], same_ending: str, where: str) -> str | None:
    """Return the LQ image of a GT image, or None when there is none."""
    if same_ending in candidates or not candidates:
        return same_ending if candidates else None
    if len(candidates) > 1:
        raise DataError(f'{where}: {" and ".join(candidates)} differ in the ending only; which is the LQ image?')
    return candidates[0]


def _pair(keys: Sequence[str], lq_path: str, gt_path: str) -> dict[str, str]:
    return {f'{keys[0]}_path': lq_path, f'{keys[1]}_path': gt_path}


def _list_names(names: list[str], what: str) -> str:
    """Return a line of a message with the number of names and the first few; nothing for none."""
    if not names:
        return ''
    more = ', ...' if len(names) > _NUM_EXAMPLES else ''
    return f'\n    {len(names)} {what}: {", ".join(names[:_NUM_EXAMPLES])}{more}'
