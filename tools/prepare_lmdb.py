"""Put image pairs into LMDBs, in BasicSR's format, for `io_backend: {type: lmdb}`.

python tools/prepare_lmdb.py --lq before --gt after -o datasets/mine      writes lq.lmdb and gt.lmdb

Run it again after an interruption, or after adding photographs: it does what is left to do. PNG files are put in as
they are; others become PNG without loss, which makes JPEG several times larger. On one machine the pixel cache of the
datasets (`cache:`) is faster than an LMDB, and needs no preparation.
"""

import argparse
import os
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from image_sets import add_folder_arguments, find_images

from basicsr.utils.cli import run_cli
from basicsr.utils.errors import OptionError
from basicsr.utils.lmdb_util import make_lmdb_from_imgs
from basicsr.utils.misc import sizeof_fmt


def run(args: argparse.Namespace) -> None:
    """Write the databases."""
    if args.compress_level is not None and not 0 <= args.compress_level <= 9:
        raise OptionError(f'--compress_level {args.compress_level}: expected 0 to 9')
    pairs = find_images(args)
    # Both databases have the keys of the targets.
    keys = [os.path.splitext(os.path.relpath(pair['gt_path'], args.gt))[0] for pair in pairs]
    num_other = sum(not path.lower().endswith('.png') for pair in pairs for path in pair.values())
    if num_other:
        print(
            f'note: {num_other} files are not PNG. As PNG they lose nothing and grow, JPEG several times; '
            'on one machine the `cache` of the datasets is faster than an LMDB.'
        )
    for kind, folder in (('lq', args.lq), ('gt', args.gt)):
        if folder:
            names = [os.path.relpath(pair[f'{kind}_path'], folder) for pair in pairs]
            path = os.path.join(args.out, f'{kind}.lmdb')
            count = make_lmdb_from_imgs(
                folder,
                path,
                names,
                [key.replace(os.sep, '/') for key in keys],
                compress_level=args.compress_level,
                multiprocessing_read=args.n_thread > 1,
                n_thread=args.n_thread,
            )
            size = sizeof_fmt(os.path.getsize(os.path.join(path, 'data.mdb')))
            print(f'{path}: {len(names)} images, {count} of them put now, {size}')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and write the databases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder_arguments(parser)
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='folder for lq.lmdb and gt.lmdb')
    parser.add_argument(
        '--compress_level',
        type=int,
        metavar='0-9',
        help='compress all images anew (default: PNG as it is, others at 1)',
    )
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
