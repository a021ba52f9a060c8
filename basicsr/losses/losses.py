"""Import path of the terms in BasicSR before 1.4."""

from basicsr.losses.basic_loss import (
    CharbonnierLoss,
    L1Loss,
    MSELoss,
    PerceptualLoss,
    WeightedTVLoss,
    charbonnier_loss,
    l1_loss,
    mse_loss,
)

__all__ = [
    'CharbonnierLoss',
    'L1Loss',
    'MSELoss',
    'PerceptualLoss',
    'WeightedTVLoss',
    'charbonnier_loss',
    'l1_loss',
    'mse_loss',
]
