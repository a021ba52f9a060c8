"""Optimizers by name: all of `torch.optim`."""

import inspect
from collections.abc import Iterable

import torch

from basicsr.utils.registry import OPTIMIZER_REGISTRY

for _optimizer in vars(torch.optim).values():
    if (
        inspect.isclass(_optimizer)
        and issubclass(_optimizer, torch.optim.Optimizer)
        and _optimizer is not torch.optim.Optimizer
    ):
        OPTIMIZER_REGISTRY.register(_optimizer)


def build_optimizer(params: Iterable, type: str, **arguments: object) -> torch.optim.Optimizer:
    """Build the optimizer called `type` over `params`."""
    if 'betas' in arguments:  # torch refuses an int beside a float
        arguments['betas'] = tuple(float(beta) for beta in arguments['betas'])
    return OPTIMIZER_REGISTRY.get(type)(params, **arguments)
