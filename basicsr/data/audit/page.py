"""The audit as one HTML page that needs nothing beside it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from basicsr.data.audit.findings import Thresholds
from basicsr.data.audit.page_style import SCRIPT, STYLE
from basicsr.data.audit.page_table import kind_of, table_of_pairs
from basicsr.data.audit.summary import HUE_NAMES, Audit, Row, named_hues
from basicsr.data.audit.svg import histogram, hue_bars, hue_color, scatter
from basicsr.data.audit.tables import write_whole
from basicsr.utils.html_page import html_page, image_tag, notes_list

_CAPTIONS = {
    'lq': 'input',
    'gt': 'target',
    'difference': 'left by gain and gamma (yellow: delta E 20)',
    'detail': 'detail 1:1, input red, target cyan',
}


def write_page(audit: Audit, title: str, path: Path, limits: Thresholds) -> None:
    """Write the page.

    Args:
        title: what was looked at.
        limits: where the plots draw the line of a fault.
    """
    parts = [
        f'<p class="lead">{_lead(audit)}</p>',
        notes_list(audit.notes),
        _counts(audit),
        _worst(audit.worst()),
        _plots(audit, limits),
        _groups(audit),
        table_of_pairs(audit),
    ]
    write_whole(path, html_page(title, '\n'.join(parts), STYLE, SCRIPT))


def _lead(audit: Audit) -> str:
    faults = sum(bool(row.faults) for row in audit.rows)
    remarks = sum(bool(row.findings) for row in audit.rows) - faults
    good = len(audit.rows) - faults - remarks
    of_faults = 'fault' if faults else 'good'
    return (
        f'{len(audit.rows):,} pairs: <span class="{of_faults}">{faults:,} with faults</span> (in <a href="exclude.txt">'
        f'exclude.txt</a>), <span class="remark">{remarks:,} with remarks</span>, <span class="good">{good:,} without'
        '</span>. All numbers: <a href="audit.csv">audit.csv</a>.'
    )


def _counts(audit: Audit) -> str:
    lines = [
        f'<tr><td class="{"fault" if is_fault else "remark"}">{escape(name)}</td><td class="n">{count}</td></tr>'
        for name, (is_fault, count) in audit.counts().items()
    ]
    if not lines:
        return ''
    return f'<h2>Found</h2><table><tr><th>finding</th><th class="n">pairs</th></tr>{"".join(lines)}</table>'


def _worst(rows: Sequence[Row]) -> str:
    if not rows:
        return ''
    cards = []
    for row in rows:
        figures = ''.join(
            f'<figure>{image_tag(row.report.pictures[key])}<figcaption>{caption}</figcaption></figure>'
            for key, caption in _CAPTIONS.items()
            if key in row.report.pictures
        )
        found = ''.join(
            f'<li><b class="{kind_of(f)}">{escape(f.name)}</b>: {escape(f.text)}</li>' for f in row.findings
        )
        name = escape(f'{row.report.pair.set_name} / {row.report.pair.name}')
        cards.append(
            f'<div class="card"><h3>{name}</h3><ul>{found}</ul><div class="strip">{figures}</div>'
            f'<p class="small">{escape(_numbers(row))}</p></div>'
        )
    return f'<h2>The {len(rows)} worst</h2>{"".join(cards)}'


def _numbers(row: Row) -> str:
    """What was measured on a pair, in a line."""
    report, words = row.report, []
    for side, image in (('input', report.lq), ('target', report.gt)):
        if image:
            words.append(f'{side} {image.width} × {image.height}, {image.bits} bits, {image.format}')
    if report.is_related and report.alignment:
        words.append(f'misalignment {report.alignment.pixels:.2f} px, noise floor ΔE {report.floor:.2f}')
    if report.fit:
        fit = report.fit
        words.append(
            f'exposure {fit.stops:+.2f} stops, gamma {fit.gamma:.2f}, ΔE {fit.before:.1f}, after fit {fit.after:.1f}'
        )
    return ' · '.join(words)


def _plots(audit: Audit, limits: Thresholds) -> str:
    related = [row.report for row in audit.rows if row.report.is_related]
    aligned = [report for report in related if report.alignment]
    fits = [report.fit for report in related if report.fit]
    targets = [row.report.gt for row in audit.rows if row.report.gt and row.report.pair.is_training]
    plots = [
        histogram([r.alignment.pixels for r in aligned], 'misalignment, pixels', 0, limits.misaligned),
        scatter(
            [(r.alignment.dx, r.alignment.dy, r.pair.name) for r in aligned],
            'where the input lies, pixels',
            limits.misaligned,
        ),
        histogram([r.floor for r in related if r.floor is not None], 'noise floor, delta E', 0),
        histogram([fit.stops for fit in fits], 'exposure, input to target, stops'),
        histogram([fit.gamma for fit in fits], 'gamma, input to target'),
        histogram([fit.after for fit in fits], 'delta E after gain and gamma', 0),
    ]
    covered = ''
    if targets:
        plots += [
            hue_bars(np.mean([gt.hues for gt in targets], 0).tolist(), 'hue of training targets, h_ab (C* above 20)'),
            histogram([100 * gt.saturated_100 for gt in targets], 'saturated (S above 100/255), % of a target', 0),
        ]
        covered = _hues(named_hues(targets))
    legend = '<p class="small">Dashed in red: where a fault begins. Number on the left: pairs in the highest bar.</p>'
    return f'<h2>The set as a whole</h2><div class="plots">{"".join(plots)}</div>{legend}{covered}'


def _hues(shares: dict[str, float]) -> str:
    cells = ''.join(
        f'<td class="n" style="border-top: 6px solid {hue_color(30 * index)}">{name}<br>{shares[name]:.2%}</td>'
        for index, name in enumerate(HUE_NAMES)
    )
    return f'<p>Colours of the training targets, share of all pixels:</p><table><tr>{cells}</tr></table>'


def _groups(audit: Audit) -> str:
    if not audit.groups:
        return ''
    lines = []
    for group in audit.groups:
        pairs = [audit.rows[index].report for index in group]
        names = ', '.join(escape(f'{report.pair.set_name}/{report.pair.name}') for report in pairs)
        images = ''.join(image_tag(report.pictures['strip']) for report in pairs[:6])
        lines.append(f'<div class="card"><h3>{names}</h3><div class="strip">{images}</div></div>')
    return f'<h2>Targets that show the same picture</h2>{"".join(lines)}'
