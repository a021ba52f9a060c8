"""The pairs to look at: of an option file, or of folders. What has no partner is listed too."""

import os
from dataclasses import dataclass
from pathlib import Path

from basicsr.data.data_util import listed_pairs, match_names, paths_from_folder
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.options import load_options, runtime_options


@dataclass(frozen=True)
class Pair:
    """Two files. `name` is what lists of names call the target; a path is None where there is no such file."""

    set_name: str
    name: str
    lq_path: str | None
    gt_path: str | None
    scale: int | None = None

    @property
    def is_training(self) -> bool:
        """Whether a network learns from it."""
        return self.set_name.startswith('train')


def pairs_of_folders(
    lq_folder: str, gt_folder: str, set_name: str = 'train', filename_tmpl: str = '{}', scale: int | None = None
) -> list[Pair]:
    """Return the pairs of two folders, by the rules of `PairedImageDataset`, and what has no partner.

    Args:
        scale: side of the target over that of the input; None for what most pairs have.

    Raises:
        DataError: no such folder, no images, or inputs that differ in the ending only.
    """
    for folder in (lq_folder, gt_folder):
        if not os.path.isdir(folder):
            raise DataError(f'{set_name}: no such folder: {folder}')
    lq_names, gt_names = ([os.path.basename(path) for path in paths_from_folder(f)] for f in (lq_folder, gt_folder))
    if not lq_names and not gt_names:
        raise DataError(f'{set_name}: no images in {lq_folder} and {gt_folder}')
    partners, without_gt = match_names(lq_names, gt_names, filename_tmpl, lq_folder)
    pairs = []
    for gt_name, lq_name in partners.items():
        lq_path = None if lq_name is None else os.path.join(lq_folder, lq_name)
        pairs.append(Pair(set_name, gt_name, lq_path, os.path.join(gt_folder, gt_name), scale))
    return pairs + [Pair(set_name, name, os.path.join(lq_folder, name), None, scale) for name in without_gt]


def pairs_of_file(path: str, root: str | Path) -> tuple[list[Pair], list[str]]:
    """Return the pairs of all sets of an option file, and a note on each set that cannot be looked at.

    Pairs that the file excludes are looked at again, so that the new list can take the place of the old one. The parts
    of a mixture are sets of their own: `train_<name>`.

    Args:
        root: folder that relative paths of the file start from.

    Raises:
        OptionError: the file has mistakes.
        DataError: a folder that does not exist or has no images.
        UserError: no set with folders.
    """
    options, _ = load_options(path)
    opt = runtime_options(options, str(root), is_train=True)
    sets = {}
    for key, dataset in opt['datasets'].items():
        parts = {f'{key}_{entry["name"]}': entry for entry in dataset.get('mix') or []}
        sets |= parts or {str(key): dataset}
    pairs, notes = [], []
    for name, dataset in sets.items():
        if not dataset.get('dataroot_lq') or not dataset.get('dataroot_gt'):
            notes.append(f'{name}: not audited: it has no folders of inputs and targets')
        elif (dataset.get('io_backend') or {}).get('type', 'disk') != 'disk':
            notes.append(f'{name}: not audited: the images are in an LMDB; audit the folders it was made from')
        else:
            pairs += _pairs_of_set(name, dataset, opt['scale'])
    if not pairs:
        raise UserError('\n'.join([f'{path}: no set with folders of pairs', *notes]))
    return pairs, notes


def _pairs_of_set(name: str, dataset: dict, scale: int) -> list[Pair]:
    template, pairs = dataset.get('filename_tmpl', '{}'), []
    for lq, gt in zip(_as_list(dataset['dataroot_lq']), _as_list(dataset['dataroot_gt'])):
        if not dataset.get('meta_info_file'):
            pairs += pairs_of_folders(lq, gt, name, template, scale)
            continue
        listed = listed_pairs((lq, gt), ('lq', 'gt'), dataset['meta_info_file'], template, f'datasets.{name}')
        for pair in listed:
            paths = (path if os.path.isfile(path) else None for path in pair.values())
            pairs.append(Pair(name, os.path.relpath(pair['gt_path'], gt), *paths, scale))
    return pairs


def _as_list(roots: str | list[str]) -> list[str]:
    return [roots] if isinstance(roots, str) else roots
