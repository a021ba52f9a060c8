"""How per-pixel errors become one number: BasicSR's reduction and weighting, shared by all terms."""

import functools
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from basicsr.utils.errors import OptionError, UserError

Reduction = Literal['none', 'mean', 'sum']


def check_choice(term: str, option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that an option of `term` does not have.

    Raises:
        OptionError: naming those it has.
    """
    if value not in allowed:
        raise OptionError(f'{term}: {option} {value!r} is not one of {", ".join(allowed)}')


def check_reduction(term: str, reduction: str, allowed: tuple[str, ...] = ('none', 'mean', 'sum')) -> None:
    """Refuse a reduction that `term` does not have.

    Raises:
        OptionError: naming those it has.
    """
    check_choice(term, 'reduction', reduction, allowed)


def check_same_shape(term: str, pred: Tensor, target: Tensor) -> None:
    """Refuse two images that broadcasting would silently stretch.

    Raises:
        UserError: with both shapes.
    """
    if pred.shape != target.shape:
        raise UserError(
            f'{term}: the prediction is {tuple(pred.shape)}, the target {tuple(target.shape)}; they must be alike. '
            'Check the scale of the network and the size of the target patches.'
        )


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """Reduce a loss map by `none`, `mean` or `sum`."""
    check_reduction('loss', reduction)
    if reduction == 'none':
        return loss
    return loss.mean() if reduction == 'mean' else loss.sum()


def weight_reduce_loss(loss: Tensor, weight: Tensor | None = None, reduction: str = 'mean') -> Tensor:
    """Weight a loss map element by element, then reduce it.

    Args:
        loss: (N, C, H, W).
        weight: (N, 1 or C, H, W). With `mean` the result is the weighted mean, sum(w l) / sum(w), not the mean of w l;
            weights that are all 0 give 0.

    Raises:
        UserError: when the weight has another shape.
    """
    if weight is None:
        return reduce_loss(loss, reduction)
    if weight.shape not in (loss.shape, loss[:, :1].shape):
        raise UserError(
            f'the weight is {tuple(weight.shape)} for a loss of {tuple(loss.shape)}; only its channels may be 1'
        )

    weighted = loss * weight
    if reduction != 'mean':
        return reduce_loss(weighted, reduction)
    total = weight.sum() * (loss.shape[1] / weight.shape[1])
    return weighted.sum() / total.clamp(min=torch.finfo(weighted.dtype).tiny)


def weighted_loss(loss_func: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give an elementwise `loss_func(pred, target)` the arguments `weight` and `reduction`.

    >>> @weighted_loss
    ... def l1_loss(pred, target):
    ...     return (pred - target).abs()
    >>> l1_loss(pred, target, weight, reduction='sum')
    """

    @functools.wraps(loss_func)
    def wrapper(pred: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = 'mean', **extra) -> Tensor:
        return weight_reduce_loss(loss_func(pred, target, **extra), weight, reduction)

    return wrapper
