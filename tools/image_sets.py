"""What the tools that prepare images have in common: the folders on the command line, and how long work takes."""

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from basicsr.data.data_util import paired_paths_from_folder, paired_paths_from_meta_info_file, paths_from_folder
from basicsr.data.exclude import leave_out
from basicsr.utils.errors import UserError


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --lq, --gt, --filename_tmpl, --meta_info_file, --exclude and --n_thread."""
    parser.add_argument('--gt', metavar='DIR', help='folder of the targets')
    parser.add_argument('--lq', metavar='DIR', help='folder of the inputs; leave it out where there are none')
    parser.add_argument(
        '--filename_tmpl', default='{}', metavar='TMPL', help="name of the input, given the target's: '{}_x4'"
    )
    parser.add_argument('--meta_info_file', metavar='FILE', help='take the targets that a list names (default: all)')
    parser.add_argument('--exclude', metavar='FILE', help='leave out the targets that a file names')
    parser.add_argument(
        '--n_thread', type=int, default=os.cpu_count() or 1, metavar='N', help='threads (default: %(default)s)'
    )


def find_images(args: argparse.Namespace) -> list[dict[str, str]]:
    """Return `{'gt_path': ..., 'lq_path': ...}` of the images that the arguments choose; without --lq, no `lq_path`.

    Raises:
        UserError: no folder, no images, or images without a partner.
    """
    if not args.gt:
        raise UserError('--gt: name the folder of the targets')
    for option, folder in (('--lq', args.lq), ('--gt', args.gt)):
        if folder and not os.path.isdir(folder):
            raise UserError(f'{option}: no such folder: {folder}')
    folders, keys = [args.lq or args.gt, args.gt], ['lq', 'gt']
    where = 'images'
    if args.meta_info_file:
        pairs = paired_paths_from_meta_info_file(folders, keys, args.meta_info_file, args.filename_tmpl, where)
    elif args.lq:
        pairs = paired_paths_from_folder(folders, keys, args.filename_tmpl, where)
    else:
        pairs = [{'gt_path': path} for path in paths_from_folder(args.gt)]
        if not pairs:
            raise UserError(f'--gt: no images in {args.gt}')
    pairs = leave_out(pairs, args.exclude, where)
    return pairs if args.lq else [{'gt_path': pair['gt_path']} for pair in pairs]


def show_progress(work: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """Yield what `work` yields, with a bar on a terminal."""
    return iter(tqdm(work, total=total, desc=what, unit='image', disable=None))


def table(rows: list[list[str]]) -> str:
    """Return rows of cells as lines; the first column is aligned to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        for row in rows
    ]
    return '\n'.join('  '.join(line).rstrip() for line in lines)
