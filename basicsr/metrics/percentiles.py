"""Percentiles of many values, exact and interpolated linearly as numpy does, without waiting for a GPU.

`torch.quantile` takes at most 16 million values, which is less than a photograph has.
"""

import math

import numpy as np
import torch
from torch import Tensor


def keep(values: Tensor, valid: Tensor) -> Tensor:
    """Return the values that count, as `percentiles` takes them: (H, W) and a mask -> one dimension.

    A GPU keeps them all, the others as infinity: their number would have to be waited for.
    """
    if values.device.type == 'cpu':
        return values.masked_select(valid)
    return keep_all(values, valid)


def keep_all(values: Tensor, valid: Tensor) -> Tensor:
    """The same as `keep`, for a GPU."""
    return values.masked_fill(~valid, math.inf).flatten()


def percentiles(values: Tensor, percents: tuple[int, ...]) -> Tensor:
    """Return percentiles of the finite ones among values in one dimension, (len(percents),); NaN if there are none.

    Args:
        values: they may be reordered.
        percents: ascending.
    """
    if values.device.type != 'cpu':
        return percentiles_by_sorting(values, percents)
    finite = values.isfinite()
    values = values if finite.all() else values[finite]
    return torch.from_numpy(_percentiles_by_partition(values.numpy(), percents))


def percentiles_by_sorting(values: Tensor, percents: tuple[int, ...]) -> Tensor:
    """The same as `percentiles`, for a GPU: nothing of it waits for the number of values."""
    last = values.isfinite().sum() - 1
    ordered = values.sort().values
    # The place is last * percent / 100. In integers, for float32 cannot count the pixels of a photograph.
    places = last * torch.tensor(percents, device=values.device)
    below = (places // 100).clamp(min=0)
    above = torch.minimum(below + 1, last.clamp(min=0))
    found = torch.lerp(ordered[below], ordered[above], (places % 100).to(ordered.dtype) / 100)
    return torch.where(last >= 0, found, math.nan)


def _percentiles_by_partition(values: np.ndarray, percents: tuple[int, ...]) -> np.ndarray:
    """Percentiles of finite values, which are reordered: each place divides what the one before it left."""
    found, start, last = [], 0, values.size - 1
    for percent in percents if last >= 0 else ():
        below, fraction = divmod(last * percent, 100)
        rest = values[start:]
        # One place at a time: numpy is several times slower when it is given two.
        rest.partition(below - start)
        low, start = values[below], below
        high = values[below + 1 :].min() if below < last else low
        found.append(low + (high - low) * (fraction / 100))
    return np.array(found or [math.nan] * len(percents), values.dtype)
