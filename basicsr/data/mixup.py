"""Mixup: weights that are drawn where a sample is read, and applied to whole batches on the device."""

import random

import torch
from pydantic import Field
from torch import Tensor

from basicsr.utils.schema import Float, Section


class MixupOptions(Section):
    """Mixup: a pair becomes a weighted mean of itself and the next pair of its batch."""

    # What Restormer's option files call `mixup_beta: 1.2` and `use_identity: true`.
    prob: Float = Field(0.5, ge=0, le=1, description='probability that a pair is mixed at all')
    beta: Float = Field(1.2, gt=0, description='the weight is drawn from the distribution Beta(beta, beta)')


def draw_mixup(options: MixupOptions | None) -> float:
    """Draw the weight of a pair itself in [0, 1]; 1 leaves it alone. None takes no random number."""
    if options is None or random.random() >= options.prob:
        return 1.0
    return random.betavariate(options.beta, options.beta)


def apply_mixup(lq: Tensor, gt: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each pair with the next of the batch, the last with the first: w * own + (1 - w) * next.

    Pairs with weight 1 come back bit for bit. The values are mixed as they are, sRGB-encoded or linear, as Restormer
    does.

    Args:
        lq, gt: (N, C, H, W); their sizes may differ.
        weights: (N,), from `draw_mixup`, on any device.
    """
    if weights.device.type == 'cpu' and bool((weights == 1).all()):
        return lq, gt
    return _mixed(lq, weights), _mixed(gt, weights)


def _mixed(images: Tensor, weights: Tensor) -> Tensor:
    weights = weights.to(images.device, images.dtype, non_blocking=True).view(-1, 1, 1, 1)
    mixed = weights * images + (1 - weights) * images.roll(-1, 0)
    return torch.where(weights == 1, images, mixed)
