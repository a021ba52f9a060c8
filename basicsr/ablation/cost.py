"""What a grid will cost, from a few timed iterations of every variant."""

import copy
import dataclasses
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from basicsr.ablation.plan import Plan, PlannedRun
from basicsr.ablation.runs import progress_of, state_of
from basicsr.data import build_dataset, build_stream
from basicsr.data.stream import RawSamples, collate
from basicsr.models import build_model
from basicsr.utils.logger import get_root_logger
from basicsr.utils.misc import seed_all
from basicsr.utils.options import runtime_options

_WARM_UP, _TIMED, _IMAGES = 2, 5, 2
# Python, torch and the data, before the first iteration.
_START_SECONDS = 6.0


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds per iteration and for all validations of a whole run."""

    per_iter: float
    validation: float

    def seconds(self, iterations: int, total_iter: int) -> float:
        """Return the time that so many of `total_iter` iterations take."""
        return _START_SECONDS + self.per_iter * iterations + self.validation * iterations / total_iter


def costs_of(plan: Plan, threads: int) -> dict[str, Cost]:
    """Time a few iterations, and the validation of a few images, of every variant, on so many cores of this machine."""
    torch.set_num_threads(threads)
    logger = get_root_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        first = {run.variant: run for run in reversed(plan.runs)}
        return {variant: _time(first[variant], plan.root) for variant in dict.fromkeys(r.variant for r in plan.runs)}
    finally:
        logger.setLevel(level)


def seconds_left(plan: Plan, costs: dict[str, Cost]) -> dict[str, float]:
    """Return run -> seconds until it is done."""
    left = {}
    for run in plan.runs:
        total = run.options['train']['total_iter']
        done = state_of(run.place) == 'done'
        iterations = total - (progress_of(run.place).iteration if run.place.folder.exists() else 0)
        left[run.place.name] = 0.0 if done else costs[run.variant].seconds(iterations, total)
    return left


def _time(run: PlannedRun, root: Path) -> Cost:
    with tempfile.TemporaryDirectory() as scratch:
        options = copy.deepcopy(run.options)
        options['path']['experiments_root'] = options['path']['tb_root'] = scratch
        opt = runtime_options(options, str(root), True)
        seed_all(run.seed)
        model = build_model(opt)
        per_iter = _time_iterations(model, opt)
        val_freq, total_iter = (opt['val'] or {}).get('val_freq'), opt['train']['total_iter']
        sets = [o for key, o in opt['datasets'].items() if key != 'train' and val_freq]
        validation = sum(_time_validation(model, dataset_opt) for dataset_opt in sets)
    return Cost(per_iter, validation * -(-total_iter // val_freq) if val_freq else 0.0)


def _time_iterations(model: Any, opt: dict) -> float:
    train_opt, count = opt['datasets']['train'], _WARM_UP + _TIMED
    positions = (opt['manual_seed'], 0, count)
    stream = build_stream(build_dataset(train_opt), train_opt['batch_size_per_gpu'], 0, *positions, device=model.device)
    times, before = [], time.perf_counter()
    for current_iter, data in enumerate(stream, start=1):
        model.feed_data(data)
        model.optimize_parameters(current_iter)
        if model.device.type == 'cuda':
            torch.cuda.synchronize()
        now = time.perf_counter()
        times.append(now - before)
        before = now
    return statistics.median(times[_WARM_UP:])


class _First(RawSamples):
    """The first images of a set."""

    def __len__(self) -> int:
        return min(_IMAGES, len(self.dataset))


def _time_validation(model: Any, dataset_opt: dict) -> float:
    """Return the seconds that one validation on a set takes."""
    dataset = build_dataset(dataset_opt)
    few = DataLoader(_First(dataset), batch_size=1, collate_fn=collate)
    before = time.perf_counter()
    model.validation(few, 0, None, False)
    return (time.perf_counter() - before) / len(few) * len(dataset)
