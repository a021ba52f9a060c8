"""What is measured on one pair. It runs in worker processes: reports are small, and no file stops it."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_all_start_methods, get_context

import numpy as np

from basicsr.data.audit.alignment import RELATED, Alignment, align
from basicsr.data.audit.color_fit import ColorFit, fit_color, noise_floor
from basicsr.data.audit.image import ImageReport, measure_image
from basicsr.data.audit.pictures import detail, pictures_of_pair
from basicsr.data.audit.pixels import grey_bytes
from basicsr.data.audit.sets import Pair
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.misc import import_cv2

# Two images whose 32x32 thumbnails correlate like this show one scene, whatever their edges tell.
_SAME_SCENE = 0.85


@dataclass
class PairReport:
    """One pair: both images, and how they lie on each other.

    Attributes:
        lq, gt: None for what is missing or cannot be read.
        errors: what the reader said of files that cannot be read, by side: `lq`, `gt`.
        is_comparable: both were read, and have the same proportions.
        alignment: None where it was not measured, or they have too little texture, or too much noise.
        fit: None for different scenes, or where hardly a pixel is neither black nor clipped.
        floor: mean CIEDE2000 that misalignment leaves, None without an alignment.
        pictures: JPEGs, see `pictures_of_pair`.
    """

    pair: Pair
    lq: ImageReport | None = None
    gt: ImageReport | None = None
    errors: dict[str, str] = field(default_factory=dict)
    is_comparable: bool = False
    alignment: Alignment | None = None
    fit: ColorFit | None = None
    floor: float | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def is_related(self) -> bool:
        """Whether both images show one scene, as far as their edges tell."""
        return self.is_comparable and (self.alignment is None or self.alignment.correlation >= RELATED)


def measure_pair(pair: Pair, max_side: int = 1000) -> PairReport:
    """Measure a pair; what cannot be read is in `errors`.

    Args:
        max_side: longer side, in pixels, of the copies that pictures and duplicates are made from.
    """
    report, whole, reduced = PairReport(pair), {}, {}
    for side, path in (('lq', pair.lq_path), ('gt', pair.gt_path)):
        if path is None:
            continue
        try:
            measured, whole[side], reduced[side] = measure_image(path, max_side)
        except DataError as error:
            report.errors[side] = str(error)
        else:
            setattr(report, side, measured)

    left = None
    if len(whole) == 2 and _same_proportions(whole['lq'], whole['gt']):
        report.is_comparable = True
        left = _compare(report, whole, reduced)
    report.pictures = pictures_of_pair(reduced.get('lq'), reduced.get('gt'), left)
    if report.is_comparable:
        report.pictures['detail'] = detail(whole['lq'], whole['gt'])
    return report


def _compare(report: PairReport, whole: dict[str, np.ndarray], reduced: dict[str, np.ndarray]) -> np.ndarray:
    """Fill in what both images tell together. Returns the map of the colour difference that is left."""
    report.alignment = align(grey_bytes(whole['lq']), grey_bytes(whole['gt']))
    agreement = float(report.lq.prints.thumbnail @ report.gt.prints.thumbnail)
    if not report.is_related and agreement >= _SAME_SCENE:
        report.alignment = None  # one scene, whose edges drown in noise
    fit, left = fit_color(reduced['lq'], reduced['gt'])
    if report.is_related:
        report.fit = fit
        report.floor = None if report.alignment is None else noise_floor(whole['gt'], report.alignment)
    return left


def _same_proportions(lq: np.ndarray, gt: np.ndarray) -> bool:
    """Whether one is the other enlarged, to within two pixels of the smaller one."""
    ratios = [side_gt / side_lq for side_lq, side_gt in zip(lq.shape[:2], gt.shape[:2])]
    return abs(ratios[0] - ratios[1]) <= 2 * max(ratios) / min(*lq.shape[:2], *gt.shape[:2])


def measure_pairs(pairs: Sequence[Pair], max_side: int = 1000, jobs: int = 1) -> Iterator[PairReport]:
    """Yield the reports of pairs, in their order.

    Args:
        jobs: processes; 1 for none but this one.

    Raises:
        UserError: a process was killed, most likely for want of memory.
    """
    if jobs <= 1 or len(pairs) <= 1:
        yield from (measure_pair(pair, max_side) for pair in pairs)
        return
    # A forked child of a process with threads may hang. The server that is forked imports what takes seconds, once.
    context = get_context('forkserver' if 'forkserver' in get_all_start_methods() else 'spawn')
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(min(jobs, len(pairs)), context, _start_worker) as pool:
        try:
            yield from pool.map(partial(measure_pair, max_side=max_side), pairs, chunksize=1)
        except BrokenProcessPool:
            raise UserError(
                f'a worker was killed, most likely for want of memory: try --jobs {max(1, jobs // 2)}'
            ) from None


def num_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _start_worker() -> None:
    """One thread for each process: more of them wait for each other."""
    import torch

    torch.set_num_threads(1)
    import_cv2().setNumThreads(1)
