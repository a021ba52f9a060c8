"""Finds image pairs in folders, in LMDBs, or by a list of names. Pairs are `{'lq_path': ..., 'gt_path': ...}`."""

import functools
import logging
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from basicsr.utils.errors import DataError
from basicsr.utils.misc import scandir

_LIGHT = ('.exr', '.hdr')
IMAGE_EXTENSIONS = (
    '.bmp', '.jfif', '.jp2', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp', *_LIGHT,
)  # fmt: skip
_NUM_EXAMPLES = 5
# Photographs of formats that are not read: who has them in a folder believes that they are trained on.
_NOT_READ = (
    '.3fr', '.arw', '.avif', '.cr2', '.cr3', '.dng', '.heic', '.heif', '.jxl', '.nef', '.orf', '.psd', '.raf',
    '.rw2',
)  # fmt: skip
# What a line of a list begins with: `name (h,w,c)`, or `name.jpg`, each followed by anything.
_BEFORE_SIZE = re.compile(r'(\S.*?)\s+\(\s*\d+\s*,\s*\d+\s*(?:,\s*\d+\s*)?\)')
_TO_ENDING = re.compile(rf'(\S.*?(?:{"|".join(map(re.escape, IMAGE_EXTENSIONS))}))(?=\s|$)', re.IGNORECASE)


def as_roots(roots: str | list[str]) -> list[str]:
    """Return one folder or several as a list."""
    return [roots] if isinstance(roots, str) else roots


def paths_from_folder(folder: str) -> list[str]:
    """Return the paths of the images in a folder, sorted; other files are left out, photographs with a warning."""
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
    folders: Sequence[str],
    keys: Sequence[str] = ('lq', 'gt'),
    filename_tmpl: str = '{}',
    section: str = 'datasets',
    may_lack_partner: Collection[str] = (),
) -> list[dict[str, str]]:
    """Pair the images of two folders by name.

    An LQ image may have another ending than its GT image; of several that differ in the ending only, the one with GT's
    counts.

    Args:
        folders: of LQ and GT.
        filename_tmpl: makes the name of LQ from that of GT, both without ending: `{}_x4`.
        section: where the folders are set in the option file, for messages: `datasets.train`.
        may_lack_partner: names, with or without ending, of images that are passed over if they have no partner.

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

    partners, without_gt = match_names(lq_names, gt_names, filename_tmpl, f'{section}.dataroot_{keys[0]}')
    without_lq = [name for name, partner in partners.items() if partner is None]
    without_lq, without_gt = (
        [name for name in names if name not in may_lack_partner and os.path.splitext(name)[0] not in may_lack_partner]
        for names in (without_lq, without_gt)
    )
    if without_lq or without_gt:
        raise DataError(
            f'{section}: the images do not pair up (filename_tmpl: {filename_tmpl!r})'
            + _list_names(without_lq, f'of {len(gt_names)} images in {gt_folder} have no partner in dataroot_{keys[0]}')
            + _list_names(without_gt, f'of {len(lq_names)} images in {lq_folder} have no partner in dataroot_{keys[1]}')
        )
    return [_pair(keys, os.path.join(lq_folder, lq), os.path.join(gt_folder, gt)) for gt, lq in partners.items() if lq]


def match_names(
    lq_names: Sequence[str], gt_names: Sequence[str], filename_tmpl: str, where: str
) -> tuple[dict[str, str | None], list[str]]:
    """Return the LQ name of each GT name, None for one without, and the LQ names that no GT name has.

    Args:
        filename_tmpl: makes the name of LQ from that of GT, both without ending.
        where: what the message calls the folder of LQ.

    Raises:
        DataError: several LQ names that differ in the ending only, none with GT's.
    """
    by_stem = _names_by_stem(lq_names)
    partners = {}
    for gt_name in gt_names:
        stem, ending = os.path.splitext(gt_name)
        lq_stem = filename_tmpl.format(stem)
        partners[gt_name] = _choose(by_stem.get(lq_stem, []), lq_stem + ending, where)
    return partners, sorted(set(lq_names) - set(partners.values()))


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

    A name with spaces ends where its size in parentheses begins, `living room.jpg (480,640,3)`, or with the ending of
    an image. An LQ image may have another ending than its GT image, as in `paired_paths_from_folder`.

    Raises:
        DataError: no such folder or file, no names in it, or images that do not exist.
    """
    pairs = listed_pairs(folders, keys, meta_info_file, filename_tmpl, section)
    missing = [path for pair in pairs for path in pair.values() if not os.path.isfile(path)]
    if missing or not pairs:
        raise DataError(
            f'{section}.meta_info_file: {meta_info_file} lists {len(pairs)} images'
            + _list_names(missing, f'of {2 * len(pairs)} files do not exist')
        )
    return pairs


def listed_pairs(
    folders: Sequence[str], keys: Sequence[str], meta_info_file: str, filename_tmpl: str, section: str
) -> list[dict[str, str]]:
    """As `paired_paths_from_meta_info_file`, but the images may be missing."""
    lq_folder, gt_folder = _existing_folders(folders, keys, section)
    if not os.path.isfile(meta_info_file):
        raise DataError(f'{section}.meta_info_file: no such file: {meta_info_file}')
    lines = Path(meta_info_file).read_text(encoding='utf-8-sig').splitlines()
    listed = functools.cache(lambda folder: _names_by_stem(_image_names(folder)))
    pairs = []
    for gt_name in (name_in_meta_info(line, gt_folder) for line in lines if line.strip()):
        subfolder, name = os.path.split(gt_name)
        stem, ending = os.path.splitext(name)
        lq_name = filename_tmpl.format(stem) + ending
        if not os.path.isfile(os.path.join(lq_folder, subfolder, lq_name)):
            others = listed(os.path.join(lq_folder, subfolder)).get(filename_tmpl.format(stem), [])
            lq_name = _choose(others, lq_name, f'{section}.dataroot_{keys[0]}') or lq_name
        pairs.append(_pair(keys, os.path.join(lq_folder, subfolder, lq_name), os.path.join(gt_folder, gt_name)))
    return pairs


def name_in_meta_info(line: str, folder: str) -> str:
    """Return the name of the image that a line of a list begins with.

    BasicSR reads the first word. Names with spaces are longer: the longest reading of which a file exists in `folder`
    counts; when none exists, the longest.
    """
    line = line.strip()
    readings = [match[1] for pattern in (_BEFORE_SIZE, _TO_ENDING) if (match := pattern.match(line))]
    readings.append(line.split()[0])
    return next((name for name in readings if os.path.isfile(os.path.join(folder, name))), readings[0])


def _names_by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    by_stem: dict[str, list[str]] = {}
    for name in names:
        by_stem.setdefault(os.path.splitext(name)[0], []).append(name)
    return by_stem


def _image_names(folder: str) -> list[str]:
    names = list(scandir(folder))
    passed_over = [name for name in names if name.lower().endswith(_NOT_READ)]
    if passed_over:
        logging.getLogger('basicsr').warning(
            f'{folder}: {len(passed_over):,} photographs are passed over, the first is {passed_over[0]}: convert '
            'to TIFF, PNG or JPEG those that are to be used'
        )
    return [name for name in names if name.lower().endswith(IMAGE_EXTENSIONS)]


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
