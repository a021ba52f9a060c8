"""What makes an input of a target, one file per family. The imports below are the inventory."""

from basicsr.data.degradations.camera_degradation import CameraBefore, Grayscale
from basicsr.data.degradations.detail_degradation import JPEG, Blur, Downscale
from basicsr.data.degradations.list_of_degradations import DegradationList, build_degradations, seeded_draws
from basicsr.data.degradations.noise_degradation import GaussianNoise, PoissonNoise
from basicsr.data.degradations.single import Degradation

__all__ = [
    'JPEG',
    'Blur',
    'CameraBefore',
    'Degradation',
    'DegradationList',
    'Downscale',
    'GaussianNoise',
    'Grayscale',
    'PoissonNoise',
    'build_degradations',
    'seeded_draws',
]
