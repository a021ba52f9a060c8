"""Scores pictures on disk as a validation would score them in memory, in several processes."""

import inspect
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_all_start_methods, get_context

import torch
from result_pairs import Pair

from basicsr.data.feed import to_unit
from basicsr.metrics.scoring import Scorer
from basicsr.utils.errors import DataError, OptionError, UserError
from basicsr.utils.img_util import img2tensor, read_image
from basicsr.utils.misc import import_cv2
from basicsr.utils.registry import METRIC_REGISTRY


@dataclass
class Scored:
    """What was found of one pair.

    Attributes:
        scores: of the result; none if it cannot be scored.
        inputs: of the untouched input; none if there is no such image of that size.
        error: why the result has no scores.
        note: why the input has none.
    """

    pair: Pair
    scores: dict[str, float] = field(default_factory=dict)
    inputs: dict[str, float] = field(default_factory=dict)
    error: str = ''
    note: str = ''


def read_tensor(path: str) -> torch.Tensor:
    """Return a picture as a dataset hands it to a network: RGB in [0, 1], float32, (1, 3, H, W)."""
    return to_unit(img2tensor(read_image(path), float32=False))[None]


def score_pair(pair: Pair, options: dict, device: str) -> Scored:
    """Score a result, and the input if there is one; what cannot be read or compared is in `error` and `note`.

    Args:
        options: `metrics`, `use_image`, `color_fidelity`, as in the section `val` of an option file.
    """
    scored, scorer = Scored(pair), Scorer(options, device)
    try:
        target = read_tensor(pair.target)
        scored.scores = scorer(_read_like(pair.result, target), target)
    except DataError as error:
        scored.error = str(error)
        return scored
    if pair.input is not None:
        try:
            scored.inputs = scorer(_read_like(pair.input, target), target)
        except DataError as error:
            scored.note = f'the input is not scored: {error}'
    return scored


def score_pairs(pairs: Sequence[Pair], options: dict, device: str, jobs: int) -> Iterator[Scored]:
    """Yield what `score_pair` finds, in the order of the pairs.

    Args:
        jobs: processes; 1 for none but this one.

    Raises:
        UserError: a process was killed, most likely for want of memory.
    """
    score = partial(score_pair, options=options, device=device)
    if jobs <= 1 or len(pairs) <= 1:
        yield from map(score, pairs)
        return
    # A forked child of a process with threads, or with a GPU, may hang.
    context = get_context('forkserver' if 'forkserver' in get_all_start_methods() else 'spawn')
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(min(jobs, len(pairs)), context, _start_worker) as pool:
        try:
            yield from pool.map(score, pairs)
        except BrokenProcessPool:
            raise UserError(
                f'a worker was killed, most likely for want of memory: try --jobs {max(1, jobs // 2)}'
            ) from None


def scoring_options(metrics: str, crop_border: int, eight_bit: bool) -> dict:
    """Return the section `val` of an option file that measures the same.

    Args:
        metrics: names, with commas between them: `psnr,ssim`.

    Raises:
        UserError: an unknown metric, or one that crops no border.
    """
    labels = [name.strip().removeprefix('calculate_') for name in metrics.split(',') if name.strip()]
    entries = {label: {'type': f'calculate_{label}'} for label in labels}
    for label, entry in entries.items():
        parameters = inspect.signature(METRIC_REGISTRY.get(entry['type'])).parameters
        if crop_border and 'crop_border' not in parameters:
            raise OptionError(f'--crop_border {crop_border}: {label} is always that of the whole image')
        if crop_border:
            entry['crop_border'] = crop_border
    return {'metrics': entries, 'use_image': eight_bit, 'color_fidelity': True}


def device_of(name: str) -> str:
    """Return a device that is there; `auto`: a GPU, or the CPU.

    Raises:
        UserError: it cannot be used.
    """
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition('\n')[0]
        raise UserError(f'--device {name}: cannot be used: {reason}') from None
    return name


def default_jobs(device: str) -> int:
    """Return how many processes suit a device: on a GPU each of them takes memory, and they share it."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return count if device == 'cpu' else min(count, 4)


def _read_like(path: str, target: torch.Tensor) -> torch.Tensor:
    image = read_tensor(path)
    if image.shape != target.shape:
        sizes = [f'{i.shape[3]} x {i.shape[2]}' for i in (image, target)]
        raise DataError(f'{path}: has {sizes[0]} pixels, its target {sizes[1]}')
    return image


def _start_worker() -> None:
    """One thread for each process: more of them wait for each other."""
    torch.set_num_threads(1)
    import_cv2().setNumThreads(1)
