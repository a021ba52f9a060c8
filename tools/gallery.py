"""Put the galleries of several runs side by side: the same images, a column for each run.

python tools/gallery.py experiments/ablate_full experiments/ablate_no_chroma
python tools/gallery.py experiments/ablate_* --set val_color --iter best -o compare.html

A run has a gallery if it was validated with `val.gallery`. The page needs nothing beside it.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gallery_runs import load_run, names_of_sets
from gallery_sheet import write_sheet

from basicsr.metrics.gallery.store import safe_name
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Read the galleries, and write the page."""
    if args.iter not in ('last', 'best') and not args.iter.isdecimal():
        raise UserError(f'--iter {args.iter}: expected an iteration, last or best')
    notes: list[str] = []
    runs = [load_run(folder, notes) for folder in dict.fromkeys(args.runs)]
    if len({run.name for run in runs}) < len(runs):
        for found in runs:
            found.name = str(found.folder)
    sets = names_of_sets(runs, args.set)
    out = args.out or ROOT / 'results' / 'gallery' / f'{safe_name("_".join(run.name for run in runs))}.html'
    count = write_sheet(runs, sets, args.iter, out, notes)
    print(f'{out}: {count} images of {", ".join(sets)}, {len(runs)} runs')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='run folder, such as experiments/quickstart')
    parser.add_argument('--set', metavar='NAME', help='one set alone (default: all)')
    parser.add_argument('--iter', default='last', metavar='N', help='iteration, last or best (default: %(default)s)')
    parser.add_argument('-o', '--out', type=Path, help='page to write (default: results/gallery/<runs>.html)')
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
