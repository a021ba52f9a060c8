"""Compare two results image by image: mean differences with bootstrap intervals, and the images that changed most.

python tools/compare.py experiments/base experiments/lab            the newest tables of all sets that both have
python tools/compare.py results/evaluate/a/scores.csv results/evaluate/b/scores.csv --metrics psnr,de00_mean

The difference is B - A, its interval of 95 % over images (BCa bootstrap). `improved` is the share of images whose score
became better; for a ratio that means nearer to 1. A word is given where the interval of the mean gain leaves out 0.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare_files import common_metrics, find_comparisons, senses
from compare_report import FORMATS, WARNING, as_text, compare, describe

from basicsr.utils.atomic import write_atomic
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import OptionError


def run(args: argparse.Namespace) -> None:
    """Compare every set, and write."""
    if args.out and args.out.suffix not in FORMATS:
        raise OptionError(f'-o {args.out}: the ending says what to write: one of {", ".join(FORMATS)}')
    comparisons = find_comparisons(args.a, args.b, _names(args.sets))
    metrics = [common_metrics(comparison, _names(args.metrics)) for comparison in comparisons]
    better = senses({name: None for names in metrics for name in names}, (args.a, args.b), args.better)
    by = args.by or ('de00_mean' if any('de00_mean' in names for names in metrics) else metrics[0][0])
    if not any(by in names for names in metrics):
        raise OptionError(f'--by {by}: is not among the metrics that are compared')

    rows = []
    for comparison, names in zip(comparisons, metrics):
        rows_of_set = compare(comparison, names, better, args.images, args.seed)
        print(describe(comparison, rows_of_set, by), end='\n\n')
        rows += rows_of_set
    print(WARNING)
    if args.out:
        write_atomic(args.out, as_text(args.out.suffix, comparisons, rows, by))
        print(args.out)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(',') if name.strip()]


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('a', metavar='A', help='CSV file of scores, folder of a run, or folder that tools/evaluate.py wrote')
    add('b', metavar='B', help='what is compared with it')
    add('--metrics', default='', metavar='NAMES', help='psnr,de00_mean (default: all that both have)')
    add('--sets', default='', metavar='NAMES', help='sets of the runs (default: all that both have)')
    add('--by', metavar='METRIC', help='list the images that changed most in this one (default: de00_mean)')
    add('--images', type=int, default=10, metavar='N', help='how many of them each way (default: %(default)s)')
    add('--better', action='append', default=[], metavar='METRIC=SENSE', help='lpips=lower, score=higher, ratio=1.0')
    add('--seed', type=int, default=0, help='of the bootstrap (default: %(default)s)')
    add('-o', '--out', type=Path, metavar='FILE', help='write a .csv, .md or .json as well')
    args = parser.parse_args(argv)
    for option, value in (('--images', args.images), ('--seed', args.seed)):
        if value < 0:
            parser.error(f'{option} {value}: at least 0')
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
