"""The audit as files that programs read: `audit.csv`, and the lists of pairs to leave out."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from basicsr.data.audit.image import plain_fields
from basicsr.data.audit.pair import PairReport
from basicsr.data.audit.sets import Pair
from basicsr.data.audit.summary import Audit, Row
from basicsr.utils.errors import UserError

_LEAKS = ('near leak',)


def write_csv(audit: Audit, path: Path) -> None:
    """Write one line for each pair, all that was measured; empty cells for what was not."""
    lines = [_cells(row) for row in audit.rows]
    # The pair with most cells has them all, in order; others lack what was not measured.
    columns = list(dict.fromkeys(name for line in sorted(lines, key=len, reverse=True) for name in line))
    columns.append(columns.pop(columns.index('findings')))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    write_whole(path, text.getvalue())


def _cells(row: Row) -> dict[str, object]:
    report = row.report
    cells: dict[str, object] = {'set': report.pair.set_name, 'name': report.pair.name}
    cells['verdict'] = 'fault' if row.faults else 'remark' if row.findings else 'good'
    cells |= {'input_file': report.pair.lq_path or '', 'target_file': report.pair.gt_path or ''}
    for side, word in (('lq', 'input'), ('gt', 'target')):
        image = getattr(report, side)
        if image is not None:
            cells |= {f'{word}_{name}': _plain(value) for name, value in plain_fields(image).items()}
    return cells | measured(report) | {'findings': '; '.join(f'{f.name}: {f.text}' for f in row.findings)}


def measured(report: PairReport) -> dict[str, object]:
    """Return what both images of a pair tell together, by the names of the columns."""
    cells: dict[str, float] = {}
    if report.lq and report.gt:
        cells['size_ratio'] = report.gt.width / report.lq.width
    if report.alignment is not None:
        a = report.alignment
        cells |= {'shift_x_px': a.dx, 'shift_y_px': a.dy, 'rotation_deg': a.rotation, 'misalignment_px': a.pixels}
        cells |= {'uneven_px': a.spread, 'edge_correlation': a.correlation}
    if report.floor is not None:
        cells['noise_floor_delta_e'] = report.floor
    if report.fit is not None:
        fit = report.fit
        for letter, gain, gamma in zip('rgb', fit.gains, fit.gammas):
            cells |= {f'gain_{letter}': gain, f'gamma_{letter}': gamma}
        red, blue = fit.white_balance
        cells |= {'exposure_stops': fit.stops, 'white_balance_r_g': red, 'white_balance_b_g': blue}
        cells |= {'delta_e': fit.before, 'delta_e_after_fit': fit.after}
    return {name: _plain(value) for name, value in cells.items()}


def _plain(value: object) -> object:
    if value is None or value != value:
        return ''
    return f'{value:.5g}' if isinstance(value, float) else value


def write_excludes(audit: Audit, folder: Path) -> list[Path]:
    """Write lists of the pairs with faults for `exclude:`: `exclude.txt` of training, `exclude_<set>.txt` of others.

    Training pairs that are very like one of another set follow as comments. Other sets without faults have no list; one
    from an earlier audit is removed.
    """
    lists: dict[str, list[Row]] = {'exclude.txt': []}
    for row in audit.rows:
        pair = row.report.pair
        lists.setdefault('exclude.txt' if pair.is_training else f'exclude_{pair.set_name}.txt', []).append(row)
    paths = []
    for name, rows in lists.items():
        path, lines = folder / name, exclude_lines(rows)
        if lines or name == 'exclude.txt':
            faults = sum(bool(row.faults) for row in rows)
            head = f'# {faults} of {len(rows)} pairs have faults; use it as `exclude: {path}`'
            write_whole(path, '\n'.join([head, *lines, '']))
            paths.append(path)
        else:
            path.unlink(missing_ok=True)
    return paths


def exclude_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each pair with faults: its name, and why after a `#`; comments are for a person to decide."""
    folders = {os.path.dirname(row.report.pair.gt_path) for row in rows if row.report.pair.gt_path}
    lines = []
    for row in rows:
        name = _listed_name(row.report.pair, folders)
        if row.faults:
            reasons = '; '.join(' '.join(f'{fault.name}: {fault.text}'.split()) for fault in row.faults)
            # A list names targets; an input without one is in no set.
            has_target = row.report.pair.gt_path is not None
            lines.append(f'{name}  # {reasons}' if has_target else f'# {name}: {reasons}')
        elif leaks := [finding.text for finding in row.findings if finding.name in _LEAKS]:
            lines.append(f'# {name}  # {"; ".join(leaks)}: take off the first # to leave it out')
    return list(dict.fromkeys(lines))


def _listed_name(pair: Pair, folders: set[str]) -> str:
    """The name of the target, with as many folders as tell it from those of the same name elsewhere."""
    if len(folders) < 2 or pair.gt_path is None:
        return pair.name
    name = os.path.relpath(pair.gt_path, os.path.commonpath(folders))
    # `exclude` knows the last four parts of a path, and the whole.
    return name if len(Path(name).parts) <= 4 else pair.gt_path


def make_folder(path: Path) -> None:
    """Make the folder to write to, before hours of work.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{path}: cannot make this folder: {error.strerror}') from None


def write_whole(path: Path, text: str) -> None:
    """Write a text file, or leave what was there.

    Raises:
        UserError: it cannot be written.
    """
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        partial.write_text(text, encoding='utf-8')
        os.replace(partial, path)
    except OSError as error:
        if partial.exists():
            partial.unlink()
        raise UserError(f'{path}: cannot be written: {error.strerror}') from None
