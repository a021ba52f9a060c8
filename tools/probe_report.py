"""Writes what the loss probe measured, for the terminal and as a Markdown page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probe_plots import shares_of

from basicsr.losses.probe import CHANGES, Finding, Probe

INTRODUCTION = """\
Each term was shown one photograph as target, and the same photograph with one thing wrong as prediction.
**Cost** is the value of the term. **Pull** is its gradient, in L1s: 1 pulls on the pixels as hard as L1Loss with
weight 1. A term that does not cost more for a change cannot correct it; one that pulls a hundred times harder than the
others drowns them.
"""


@dataclass(frozen=True)
class Row:
    """A term on the page: its measurements, its weight in the run, and what was found."""

    probe: Probe
    weight: float
    findings: Sequence[Finding]

    @property
    def verdict(self) -> str:
        """Names of the findings; in brackets those that are no faults."""
        names = [finding.name if finding.is_fault else f'({finding.name})' for finding in self.findings]
        return ', '.join(names) or 'none'

    @property
    def notices(self) -> str:
        """The changes that cost at least half as much as the one that costs most, in falling order."""
        shares = sorted(zip(shares_of(self.probe), CHANGES), reverse=True)
        return ', '.join(name for share, name in shares if share >= 0.5)


HEADINGS = ('term', 'weight', 'pull at weight 1', 'pull at its weight', 'notices most', 'ms', 'MB', 'findings')


def summary(rows: Sequence[Row]) -> list[list[str]]:
    """One line of cells for each term, as under HEADINGS."""
    cells = []
    for row in rows:
        cost = row.probe.cost
        pull = row.probe.typical_gradient
        cells.append(
            [
                row.probe.name,
                f'{row.weight:g}',
                number(pull),
                number(pull * row.weight),
                row.notices,
                number(1000 * cost.seconds) if cost else '-',
                number(cost.kept_bytes / 2**20) if cost else '-',
                row.verdict,
            ]
        )
    return cells


def aligned(table: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [f'| {" | ".join(cell.replace("|", "∣") for cell in row)} |' for row in table]
    return '\n'.join([lines[0], f'|{"---|" * len(table[0])}', *lines[1:]])


def number(value: float) -> str:
    """Three digits, without an exponent where that is short."""
    if value != value:
        return 'NaN'
    return f'{value:.3g}' if abs(value) < 1000 or abs(value) >= 1e5 else f'{value:.0f}'


def write_page(rows: Sequence[Row], title: str, source: str, out: Path) -> Path:
    """Write `probe.md` beside its plots, and return it."""
    parts = [
        f'# {title}\n\n{INTRODUCTION}',
        f'Picture: {source}. ms and MB: forward and backward of 4×3×256×256, and what is kept in between.\n',
        markdown([HEADINGS, *summary(rows)]),
        '\nFindings in brackets are no faults.\n\n![what each term punishes, how hard it pulls](overview.png)\n',
        '## What was done to the picture\n\nFramed in red: the amounts in tables.\n\n![the changes](changes.png)\n',
        *(_section(row) for row in rows),
    ]
    page = out / 'probe.md'
    page.write_text('\n'.join(parts), encoding='utf-8')
    return page


def _section(row: Row) -> str:
    probe = row.probe
    found = [
        f'- **{finding.name}**{"" if finding.is_fault else " (no fault)"}: {finding.text}.' for finding in row.findings
    ]
    return '\n'.join(
        [
            f'## {probe.name}\n',
            *(found or ['- No known fault.']),
            f'\n![curves of {probe.name}]({file_name(probe.name)})\n',
            markdown(curve_table([probe])),
            '\n' + '\n'.join(f'- {line}' for line in facts(probe)) + '\n',
        ]
    )


def curve_table(probes: Sequence[Probe]) -> list[list[str]]:
    """Cost and pull of each term at the standard amounts."""
    rows = [['', *(change.label for change in CHANGES.values())]]
    for probe in probes:
        name = f'{probe.name} ' if len(probes) > 1 else ''
        readings = [curve.standard for curve in probe.curves.values()]
        rows.append([f'{name}cost', *(number(reading.value) for reading in readings)])
        rows.append([f'{name}pull', *(number(reading.gradient) for reading in readings)])
    return rows


def facts(probe: Probe) -> list[str]:
    """The measurements that are no curves, in words."""
    identity, grey, extremes = probe.identity['picture'], probe.grey, probe.extremes
    shares = {key: ', '.join(number(cost) for cost in costs) for key, costs in probe.channels.items()}
    flat = ', '.join(f'{key} {number(reading.gradient)}' for key, reading in extremes.readings.items())
    precision = ', '.join(f'{key} {error.value:.1%} / {error.gradient:.1%}' for key, error in probe.precision.items())
    return [
        f'where prediction and target are equal: cost {number(identity.value)}, pull {number(identity.gradient)}',
        f'a prediction gone grey: costs {number(grey.rise)} more than the target; pulls on its colour with '
        f'{number(grey.gradient)} L1s ({number(grey.halfway)} with half the colour), cosine to the missing colour '
        f'{grey.alignment:.2f}',
        f'0.05 more in R, G, B alone: {shares["areas"]} as a tint, {shares["grain"]} as fine grain',
        f'pull at flat predictions: {flat}',
        f'strongest pull of one pixel, flat on flat: {number(extremes.peak)} L1s ({extremes.peak_at})',
        f'patches of 128 pixels against 64: cost times {number(probe.patch_size.value)}, pull times '
        f'{number(probe.patch_size.gradient)}',
        f'half precision, error of cost / pull: {precision}',
    ]


def file_name(term: str) -> str:
    """A file name for the plot of a term."""
    return ''.join(letter if letter.isalnum() or letter in '-_' else '_' for letter in term).strip('_') + '.png'
