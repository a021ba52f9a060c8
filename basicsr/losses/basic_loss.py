"""BasicSR's import path of the basic terms; they live by family in the modules beside this one."""

from basicsr.losses.perceptual_loss import PerceptualLoss
from basicsr.losses.pixel_loss import (
    CharbonnierLoss,
    L1Loss,
    MSELoss,
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
