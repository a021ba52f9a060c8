"""Compare runs: which variants are better, by how much, whether that is noise, and at what price elsewhere.

python tools/report.py experiments/color_losses
python tools/report.py experiments/full_s* experiments/no_ssim_s* --baseline full

Runs are paired by their seeds (manual_seed); runs `name_s0`, `name_s1`, ... are seeds of the variant `name`. Writes a
page that needs nothing beside it, and the same as Markdown, CSV and JSON.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from basicsr.ablation.report import write_report
from basicsr.metrics.gallery.store import safe_name
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Write the report, and say where it is."""
    pairs = [_pair(text) for text in args.pareto] or None
    metrics = args.metrics.split(',') if args.metrics else None
    out = args.out
    if out is None and len(args.runs) > 1:
        out = ROOT / 'results' / 'report' / safe_name('_'.join(run.resolve().name for run in args.runs))
    print(write_report(args.runs, out, args.baseline, metrics, pairs))


def _pair(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(',')]
    if len(names) != 2 or not all(names):
        raise UserError(f'--pareto {text}: expected two metrics, such as psnr,de00_p95')
    return names[0], names[1]


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='GRID_OR_RUN', help='folder of a grid, or of a run')
    parser.add_argument(
        '-o', '--out', type=Path, help='folder to write to (default: `report` in the grid, or results/report/<runs>)'
    )
    parser.add_argument('--baseline', metavar='VARIANT', help='variant to compare with (default: that of the grid)')
    parser.add_argument(
        '--metrics',
        metavar='A,B,...',
        help='metrics to show first and to judge together; with few of them, smaller differences are separable',
    )
    parser.add_argument(
        '--pareto',
        action='append',
        default=[],
        metavar='X,Y',
        help='metrics to draw against each other; may be repeated (default: psnr,de00_p95 and psnr,sat_ratio_60)',
    )
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
