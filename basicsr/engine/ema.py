"""Exponential moving average of a network."""

import torch


@torch.no_grad()
def update_ema(ema: torch.nn.Module, net: torch.nn.Module, decay: float) -> None:
    """Move `ema` towards `net`: `ema = decay * ema + (1 - decay) * net` for parameters; buffers are copied."""
    averages, values = list(ema.parameters()), list(net.parameters())
    torch._foreach_mul_(averages, decay)
    torch._foreach_add_(averages, values, alpha=1 - decay)
    for average, value in zip(ema.buffers(), net.buffers()):
        average.copy_(value)
