"""Draw the curves of one or several runs into a PNG, from their metrics.jsonl: every term, the total, every metric."""

import argparse
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from basicsr.utils.misc import import_pyplot


def read_events(run: Path) -> list[dict]:
    """Return the logged events of a run folder."""
    return [json.loads(line) for line in (run / 'metrics.jsonl').read_text(encoding='utf-8').splitlines()]


def curves_of(events: list[dict]) -> dict[str, tuple[list, list]]:
    """Return title -> (iterations, values) for the raw terms, the total, the gradient norm and the metrics."""
    curves: dict[str, tuple[list, list]] = {}
    for event in events:
        for key, value in event.items():
            if 'val' in event:
                is_score = key not in ('iter', 'val') and not key.startswith('input_')
                title = f'{key} on {event["val"]}' if is_score else None
            else:
                title = key if key.startswith('losses_raw/') or key in ('l_total', 'grad/norm') else None
            if title and isinstance(value, int | float):
                iterations, values = curves.setdefault(title, ([], []))
                iterations.append(event['iter'])
                values.append(value)
    return curves


def draw(runs: dict[str, dict], out: Path) -> None:
    """Draw one small chart per curve, runs overlaid."""
    pyplot = import_pyplot()
    titles = list(dict.fromkeys(title for curves in runs.values() for title in curves))
    columns = min(4, len(titles))
    rows = math.ceil(len(titles) / columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(3.4 * columns, 2.4 * rows), squeeze=False)
    for axis, title in zip(axes.flat, titles):
        for index, curves in enumerate(runs.values()):
            if title in curves:  # a run keeps its colour where others have no such curve
                axis.plot(*curves[title], color=f'C{index}', linewidth=1.3)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(titles) :]:
        axis.axis('off')
    if len(runs) > 1:
        handles = [pyplot.Line2D([], [], color=f'C{i}', label=name) for i, name in enumerate(runs)]
        figure.legend(handles=handles, loc='lower center', ncols=len(runs), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.04 if len(runs) > 1 else 0, 1, 1))
    figure.savefig(out, dpi=110)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='run folder, such as experiments/quickstart')
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='picture to write (default: %(default)s)')
    args = parser.parse_args(argv)
    missing = [str(run) for run in args.runs if not (run / 'metrics.jsonl').is_file()]
    if missing:
        print(f'error: no metrics.jsonl in {", ".join(missing)}: give run folders', file=sys.stderr)
        return 1
    draw({run.name: curves_of(read_events(run)) for run in args.runs}, args.out)
    print(args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
