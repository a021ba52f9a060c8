"""Writes a comparison of two tables of scores: for the terminal, and as CSV, Markdown or JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from compare_files import Comparison
from image_sets import table

from basicsr.metrics.best import Better
from basicsr.metrics.paired import Change, PairedDifference, paired_changes, paired_difference

FORMATS = ('.csv', '.md', '.json')
# With fewer images the bootstrap is far too sure of itself.
FEW_IMAGES = 10
WARNING = """\
The intervals are over images: they hold for these two results alone. Images are not independent of the training run:
with another seed all of them change together, so two runs of one recipe often come out "better" or "worse" as well.
To compare recipes, compare the means of several seeds. Of twenty metrics, one is separable by chance."""

_HEADINGS = ('metric', 'A', 'B', 'B - A', '95 % from', 'to', 'improved', 'images', 'B is')


@dataclass(frozen=True)
class Row:
    """One metric of one set.

    Attributes:
        better: which value is the better one; None where none is, or where it is not known.
        is_known: whether it is known.
        up, down: the images that gained and lost most; of a metric without a better value, whose score rose and fell.
    """

    set_name: str
    metric: str
    difference: PairedDifference
    better: Better | None
    is_known: bool
    up: list[Change]
    down: list[Change]


def compare(
    comparison: Comparison, metrics: Sequence[str], better: Mapping[str, Better | None], count: int, seed: int
) -> list[Row]:
    """Return a row for each metric.

    Args:
        count: how many images to list each way.
        seed: of the bootstrap.
    """
    rows = []
    for metric in metrics:
        sense = better.get(metric)
        difference = paired_difference(comparison.a, comparison.b, metric, sense, seed)
        up, down = _extremes(paired_changes(comparison.a, comparison.b, metric, sense), sense, count)
        rows.append(Row(comparison.set_name, metric, difference, sense, metric in better, up, down))
    return rows


def describe(comparison: Comparison, rows: Sequence[Row], by: str) -> str:
    """Return the table of a set, remarks, and the images that changed most in the metric `by`."""
    a, b = comparison.a.rows.keys(), comparison.b.rows.keys()
    head = [f'{comparison.set_name}: ' if comparison.set_name else '', f'{len(a & b)} images in common']
    head += [f', {len(a - b)} in A alone'] if a - b else []
    head += [f', {len(b - a)} in B alone'] if b - a else []
    lines = [
        ''.join(head),
        f'A: {comparison.path_a}',
        f'B: {comparison.path_b}',
        '',
        table([[*_HEADINGS], *_cells(rows)]),
    ]
    found = remarks(rows)
    lines += ['', *found] if found else []
    for row in rows:
        if row.metric == by:
            lines += ['', _changes(row)]
    return '\n'.join(lines)


def remarks(rows: Sequence[Row]) -> list[str]:
    """Return what the reader of the table should know."""
    lines = []
    unknown = [row.metric for row in rows if not row.is_known]
    if unknown:
        lines.append(f'which value is better is not known, see --better: {", ".join(unknown)}')
    few = [row.metric for row in rows if row.difference.count < FEW_IMAGES]
    if few:
        lines.append(f'fewer than {FEW_IMAGES} images, so that intervals are too narrow: {", ".join(few)}')
    return lines


def as_text(ending: str, comparisons: Sequence[Comparison], rows: Sequence[Row], by: str) -> str:
    """Return the content of a file with this ending, one of `FORMATS`."""
    if ending == '.csv':
        return _as_csv(rows)
    if ending == '.json':
        return json.dumps([_plain(row) for row in rows], indent=1, ensure_ascii=False, allow_nan=False) + '\n'
    return _as_markdown(comparisons, rows, by)


def _extremes(changes: list[Change], better: Better | None, count: int) -> tuple[list[Change], list[Change]]:
    def size(change: Change) -> float:
        return change.delta if better is None else change.gain

    up = sorted((c for c in changes if size(c) > 0), key=size, reverse=True)
    down = sorted((c for c in changes if size(c) < 0), key=size)
    return up[:count], down[:count]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for row in rows:
        d = row.difference
        numbers = [_number(d.mean_a), _number(d.mean_b), *(_number(x, '+.4f') for x in (d.delta, d.low, d.high))]
        verdict = d.verdict or ('-' if row.is_known else '?')
        lines.append([row.metric, *numbers, _number(d.improved, '.0%'), f'{d.count}', verdict])
    return lines


def _changes(row: Row) -> str:
    ways = ('rose most', 'fell most') if row.better is None else ('gained most', 'lost most')
    parts = []
    for way, changes in zip(ways, (row.up, row.down)):
        lines = [[c.name, _number(c.a), _number(c.b), _number(c.delta, '+.4f')] for c in changes]
        parts.append(
            table([[f'{row.metric}: {way}', 'A', 'B', 'B - A'], *lines])
            if lines
            else f'{row.metric}: none {way.split()[0]}'
        )
    return '\n\n'.join(parts)


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    names = list(asdict(rows[0].difference))
    writer.writerow(['set', 'metric', *names])
    for row in rows:
        values = asdict(row.difference).values()
        cells = [
            '' if isinstance(v, float) and math.isnan(v) else repr(v) if isinstance(v, float) else v for v in values
        ]
        writer.writerow([row.set_name, row.metric, *cells])
    return text.getvalue()


def _plain(row: Row) -> dict:
    """A row as JSON has it: null for NaN and infinite numbers."""

    def clean(values: dict) -> dict:
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}

    changes = {way: [clean(asdict(c)) for c in images] for way, images in (('up', row.up), ('down', row.down))}
    known = {'set': row.set_name, 'metric': row.metric, 'better': row.better}
    return {**known, **clean(asdict(row.difference)), **changes}


def _as_markdown(comparisons: Sequence[Comparison], rows: Sequence[Row], by: str) -> str:
    lines = ['# Paired comparison', '']
    for comparison in comparisons:
        of_set = [row for row in rows if row.set_name == comparison.set_name]
        a, b = comparison.a.rows.keys(), comparison.b.rows.keys()
        lines += [f'## {comparison.set_name}', ''] if comparison.set_name else []
        lines += [f'- A: `{comparison.path_a}`, {len(a)} images', f'- B: `{comparison.path_b}`, {len(b)} images']
        lines += [f'- {len(a & b)} images in common', *(f'- {remark}' for remark in remarks(of_set)), '']
        lines += _markdown_table([[*_HEADINGS], *_cells(of_set)])
        for row in of_set:
            if row.metric == by:
                lines += _markdown_changes(row)
    return '\n'.join([*lines, WARNING, ''])


def _markdown_changes(row: Row) -> list[str]:
    ways = ('rose', 'fell') if row.better is None else ('gained', 'lost')
    lines = []
    for way, changes in zip(ways, (row.up, row.down)):
        cells = [[c.name, _number(c.a), _number(c.b), _number(c.delta, '+.4f')] for c in changes]
        lines += _markdown_table([[f'{row.metric}: {way} most', 'A', 'B', 'B - A'], *cells]) if cells else []
    return lines


def _markdown_table(rows: list[list[str]]) -> list[str]:
    lines = ['| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |' for row in rows]
    return [lines[0], '|---' + '|---:' * (len(rows[0]) - 1) + '|', *lines[1:], '']


def _number(value: float, form: str = '.4f') -> str:
    return '-' if math.isnan(value) else format(value, form)
