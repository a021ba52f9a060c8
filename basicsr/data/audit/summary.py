"""The whole audit: measure all pairs, judge them, and what holds for the sets as a whole."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from basicsr.data.audit.comparison import find_duplicates, find_odd_ones, partner_hints, scale_of
from basicsr.data.audit.findings import Finding, Thresholds, find_in_pair
from basicsr.data.audit.image import NUM_HUES
from basicsr.data.audit.pair import PairReport

# Names of the hue angles h_ab = 0, 30, ..., 330 degrees.
HUE_NAMES = (
    'pink', 'red', 'orange', 'yellow', 'lime', 'green', 'sea green', 'cyan', 'sky blue', 'blue', 'violet', 'magenta',
)  # fmt: skip
# A colour that fewer of all target pixels have is nearly absent.
ABSENT = 0.001
_SYSTEMATIC_SHIFT = 0.15


@dataclass(frozen=True)
class Row:
    """A pair and what was found."""

    report: PairReport
    findings: Sequence[Finding]

    @property
    def faults(self) -> list[Finding]:
        """Those that exclude the pair."""
        return [finding for finding in self.findings if finding.is_fault]

    @property
    def badness(self) -> tuple[int, float, int]:
        """Grows with what is wrong: faults, then the noise floor, then remarks."""
        alignment = self.report.alignment
        off = self.report.floor or 0.0
        if alignment is not None and self.faults:
            off += alignment.pixels
        return len(self.faults), off, len(self.findings)


@dataclass(frozen=True)
class Audit:
    """All pairs, and lines of text on the sets as a whole."""

    rows: Sequence[Row]
    notes: Sequence[str]
    groups: Sequence[Sequence[int]]

    def worst(self, count: int = 10) -> list[Row]:
        """Return the pairs with most wrong first; none without a finding."""
        rows = [row for row in self.rows if row.findings]
        return sorted(rows, key=lambda row: row.badness, reverse=True)[:count]

    def counts(self) -> dict[str, tuple[bool, int]]:
        """Return finding -> (is a fault, number of pairs), faults first, frequent first."""
        counted = Counter((f.name, f.is_fault) for row in self.rows for f in {f.name: f for f in row.findings}.values())
        ordered = sorted(counted.items(), key=lambda item: (not item[0][1], -item[1], item[0][0]))
        return {name: (is_fault, count) for (name, is_fault), count in ordered}


def judge(reports: Iterable[PairReport], limits: Thresholds | None = None, notes: Sequence[str] = ()) -> Audit:
    """Return the findings on measured pairs of all sets.

    Args:
        limits: where faults begin; by default the standard ones.
        notes: to stand before the audit's own.
    """
    reports, limits = list(reports), limits or Thresholds()
    found: list[list[Finding]] = [[] for _ in reports]
    for name in dict.fromkeys(report.pair.set_name for report in reports):
        own = [index for index, report in enumerate(reports) if report.pair.set_name == name]
        scale = scale_of([reports[index] for index in own])
        odd = find_odd_ones([reports[index] for index in own])
        for index, more in zip(own, odd):
            found[index] += find_in_pair(reports[index], scale, limits) + more
    duplicates, groups = find_duplicates(reports)
    hints = partner_hints(reports)
    rows = []
    for index, report in enumerate(reports):
        findings = [
            replace(f, text=f'{f.text}; {hints[index]}') if f.name == 'unrelated' and index in hints else f
            for f in found[index] + duplicates[index]
        ]
        rows.append(Row(report, sorted(findings, key=lambda f: not f.is_fault)))
    return Audit(rows, [*notes, *set_notes(reports)], groups)


def set_notes(reports: Sequence[PairReport]) -> list[str]:
    """Return sentences on what the pairs have in common."""
    targets = [report.gt for report in reports if report.gt and report.pair.is_training]
    notes = _shift_note(reports)
    floors = [report.floor for report in reports if report.floor is not None]
    if floors:
        text = f'Noise floor: misalignment leaves delta E {np.mean(floors):.2f} on average, at worst {max(floors):.2f}.'
        notes.append(text)
    if targets:
        shares = [100 * float(np.mean([getattr(gt, f'saturated_{step}') for gt in targets])) for step in (60, 100)]
        notes.append(
            f'Saturation of the training targets: {shares[0]:.1f} % of the pixels are at 60 of 255 or more, '
            f'{shares[1]:.1f} % at 100 or more.'
        )
        absent = [name for name, share in named_hues(targets).items() if share < ABSENT]
        if absent:
            notes.append(
                f'Nearly absent from the training targets (below {ABSENT:.1%} of the pixels): {", ".join(absent)}.'
            )
        coarse = sum(gt.jpeg_subsampling not in (None, '4:4:4') for gt in targets)
        if coarse:
            notes.append(f'{coarse} of {len(targets)} training targets are JPEGs with reduced chroma resolution.')
    return notes


def _shift_note(reports: Sequence[PairReport]) -> list[str]:
    moves = np.array([(r.alignment.dx, r.alignment.dy) for r in reports if r.alignment and r.is_related]).reshape(-1, 2)
    if len(moves) < 5:
        return []
    dx, dy = (float(value) for value in np.median(moves, axis=0))
    spread = float(np.median(np.hypot(*(moves - (dx, dy)).T)))
    if math.hypot(dx, dy) < max(_SYSTEMATIC_SHIFT, 2 * spread):
        return []
    where = f'{dx:+.2f} px right, {dy:+.2f} px down of the targets'
    return [f'The inputs as a whole lie {where}: most likely a tool shifted them.']


def named_hues(images: Sequence) -> dict[str, float]:
    """Return the share of pixels of each named colour in reports of images, of all pixels."""
    hues = np.mean([image.hues for image in images], axis=0)
    step = NUM_HUES // len(HUE_NAMES)
    # Three sectors of 10 degrees to each name, the middle one at its angle.
    return {
        name: float(sum(hues[(index * step + offset) % NUM_HUES] for offset in range(-(step // 2), step // 2 + 1)))
        for index, name in enumerate(HUE_NAMES)
    }
