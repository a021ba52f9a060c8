"""BasicSR's import path of the schedules."""

from basicsr.engine.lr_scheduler import CosineAnnealingRestartLR, LinearLR, MultiStepRestartLR, TrueCosineAnnealingLR

__all__ = ['CosineAnnealingRestartLR', 'LinearLR', 'MultiStepRestartLR', 'TrueCosineAnnealingLR']
