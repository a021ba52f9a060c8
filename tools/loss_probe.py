"""Show what loss terms see, how hard they pull, and where they break: a table, plots, and a page `probe.md`.

python tools/loss_probe.py -opt options/ablate_full.yml
python tools/loss_probe.py --loss 'ChromaLoss(where=saturated)' --loss SSIMLoss --image photo.jpg
"""

import argparse
import re
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from probe_inputs import ROOT, all_terms, device_of, load_picture, term_of_text, terms_of_file
from probe_plots import draw_changes, draw_overview, draw_term
from probe_report import HEADINGS, Row, aligned, file_name, summary, write_page

from basicsr.losses.probe import find_faults, probe_loss
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError


def run(args: argparse.Namespace) -> None:
    """Probe every term, and write the page."""
    if args.size < 128:
        raise UserError(f'--size {args.size}: the probe needs at least 128 pixels')
    terms = terms_of_file(args.opt) if args.opt else all_terms() if args.all else [term_of_text(t) for t in args.loss]
    name = (
        Path(args.opt).stem if args.opt else 'all' if args.all else re.sub(r'\W+', '_', '-'.join(args.loss)).strip('_')
    )
    out = args.out or ROOT / 'results' / 'loss_probe' / name[:80]
    picture, source = load_picture(args.image, args.size)
    device = device_of(args.device)
    picture = picture.to(device)
    out.mkdir(parents=True, exist_ok=True)

    rows = []
    for term in terms:
        print(f'{term.name} ...', file=sys.stderr, flush=True)
        probe = probe_loss(term.loss.to(device), picture, term.name, (4, 3, 256, 256))
        weight = max(term.weight.values()) if isinstance(term.weight, dict) else term.weight
        rows.append(Row(probe, weight, find_faults(probe)))
        draw_term(probe, out / file_name(term.name))
    draw_changes(picture, out / 'changes.png')
    draw_overview([row.probe for row in rows], [row.weight for row in rows], out / 'overview.png')

    print(aligned([HEADINGS, *summary(rows)]))
    for row in rows:
        for finding in row.findings:
            print(f'{row.probe.name}: {finding.name}: {finding.text}')
    print(write_page(rows, f'What the terms of {args.opt or name} do', source, out))


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and probe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('-opt', '--opt', metavar='FILE.yml', help='the terms of an option file, at its weights')
    what.add_argument('--loss', action='append', metavar='TERM', help="'SSIMLoss', 'ChromaLoss(where=saturated)', ...")
    what.add_argument('--all', action='store_true', help='every registered term')
    parser.add_argument('--image', metavar='PHOTO', help='photograph to measure on; by default a rendered room')
    parser.add_argument('--size', type=int, default=256, help='side of the picture in pixels (default: %(default)s)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: %(default)s)')
    parser.add_argument('--out', type=Path, help='folder to write to (default: results/loss_probe/<name>)')
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
