"""What is wrong with a pair (faults), and what one should know of it (remarks)."""

from dataclasses import dataclass

from basicsr.data.audit.alignment import RELATED
from basicsr.data.audit.image import ImageReport
from basicsr.data.audit.pair import PairReport
from basicsr.data.pair_sizes import fits

SIDES = {'lq': 'input', 'gt': 'target'}


@dataclass(frozen=True)
class Thresholds:
    """Where a remark begins, and a fault.

    Attributes:
        misaligned: displacement in pixels of the target that is a fault, root mean square over the frame.
        displaced: that is a remark.
        spread: pixels by which parts of the frame move differently.
        jpeg_quality: of a target, below which its artefacts are learned.
        shadows, highlights: clipped share of the target.
        contrast: standard deviation of L* below which an image is flat.
        residual: mean CIEDE2000 after a global correction, above which the pair differs by local work.
    """

    misaligned: float = 2.0
    displaced: float = 0.5
    spread: float = 1.0
    jpeg_quality: int = 80
    shadows: float = 0.15
    highlights: float = 0.10
    contrast: float = 2.0
    residual: float = 15.0


@dataclass(frozen=True)
class Finding:
    """One thing found. Pairs with a fault are excluded; `text` says what was measured."""

    name: str
    is_fault: bool
    text: str


def find_in_pair(report: PairReport, scale: int | None, limits: Thresholds) -> list[Finding]:
    """Return what one pair shows by itself.

    Args:
        scale: side of the target over that of the input that the set has; None where that is not known.
    """
    found = _files(report)
    if report.lq and report.gt:
        found += _sizes(report, scale)
    if report.is_comparable:
        found += _geometry(report, limits)
    if report.is_related and report.lq.prints.pixel_digest == report.gt.prints.pixel_digest:
        found.append(Finding('input is target', False, 'both have the same pixels'))
    if report.is_related and report.fit and report.fit.after > limits.residual:
        text = (
            f'delta E {report.fit.after:.1f} is left after gain and gamma: local editing, or another state of the scene'
        )
        found.append(Finding('large residual', False, text))
    for side, image in (('lq', report.lq), ('gt', report.gt)):
        if image:
            found += _header(SIDES[side], image) + _content(SIDES[side], image, limits)
    return found


def _files(report: PairReport) -> list[Finding]:
    found = []
    for side, path in (('lq', report.pair.lq_path), ('gt', report.pair.gt_path)):
        if path is None:
            found.append(Finding(f'no {SIDES[side]}', True, f'the {SIDES[side]} is missing'))
        elif side in report.errors:
            found.append(Finding(f'unreadable {SIDES[side]}', True, report.errors[side]))
    return found


def _sizes(report: PairReport, scale: int | None) -> list[Finding]:
    lq, gt = report.lq.size, report.gt.size
    text = f'input {lq[0]} x {lq[1]}, target {gt[0]} x {gt[1]} pixels'
    if not report.is_comparable:
        return [Finding('sizes differ', True, f'{text}: different proportions')]
    # Validation cuts off what exceeds a multiple of the scale.
    if scale and not fits(lq, gt, scale, 1 if report.pair.is_training else scale):
        return [Finding('sizes differ', True, f'{text}: they do not fit at scale {scale}')]
    return []


def _geometry(report: PairReport, limits: Thresholds) -> list[Finding]:
    found, alignment = [], report.alignment
    if alignment is None:
        return [Finding('alignment unknown', False, 'too little texture, or too much noise, to measure it')]
    if alignment.correlation < RELATED:
        text = f'input and target show different scenes: their edges correlate by {alignment.correlation:.2f} only'
        return [Finding('unrelated', True, text)]
    text = (
        f'input lies {alignment.dx:+.2f} px right, {alignment.dy:+.2f} px down of the target, turned by '
        f'{alignment.rotation:+.3f} degrees: {alignment.pixels:.1f} px on average'
        f'; no network can beat delta E {report.floor or 0:.1f}'
    )
    if alignment.pixels >= limits.misaligned:
        found.append(Finding('misaligned', True, text))
    elif alignment.pixels >= limits.displaced:
        found.append(Finding('displaced', False, text))
    if alignment.spread >= limits.spread:
        text = f'parts of the frame are off by a further {alignment.spread:.1f} px: parallax, movement, lens correction'
        found.append(Finding('uneven shift', False, text))
    return found


def _header(side: str, image: ImageReport) -> list[Finding]:
    found = []
    if image.profile:
        text = f'{side} has the ICC profile {image.profile}; its colours are converted to sRGB when read'
        found.append(Finding(f'{side} profile', False, text))
    if image.orientation != 1:
        text = f'{side} has the EXIF orientation {image.orientation}; it is turned when read'
        found.append(Finding(f'{side} orientation', False, text))
    if image.has_alpha:
        found.append(Finding(f'{side} alpha', False, f'{side} has an alpha channel, which is dropped'))
    return found


def _content(side: str, image: ImageReport, limits: Thresholds) -> list[Finding]:
    found = []
    if image.contrast < limits.contrast:
        text = f'{side} is flat: standard deviation of L* {image.contrast:.1f}'
        found.append(Finding(f'flat {side}', False, text))
    if side != 'target':
        return found
    if image.jpeg_quality is not None and image.jpeg_quality < limits.jpeg_quality:
        text = f'target is a JPEG of quality {image.jpeg_quality}: its blocks are learned'
        found.append(Finding('JPEG quality', False, text))
    if image.shadows > limits.shadows:
        found.append(Finding('clipped shadows', False, f'{image.shadows:.0%} of the target are black'))
    if image.highlights > limits.highlights:
        found.append(Finding('clipped highlights', False, f'{image.highlights:.0%} of the target are clipped'))
    return found
