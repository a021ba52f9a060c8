"""Look at pairs of images before training on them: faults, leaks, alignment, colours, and the noise floor.

python tools/audit_data.py -opt options/finetune_demo.yml
python tools/audit_data.py --lq DIR --gt DIR [--val-lq DIR --val-gt DIR]

Writes `audit.html`, `audit.csv`, and `exclude.txt` for the option `exclude:` of the training set.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tqdm import tqdm

from basicsr.data.audit.findings import Thresholds
from basicsr.data.audit.page import write_page
from basicsr.data.audit.pair import measure_pairs, num_processors
from basicsr.data.audit.sets import Pair, pairs_of_file, pairs_of_folders
from basicsr.data.audit.summary import Audit, judge
from basicsr.data.audit.tables import make_folder, write_csv, write_excludes
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Measure all pairs, and write the page, the table and the lists."""
    if args.max_side < 256:
        raise UserError(f'--max-side {args.max_side}: the audit needs at least 256 pixels')
    if args.jobs < 1:
        raise UserError(f'--jobs {args.jobs}: at least one process')
    pairs, notes = find_pairs(args)
    name = Path(args.opt).stem if args.opt else Path(args.gt).resolve().parent.name or 'pairs'
    out = args.out or ROOT / 'audit' / name

    make_folder(out)
    bar = tqdm(measure_pairs(pairs, args.max_side, args.jobs), total=len(pairs), unit='pair')
    limits = Thresholds(misaligned=args.max_misalignment)
    audit = judge(bar, limits, notes)
    write_csv(audit, out / 'audit.csv')
    write_page(audit, f'Audit of {args.opt or name}', out / 'audit.html', limits)
    lists = write_excludes(audit, out)

    print(summary(audit))
    print(*(str(path) for path in (out / 'audit.html', out / 'audit.csv', *lists)), sep='\n')


def find_pairs(args: argparse.Namespace) -> tuple[list[Pair], list[str]]:
    """Return the pairs that the command line asks for, and notes on what is left out."""
    if args.opt:
        return pairs_of_file(args.opt, ROOT)
    if not (args.lq and args.gt) or bool(args.val_lq) != bool(args.val_gt):
        raise UserError('give -opt FILE, or --lq DIR and --gt DIR; --val-lq and --val-gt go together')
    pairs = pairs_of_folders(args.lq, args.gt, 'train', args.filename_tmpl)
    if args.val_lq:
        pairs += pairs_of_folders(args.val_lq, args.val_gt, 'val', args.filename_tmpl)
    return pairs, []


def summary(audit: Audit) -> str:
    """Return what the terminal shows: the sets as a whole, how often what was found, and the ten worst."""
    from probe_report import aligned

    faults = sum(bool(row.faults) for row in audit.rows)
    lines = [f'{len(audit.rows):,} pairs, {faults:,} with faults', *audit.notes]
    counts = [[name, 'fault' if is_fault else 'remark', f'{n:,}'] for name, (is_fault, n) in audit.counts().items()]
    if counts:
        lines += ['', aligned([['finding', '', 'pairs'], *counts]), '', 'The worst:']
    for row in audit.worst():
        lines.append(f'{row.report.pair.set_name}/{row.report.pair.name}')
        lines += [f'    {"" if f.is_fault else "("}{f.name}{"" if f.is_fault else ")"}: {f.text}' for f in row.findings]
    return '\n'.join([*lines, ''])


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-opt', '--opt', metavar='FILE.yml', help='all sets of an option file')
    parser.add_argument('--lq', metavar='DIR', help='inputs of the training set')
    parser.add_argument('--gt', metavar='DIR', help='targets of the training set')
    parser.add_argument('--val-lq', metavar='DIR', help='inputs of the validation set')
    parser.add_argument('--val-gt', metavar='DIR', help='targets of the validation set')
    parser.add_argument('--filename_tmpl', default='{}', help="name of the input, given that of the target: '{}_x4'")
    parser.add_argument('-o', '--out', type=Path, help='folder to write to (default: audit/<name>)')
    parser.add_argument('--jobs', type=int, default=num_processors(), help='processes (default: %(default)s)')
    parser.add_argument('--max-side', type=int, default=1000, help='pixels of reduced copies (default: %(default)s)')
    parser.add_argument(
        '--max-misalignment',
        type=float,
        default=Thresholds.misaligned,
        metavar='PIXELS',
        help='displacement from which a pair is excluded (default: %(default)s)',
    )
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
