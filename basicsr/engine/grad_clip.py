"""Gradient clipping, which always reports the norm before it clips."""

from collections.abc import Iterable

import torch


def clip_gradients(
    params: Iterable[torch.nn.Parameter], type: str, max_norm: float | None = None, max_value: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clip gradients in place.

    Args:
        type: `norm` scales the whole gradient to a norm of at most `max_norm`; `value` bounds every element by
            `max_value`; `none` leaves it alone.

    Returns:
        The 2-norm before clipping, and 1.0 where clipping changed something, else 0.0. Both stay on the device.
    """
    params = [p for p in params if p.grad is not None]
    if type == 'norm':
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
        return norm, (norm > max_norm).float()
    norm = _norm(params, 2.0)
    if type == 'none':
        return norm, torch.zeros_like(norm)
    largest = _norm(params, float('inf'))
    torch.nn.utils.clip_grad_value_(params, max_value)
    return norm, (largest > max_value).float()


def _norm(params: list[torch.nn.Parameter], order: float) -> torch.Tensor:
    """Return the norm of the whole gradient, which stays as it is."""
    if not params:
        return torch.zeros(())
    norms = torch._foreach_norm([p.grad for p in params], order)
    return torch.linalg.vector_norm(torch.stack(norms), order)
