"""Loss terms by family. The imports below are the inventory."""

from basicsr.losses.color_difference_loss import DeltaE76Loss, LabLoss, OklabLoss
from basicsr.losses.color_loss import ChromaLoss, LabABLoss
from basicsr.losses.color_statistics_loss import ColorConsistencyLoss, ColorDiversityLoss, ExposureLoss, GrayWorldLoss
from basicsr.losses.composite_loss import ColorAwareLoss
from basicsr.losses.frequency_loss import FFTLoss, FocalFrequencyLoss, WaveletLoss
from basicsr.losses.gan_loss import GANLoss, MultiScaleGANLoss, g_path_regularize, gradient_penalty_loss, r1_penalty
from basicsr.losses.gradient_loss import GradientLoss, TVLoss
from basicsr.losses.hue_saturation_loss import HueLoss, SaturationLoss
from basicsr.losses.objective import Objective, build_objective
from basicsr.losses.perceptual_loss import PerceptualLoss, StyleLoss
from basicsr.losses.pixel_loss import CharbonnierLoss, HuberLoss, L1Loss, MSELoss, PSNRLoss, WeightedTVLoss
from basicsr.losses.shared_conversions import share_conversions
from basicsr.losses.ssim_loss import MSSSIMLoss, SSIMLoss
from basicsr.losses.term import Term
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import LOSS_REGISTRY

__all__ = [
    'CharbonnierLoss',
    'ChromaLoss',
    'ColorAwareLoss',
    'ColorConsistencyLoss',
    'ColorDiversityLoss',
    'DeltaE76Loss',
    'ExposureLoss',
    'FFTLoss',
    'FocalFrequencyLoss',
    'GANLoss',
    'GradientLoss',
    'GrayWorldLoss',
    'HuberLoss',
    'HueLoss',
    'L1Loss',
    'LabABLoss',
    'LabLoss',
    'MSELoss',
    'MSSSIMLoss',
    'MultiScaleGANLoss',
    'Objective',
    'OklabLoss',
    'PSNRLoss',
    'PerceptualLoss',
    'SSIMLoss',
    'SaturationLoss',
    'StyleLoss',
    'TVLoss',
    'Term',
    'WaveletLoss',
    'WeightedTVLoss',
    'build_loss',
    'build_objective',
    'g_path_regularize',
    'gradient_penalty_loss',
    'r1_penalty',
    'share_conversions',
]


def build_loss(opt: dict):
    """Build the loss that `type` names; the other keys are its arguments. For models that hold losses of their own."""
    arguments = dict(opt)
    loss = LOSS_REGISTRY.get(arguments.pop('type'))(**arguments)
    get_root_logger().info(f'Loss [{type(loss).__name__}] is created.')
    return loss
