"""Cut image pairs into overlapping sub-images, with BasicSR's grid and names.

python tools/extract_subimages.py --lq before --gt after -o datasets/mine_sub     writes lq/ and gt/, PNG
python tools/extract_subimages.py --lq DIV2K_LR_x4 --gt DIV2K_HR --filename_tmpl '{}x4' --scale 4 -o datasets/DIV2K_sub

Run it again after an interruption, or after adding photographs: it does what is left to do. On one machine the pixel
cache of the datasets (`cache:`) is faster than sub-images, and needs no preparation.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from image_sets import add_folder_arguments, find_images, show_progress

from basicsr.data.subimages import Grid, extract_subimages
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import OptionError


def run(args: argparse.Namespace) -> None:
    """Cut the images."""
    if not 0 <= args.compression_level <= 9:
        raise OptionError(f'--compression_level {args.compression_level}: expected 0 to 9')
    grid = Grid(args.crop_size, args.step, args.thresh_size, args.scale)
    images = find_images(args)
    work = extract_subimages(images, Path(args.out), grid, args.compression_level, args.n_thread)
    total = sum(count for _, count in show_progress(work, len(images), 'cutting'))
    for kind in ('lq', 'gt') if args.lq else ('gt',):
        print(f'{Path(args.out) / kind}: {total} sub-images of {len(images)} images')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and cut."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder_arguments(parser)
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='folder for lq and gt')
    parser.add_argument('--crop_size', type=int, default=480, help='side, in pixels of gt (default: %(default)s)')
    parser.add_argument('--step', type=int, default=240, help='from one to the next (default: %(default)s)')
    parser.add_argument(
        '--thresh_size', type=int, default=0, help='a rest at the border up to this is left out (default: %(default)s)'
    )
    parser.add_argument('--scale', type=int, default=1, help='gt is this many times larger (default: %(default)s)')
    parser.add_argument('--compression_level', type=int, default=3, help='of PNG, 0 to 9 (default: %(default)s)')
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
