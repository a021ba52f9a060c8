"""Optimizers by name: those of `torch.optim`."""

import inspect
from collections.abc import Iterable

import torch

from basicsr.utils.errors import OptionError
from basicsr.utils.registry import OPTIMIZER_REGISTRY

# LBFGS evaluates the objective several times per step; SparseAdam takes sparse gradients only.
_UNUSABLE = {torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam}

for _optimizer in vars(torch.optim).values():
    if inspect.isclass(_optimizer) and issubclass(_optimizer, torch.optim.Optimizer) and _optimizer not in _UNUSABLE:
        OPTIMIZER_REGISTRY.register(_optimizer)


def build_optimizer(params: Iterable, type: str, **arguments: object) -> torch.optim.Optimizer:
    """Build the optimizer called `type` over `params`.

    Raises:
        OptionError: the optimizer refuses its arguments.
    """
    optimizer = OPTIMIZER_REGISTRY.get(type)
    try:
        if 'betas' in arguments:  # torch refuses an int beside a float
            arguments['betas'] = tuple(float(beta) for beta in arguments['betas'])
        return optimizer(params, **arguments)
    except (ValueError, TypeError, LookupError) as error:
        raise OptionError(f'train.optim_g: {type}: {error}') from error
