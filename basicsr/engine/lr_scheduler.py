"""Learning-rate schedules, each a closed form of the iteration.

None of them reads the live learning rate, which the warm-up overwrites: after a warm-up the schedule is where it would
have been without. Iteration `i` (from 1) trains with the schedule's value at `i - 1`, so a milestone `m` acts from
iteration `m + 1` on.
"""

import bisect
import math
from collections import Counter
from itertools import accumulate

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from basicsr.utils.errors import OptionError
from basicsr.utils.registry import SCHEDULER_REGISTRY


class ClosedFormLR(LRScheduler):
    """Base of the schedules: the learning rate of a parameter group is `value(its initial rate, iteration)`."""

    def value(self, base_lr: float, step: int) -> float:
        """Return the learning rate after `step` iterations of a group that began with `base_lr`."""
        raise TypeError(f'{type(self).__name__} defines no schedule')

    def get_lr(self) -> list[float]:
        """Return the learning rates of all groups at the current iteration."""
        return [self.value(base_lr, self.last_epoch) for base_lr in self.base_lrs]


@SCHEDULER_REGISTRY.register()
class Constant(ClosedFormLR):
    """The learning rate of the optimizer, throughout."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch)

    def value(self, base_lr: float, step: int) -> float:
        return base_lr


@SCHEDULER_REGISTRY.register()
class MultiStepRestartLR(ClosedFormLR):
    """Multiply by `gamma` at every milestone; start anew at every restart.

    Args:
        milestones: iterations; one that is named twice counts twice.
        gamma: factor of a milestone.
        restarts: iterations at which the rate is reset.
        restart_weights: factor of the initial rate at each restart.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        restarts: list[int] = (0,),
        restart_weights: list[float] = (1.0,),
        last_epoch: int = -1,
    ) -> None:
        _same_length('restarts', restarts, 'restart_weights', restart_weights)
        self.milestones = sorted(milestones)
        self.gamma = gamma
        self.restarts = list(restarts)
        self.restart_weights = list(restart_weights)
        super().__init__(optimizer, last_epoch)

    def load_state_dict(self, state_dict: dict) -> None:
        """Load a state; BasicSR's holds the milestones as a Counter."""
        milestones = state_dict.get('milestones')
        if isinstance(milestones, Counter):
            state_dict = {**state_dict, 'milestones': sorted(milestones.elements())}
        super().load_state_dict(state_dict)

    def value(self, base_lr: float, step: int) -> float:
        restart, weight = 0, 1.0
        for position, factor in sorted(zip(self.restarts, self.restart_weights)):
            if position <= step:
                restart, weight = position, factor
        passed = sum(restart < milestone <= step for milestone in self.milestones)
        return base_lr * weight * self.gamma**passed


@SCHEDULER_REGISTRY.register()
class MultiStepLR(MultiStepRestartLR):
    """BasicSR's other name of MultiStepRestartLR."""


@SCHEDULER_REGISTRY.register()
class CosineAnnealingRestartLR(ClosedFormLR):
    """Cosine from a peak to `eta_min` in every period. After the last period the rate stays at its end.

    As in BasicSR, the iteration at a boundary still belongs to the period before it.

    Args:
        periods: lengths in iterations.
        restart_weights: factor of the peak of each period.
        eta_min: lowest rate.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        periods: list[int],
        restart_weights: list[float] = (1.0,),
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        _same_length('periods', periods, 'restart_weights', restart_weights)
        _positive('periods', *periods)
        self.periods = list(periods)
        self.restart_weights = list(restart_weights)
        self.eta_min = eta_min
        self.cumulative_period = list(accumulate(periods))
        super().__init__(optimizer, last_epoch)

    def value(self, base_lr: float, step: int) -> float:
        step = min(step, self.cumulative_period[-1])
        index = bisect.bisect_left(self.cumulative_period, step)
        start = self.cumulative_period[index] - self.periods[index]
        phase = (step - start) / self.periods[index]
        return self.eta_min + self.restart_weights[index] * _cosine(base_lr - self.eta_min, phase)


@SCHEDULER_REGISTRY.register()
class TrueCosineAnnealingLR(ClosedFormLR):
    """Cosine from the initial rate to `eta_min` over `T_max` iterations; stays there afterwards."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        _positive('T_max', T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def value(self, base_lr: float, step: int) -> float:
        return self.eta_min + _cosine(base_lr - self.eta_min, min(step / self.T_max, 1.0))


@SCHEDULER_REGISTRY.register()
class LinearLR(ClosedFormLR):
    """Linear from the initial rate to zero over `total_iter` iterations.

    Args:
        total_iter: by default that of the run, as in NAFNet.
    """

    def __init__(self, optimizer: Optimizer, total_iter: int | None = None, last_epoch: int = -1) -> None:
        if total_iter is None:
            raise OptionError('total_iter is required')
        _positive('total_iter', total_iter)
        self.total_iter = total_iter
        super().__init__(optimizer, last_epoch)

    def value(self, base_lr: float, step: int) -> float:
        return base_lr * max(0.0, 1 - step / self.total_iter)


def build_scheduler(optimizer: Optimizer, run_iterations: int, type: str, **arguments: object) -> LRScheduler:
    """Build the schedule called `type`; `run_iterations` is the default length of one that needs a length.

    Raises:
        OptionError: the arguments describe no schedule.
    """
    scheduler = SCHEDULER_REGISTRY.get(type)
    if 'total_iter' in arguments and arguments['total_iter'] is None:
        arguments['total_iter'] = run_iterations
    try:
        return scheduler(optimizer, **arguments)
    except (ValueError, TypeError) as error:
        raise OptionError(f'train.scheduler: {type}: {error}') from error


def warmup_lr(base_lr: float, current_iter: int, warmup_iter: int) -> float | None:
    """Return the rate of a linear warm-up at `current_iter`, or None when the warm-up is over."""
    return base_lr * current_iter / warmup_iter if current_iter < warmup_iter else None


def _cosine(height: float, phase: float) -> float:
    return height * 0.5 * (1 + math.cos(math.pi * phase))


def _same_length(first_name: str, first: list, second_name: str, second: list) -> None:
    if len(first) != len(second) or not first:
        raise OptionError(f'{first_name} has {len(first)} entries and {second_name} {len(second)}: give one for each')


def _positive(name: str, *values: int) -> None:
    if min(values) <= 0:
        raise OptionError(f'{name}: expected a number above 0, got {min(values)}')
