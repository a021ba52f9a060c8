"""Show what a network will see: a sheet of training pairs, before | after, as they are cut, augmented and mixed.

python tools/preview_data.py -opt options/quickstart.yml
python tools/preview_data.py -opt my.yml --start 4000 --force_yml datasets:train:photometric:prob=1
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from preview_samples import collect
from preview_sheet import draw_sheet, save

from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.options import load_options, runtime_options

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Read the samples that the training run would read, and draw them."""
    for name, least, most in (('num', 1, 400), ('start', 0, 2**62), ('side', 32, 2048)):
        if not least <= getattr(args, name) <= most:
            raise UserError(f'--{name} {getattr(args, name)}: expected {least} to {most}')
    resolved, _ = load_options(args.opt, args.force_yml)
    options = runtime_options(resolved, str(ROOT), is_train=True)
    if 'train' not in options['datasets']:
        raise UserError(f'{args.opt}: has no datasets.train to look at')

    # A run without a seed draws one.
    seed = options['manual_seed'] or 0
    pairs = collect(options['datasets']['train'], seed, args.start, args.num)
    title = f'{options["name"]}    {options["datasets"]["train"]["name"]}, seed {seed}    before | after'
    out = args.out or ROOT / 'results' / 'preview' / f'{options["name"]}.png'
    save(draw_sheet(pairs, title, args.side), out)
    print(f'{out}: samples {args.start} to {args.start + args.num - 1}')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-opt', '--opt', required=True, metavar='FILE.yml', help='option file of the training')
    parser.add_argument('--num', type=int, default=16, help='number of samples (default: %(default)s)')
    parser.add_argument('--start', type=int, default=0, help='the first, counted from the start of the run')
    parser.add_argument('--side', type=int, default=224, help='side of each picture on the sheet, in pixels')
    parser.add_argument(
        '--force_yml', nargs='+', action='extend', default=[], metavar='KEY=VALUE', help="replaces the file's options"
    )
    parser.add_argument('-o', '--out', type=Path, help='PNG to write (default: results/preview/<name>.png)')
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
