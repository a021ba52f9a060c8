"""Score pictures made by any program against their targets, with the numbers of a validation: a table, CSV, gallery.

python tools/evaluate.py results/other_program photos/after
python tools/evaluate.py experiments/mine/visualization/val photos/after --inputs photos/before

Pictures are paired by name: `<target>.png`, `<target><suffix>.png`, or `<target>/<target>_<iteration>.png`, of which
the newest iteration counts. PSNR and SSIM are those of 8-bit pictures, as in a validation with `use_image: true`;
colours are compared as the files hold them. A validation compares the colours of the network's output before it is
rounded to 8 bits: for pictures that it saved, the numbers of colours differ in the last digits.

Ends with code 1 if some pictures could not be scored; the others are.
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from image_sets import show_progress
from result_pairs import find_pairs
from result_scores import default_jobs, device_of, score_pairs, scoring_options
from result_tables import describe_faults, summary, write_faults, write_gallery, write_tables

from basicsr.metrics.scores import Scores
from basicsr.metrics.scoring import Scorer
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Pair, score, and write."""
    device = device_of(args.device)
    options = scoring_options(args.metrics, args.crop_border, args.eight_bit)
    better = Scorer(options, device).better
    name = Path(args.results).resolve().name or 'results'
    out = args.out or ROOT / 'results' / 'evaluate' / name
    found = find_pairs(args.results, args.targets, args.suffix, args.inputs)
    for note in found.notes:
        print(f'note: {note}')

    work = score_pairs(found.pairs, options, device, default_jobs(device) if args.jobs is None else args.jobs)
    scored = list(show_progress(work, len(found.pairs), 'scoring'))
    faults = found.faults | {one.pair.result: one.error for one in scored if one.error}
    scores = Scores({one.pair.name: one.scores for one in scored if not one.error})
    inputs = Scores({one.pair.name: one.inputs for one in scored if one.inputs})
    for one in scored:
        if one.note:
            print(f'note: {one.note}')

    if scores.rows:
        print(f'{len(scores)} images\n{summary(scores, inputs, better)}')
        written = write_tables(out, scores, inputs, better)
        if args.gallery:
            written.append(write_gallery(out, name, scored, scores, args.gallery))
        print(*written, sep='\n')
    write_faults(out / 'not_scored.txt', faults)
    if faults:
        raise UserError(f'{describe_faults(faults)}\nall of them: {out / "not_scored.txt"}')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('results', help='folder of the pictures')
    add('targets', help='folder of what they should look like')
    add('-o', '--out', type=Path, help='folder to write to (default: results/evaluate/<name of the folder>)')
    add('--suffix', metavar='TEXT', help='behind the name of the target: _mine; by default what most pictures have')
    add('--inputs', metavar='DIR', help='folder of the untouched inputs: scored as well, and shown in the gallery')
    add('--metrics', default='psnr,ssim', help='beside those of the colours (default: %(default)s)')
    add('--crop_border', type=int, default=0, metavar='N', help='pixels that --metrics leave out on each side')
    add(
        '--8bit',
        dest='eight_bit',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='--metrics are of 8-bit pictures; --no-8bit: of what the files hold',
    )
    add('--gallery', type=int, default=4, metavar='K', help='show the K worst images; 0: none (default: %(default)s)')
    add('--jobs', type=int, metavar='N', help='processes (default: one for each processor, four with a GPU)')
    add('--device', default='auto', help='where colours are measured: auto, cpu, cuda (default: %(default)s)')
    args = parser.parse_args(argv)
    for option, value, least in (('--crop_border', args.crop_border, 0), ('--gallery', args.gallery, 0)):
        if value < least:
            parser.error(f'{option} {value}: at least {least}')
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: at least 1')
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
