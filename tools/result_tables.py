"""What is said of scored pictures: the table on the terminal, and the files beside the scores."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from image_sets import table
from result_scores import Scored, read_tensor

from basicsr.metrics.best import Better
from basicsr.metrics.gallery import Gallery
from basicsr.metrics.gallery.worst import worst_names
from basicsr.metrics.scores import Scores
from basicsr.utils.atomic import write_atomic

GALLERY_METRIC = 'de00_mean'
_NUM_WORST = 10


def summary(scores: Scores, inputs: Scores, better: Mapping[str, Better | None]) -> str:
    """Return a table, a line a metric; of the inputs the mean, where there are any."""
    means, means_of_inputs = scores.means(), inputs.means()
    rows = [['metric', 'mean', 'median', *(['input'] if inputs.rows else []), 'images', 'worst', 'image']]
    for metric in scores.metrics:
        column = scores.column(metric)
        worst = worst_names(scores, metric, better[metric], 1)
        cells = [metric, _number(means[metric]), _number(statistics.median(column.values()) if column else math.nan)]
        cells += [_number(means_of_inputs.get(metric, math.nan))] if inputs.rows else []
        cells += [f'{len(column)}', *([_number(column[worst[0]]), worst[0]] if worst else ['-', '-'])]
        rows.append(cells)
    return table(rows)


def write_tables(out: Path, scores: Scores, inputs: Scores, better: Mapping[str, Better | None]) -> list[Path]:
    """Write the scores, the worst images of each metric, and the scores of the inputs, if any. Returns the paths."""
    scores.save(out / 'scores.csv')
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['metric', 'place', 'image', 'score'])
    for metric in scores.metrics:
        for place, name in enumerate(worst_names(scores, metric, better[metric], _NUM_WORST), start=1):
            writer.writerow([metric, place, name, repr(scores.rows[name][metric])])
    write_atomic(out / 'worst.csv', text.getvalue())
    written = [out / 'scores.csv', out / 'worst.csv']
    if inputs.rows:
        inputs.save(out / 'inputs.csv')
        return [*written, out / 'inputs.csv']
    (out / 'inputs.csv').unlink(missing_ok=True)  # of an earlier call
    return written


def write_gallery(out: Path, name: str, scored: Sequence[Scored], scores: Scores, count: int) -> Path:
    """Write strips of the worst images and the page that shows them; returns the page.

    Args:
        name: what the page calls the set.
    """
    gallery = Gallery({'worst': count, 'metric': GALLERY_METRIC})
    worst = set(worst_names(scores, GALLERY_METRIC, gallery.better, count))
    for one in scored:
        if one.pair.name in worst:
            paths = {'lq': one.pair.input if one.inputs else None, 'result': one.pair.result, 'gt': one.pair.target}
            visuals = {key: read_tensor(path) for key, path in paths.items() if path is not None}
            # By the path of the target, whose name is that of the row.
            gallery.offer(one.pair.target, one.scores, visuals)
    # As in the folder of a run, where the page looks for the table.
    scores.save(out / 'val' / name / 'results.csv')
    gallery.write(out / 'val', name, 'results', scores, None)
    return out / 'val' / 'gallery.html'


def describe_faults(faults: Mapping[str, str], limit: int = 20) -> str:
    """Return lines on the pictures that have no scores; the first of many."""
    lines = [f'    {_fault(path, reason)}' for path, reason in list(faults.items())[:limit]]
    if len(faults) > limit:
        lines.append(f'    and {len(faults) - limit} more')
    return '\n'.join([f'not scored: {len(faults)}', *lines])


def write_faults(path: Path, faults: Mapping[str, str]) -> None:
    """Write all of them, a line each; remove the file of an earlier call if there are none."""
    if faults:
        write_atomic(path, ''.join(f'{_fault(*fault)}\n' for fault in faults.items()))
    else:
        path.unlink(missing_ok=True)


def _fault(path: str, reason: str) -> str:
    return reason if reason.startswith(path) else f'{path}: {reason}'


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4f}'
