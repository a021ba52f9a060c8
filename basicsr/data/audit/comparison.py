"""What shows when the pairs of all sets are held against each other: duplicates, leaks, and odd ones out."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from basicsr.data.audit.duplicates import cluster_fingerprints, connected, exact_links
from basicsr.data.audit.findings import SIDES, Finding
from basicsr.data.audit.pair import PairReport

# Deviations from the median, in scaled median deviations, and least difference in stops, of a pair that goes the other
# way than its set.
_OUTLIER = 4.0
_MIN_STOPS = 0.3
# An input that fits another target better by this much of the correlation of thumbnails is said to belong to it.
_PARTNER = 0.8

Found = list[list[Finding]]


def scale_of(reports: Sequence[PairReport]) -> int | None:
    """Return the scale that the option file sets, or else the one that most pairs have."""
    ratios = Counter(
        report.pair.scale or round(report.gt.width / report.lq.width) for report in reports if report.is_comparable
    )
    return max(1, ratios.most_common(1)[0][0]) if ratios else None


def find_duplicates(reports: Sequence[PairReport]) -> tuple[Found, list[list[int]]]:
    """Return findings for each pair, and the groups of pairs whose targets show the same picture.

    A training pair whose input or target is one of another set, bit by bit or pixel by pixel, is a fault: what is
    validated on must not be learned. Repetitions within a set, and pictures that are only very alike, are remarks.
    """
    found: Found = [[] for _ in reports]
    exact = []
    for side in SIDES:
        having = [index for index, report in enumerate(reports) if getattr(report, side)]
        links = exact_links([getattr(reports[index], side).prints for index in having])
        exact += [(having[a], having[b]) for a, b in links]
    for group in connected(len(reports), exact):
        _note(reports, group, found, _is_leak, 'leak', 'the same image', True)
        _note(reports, group, found, _is_repeat, 'duplicate', 'the same image', False)
        _note(reports, group, found, _is_shared, 'in two sets', 'the same image', False)

    targets = [index for index, report in enumerate(reports) if report.gt]
    near = [[targets[i] for i in group] for group in cluster_fingerprints([reports[i].gt.prints for i in targets])]
    for group in near:
        _note(reports, group, found, _is_leak, 'near leak', 'a picture very like this', False)
        _note(reports, group, found, _is_repeat, 'near duplicate', 'a picture very like this', False)
        _note(reports, group, found, _is_shared, 'near in two sets', 'a picture very like this', False)
    return found, near


def _is_leak(mine: PairReport, other: PairReport) -> bool:
    return mine.pair.is_training and not other.pair.is_training


def _is_repeat(mine: PairReport, other: PairReport) -> bool:
    return mine.pair.set_name == other.pair.set_name


def _is_shared(mine: PairReport, other: PairReport) -> bool:
    is_training = mine.pair.is_training or other.pair.is_training
    return not is_training and mine.pair.set_name != other.pair.set_name


def _note(
    reports: Sequence[PairReport],
    group: Sequence[int],
    found: Found,
    concerns: Callable[[PairReport, PairReport], bool],
    name: str,
    what: str,
    is_fault: bool,
) -> None:
    """Add a finding to the pairs of a group that concern an earlier one, or one of another set."""
    for index in group:
        others = [
            f'{reports[other].pair.set_name}/{reports[other].pair.name}'
            for other in group
            if concerns(reports[index], reports[other])
            and (other < index or reports[other].pair.set_name != reports[index].pair.set_name)
        ]
        already = any(finding.name == name.removeprefix('near ') for finding in found[index])
        if others and not already:
            found[index].append(Finding(name, is_fault, f'{what} is {", ".join(others[:3])}'))


def find_odd_ones(reports: Sequence[PairReport]) -> Found:
    """Return findings on pairs that differ from most of their set: bit depth, direction of the exposure."""
    found: Found = [[] for _ in reports]
    for side, word in SIDES.items():
        images = [getattr(report, side) for report in reports]
        depths = Counter(image.bits for image in images if image)
        usual = depths.most_common(1)[0][0] if depths else None
        for notes, image in zip(found, images):
            if image and image.bits != usual:
                notes.append(Finding(f'{word} bit depth', False, f'{word} has {image.bits} bits, most have {usual}'))

    fits = [(index, r.fit.stops) for index, r in enumerate(reports) if r.fit and r.is_related]
    if len(fits) >= 5:
        stops = np.array([value for _, value in fits])
        median = float(np.median(stops))
        spread = max(1.4826 * float(np.median(np.abs(stops - median))), 0.1)
        for index, value in fits:
            if (
                value * median < 0
                and min(abs(value), abs(median)) > _MIN_STOPS
                and abs(value - median) > _OUTLIER * spread
            ):
                text = f'target is {value:+.1f} stops from the input, in most pairs {median:+.1f}: are they exchanged?'
                found[index].append(Finding('opposite exposure', False, text))
    return found


def partner_hints(reports: Sequence[PairReport]) -> dict[int, str]:
    """Return, for pairs of two different scenes, which input fits the target: `input fits: set/name`."""
    unrelated = [index for index, report in enumerate(reports) if report.is_comparable and not report.is_related]
    hints = {}
    for index in unrelated:
        target = reports[index].gt.prints.thumbnail
        scores = {i: float(reports[i].lq.prints.thumbnail @ target) for i in unrelated if i != index}
        best = max(scores, key=scores.__getitem__, default=None)
        if best is not None and scores[best] >= _PARTNER:
            hints[index] = f'the input of {reports[best].pair.set_name}/{reports[best].pair.name} looks like its own'
    return hints
