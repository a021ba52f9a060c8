"""The table of all pairs on the page."""

from html import escape

from basicsr.data.audit.findings import Finding
from basicsr.data.audit.summary import Audit, Row
from basicsr.utils.html_page import image_tag

# Rows with a picture: 500 of them take less than 4 MB.
_MAX_PICTURES = 500
# Heading, whether it is a number.
_COLUMNS = (
    ('pair', False), ('set', False), ('name', False), ('size', True), ('shift px', True), ('rotation °', True),
    ('noise floor ΔE', True), ('stops', True), ('R/G', True), ('B/G', True), ('gamma', True), ('ΔE', True),
    ('ΔE after fit', True), ('clipped %', True), ('saturated %', True), ('found', False),
)  # fmt: skip


def table_of_pairs(audit: Audit) -> str:
    """Return the table, the worst pairs first, and the choice of what it shows."""
    heads = ''.join(f'<th{" class=n" if is_number else ""}>{name}</th>' for name, is_number in _COLUMNS)
    rows = sorted(audit.rows, key=lambda row: row.badness, reverse=True)
    lines = ''.join(_line(row, index < _MAX_PICTURES) for index, row in enumerate(rows))
    choices = ''.join(
        f'<label><input type="radio" name="show" value="{value}"{" checked" if value == "all" else ""}> {text}</label>'
        for value, text in (('all', 'all pairs'), ('fault', 'with faults'), ('remark', 'with remarks'))
    )
    return (
        f'<h2>All pairs</h2><p class="filter">{choices}<span class="small">A click on a heading sorts.</span></p>'
        f'<table class="sortable"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    )


def _line(row: Row, has_picture: bool) -> str:
    report = row.report
    fit, alignment, gt = report.fit, report.alignment if report.is_related else None, report.gt
    red, blue = fit.white_balance if fit else (None, None)
    numbers = (
        (alignment and alignment.pixels, 2),
        (alignment and alignment.rotation, 2),
        (report.floor, 2),
        (fit and fit.stops, 2),
        (red, 2),
        (blue, 2),
        (fit and fit.gamma, 2),
        (fit and fit.before, 1),
        (fit and fit.after, 1),
        (gt and 100 * (gt.shadows + gt.highlights), 1),
        (gt and 100 * gt.saturated_100, 1),
    )
    picture = image_tag(report.pictures['strip']) if has_picture and 'strip' in report.pictures else ''
    size = (
        f'<td class="n" data-v="{gt.width * gt.height}">{gt.width} × {gt.height}</td>' if gt else '<td class="n"></td>'
    )
    found = ', '.join(
        f'<span class="{kind_of(f)}" title="{escape(f.text)}">{escape(f.name)}</span>' for f in row.findings
    )
    kinds = ' '.join(sorted({kind_of(finding) for finding in row.findings}))
    return (
        f'<tr data-is="{kinds}"><td>{picture}</td><td>{escape(report.pair.set_name)}</td>'
        f'<td class="name">{escape(report.pair.name)}</td>{size}'
        + ''.join(_cell(value, digits) for value, digits in numbers)
        + f'<td class="found">{found}</td></tr>\n'
    )


def _cell(value: float | None, digits: int) -> str:
    return '<td class="n"></td>' if value is None else f'<td class="n">{round(value, digits) + 0.0:.{digits}f}</td>'


def kind_of(finding: Finding) -> str:
    """Return the class of its colour."""
    return 'fault' if finding.is_fault else 'remark'
