"""One term of the objective: a loss with its name, its weight and the outputs it looks at."""

import inspect
from collections.abc import Sequence

import torch
from torch import nn

from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.weight_schedule import Weight, breakpoints, weight_at


class Term(nn.Module):
    """One entry of the list.

    Args:
        name: the term is logged as `l_<name>`.
        loss: takes (pred, target), or pred alone; returns a scalar tensor, a dict of such, or BasicSR's tuple
            (perceptual, style).
        weight: a number, or `{iteration: weight}`, linear between the points and constant outside.
        outputs: `all`: add up over all outputs of the network; `last`: look at the last one only.
        start_iter, end_iter: the weight is 0 before the one, and from the other on.
    """

    def __init__(
        self,
        name: str,
        loss: nn.Module,
        weight: Weight = 1.0,
        outputs: str = 'all',
        start_iter: int | None = None,
        end_iter: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.loss = loss
        self.weight = weight
        self.outputs = outputs
        self.start_iter, self.end_iter = start_iter, end_iter
        self._takes_target = takes_target(loss)

    def weight_at(self, current_iter: int) -> float:
        """Return the weight at an iteration."""
        return weight_at(self.weight, current_iter, self.start_iter, self.end_iter)

    def breakpoints(self) -> list[int]:
        """Return the iterations at which the weight may change its course."""
        return breakpoints(self.weight, self.start_iter, self.end_iter)

    def forward(self, pred: torch.Tensor, target: torch.Tensor):
        """Return what the loss returns, times the weight at the first iteration.

        This is for subclasses with a step of their own, which call `cri_pix(output, gt)`.
        """
        weight = self.weight_at(1)
        value = self._call(pred, target)
        if isinstance(value, tuple):
            return tuple(part if part is None else part * weight for part in value)
        return {k: v * weight for k, v in value.items()} if isinstance(value, dict) else value * weight

    def raw_values(self, preds: Sequence[torch.Tensor], target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the unweighted values by log name: that of the term, or `<name>_<key>` for a loss of several parts."""
        values: dict[str, torch.Tensor] = {}
        for pred in preds if self.outputs == 'all' else preds[-1:]:
            for name, value in self._parts(self._call(pred, target)).items():
                values[name] = values[name] + value if name in values else value
        return values

    def _call(self, pred: torch.Tensor, target: torch.Tensor):
        return self.loss(pred, target) if self._takes_target else self.loss(pred)

    def _parts(self, value: object) -> dict[str, torch.Tensor]:
        if isinstance(value, tuple):  # BasicSR's PerceptualLoss
            names = [self.name, *(f'{self.name}_{part}' for part in ('style', *range(2, len(value))))]
            parts = {name: part for name, part in zip(names, value) if part is not None}
        elif isinstance(value, dict):
            parts = {f'{self.name}_{key}': part for key, part in value.items()}
        else:
            parts = {self.name: value}
        for name, part in parts.items():
            if not isinstance(part, torch.Tensor) or part.dim() > 0:
                what = f'a tensor of shape {tuple(part.shape)}' if isinstance(part, torch.Tensor) else repr(part)
                raise UserError(
                    f"train.losses: '{name}' returned {what}: a term returns scalars (reduction: mean or sum)"
                )
        return parts


def build_term(entry: dict) -> Term:
    """Build a term from a checked entry of `train.losses`."""
    arguments = dict(entry)
    loss_class = LOSS_REGISTRY.get(arguments.pop('type'))
    name, outputs, weight = arguments.pop('name'), arguments.pop('outputs'), arguments.pop('loss_weight', 1.0)
    window = {key: arguments.pop(key, None) for key in ('start_iter', 'end_iter')}
    arguments.pop('share', None)
    if 'target_is_real' in inspect.signature(loss_class.forward).parameters:
        raise OptionError(
            f"train.losses: '{name}': {loss_class.__name__} needs a discriminator, and cannot stand in the list"
        )
    # The term multiplies, so that the raw value is known and the weight can follow a schedule.
    if 'loss_weight' in inspect.signature(loss_class).parameters:
        arguments['loss_weight'] = 1.0
    try:
        loss = loss_class(**arguments)
    except (ValueError, TypeError) as error:
        raise OptionError(f"train.losses: '{name}': {error}") from error
    return Term(name, loss, weight, outputs, **window)


def takes_target(loss: nn.Module) -> bool:
    """False for a term that looks at the prediction alone: `forward(pred)` or `forward(pred, weight)`."""
    parameters = list(inspect.signature(loss.forward).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    return len(parameters) > 1 and parameters[1].name != 'weight'
