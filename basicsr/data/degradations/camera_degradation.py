"""Degradations of colour and tone, in linear light: what a camera would have given."""

import random

import numpy as np
import torch

from basicsr.color.lab import SRGB_TO_XYZ
from basicsr.color.rgb import mix_channels
from basicsr.data.degradations.single import Degradation, Range, from_light, limits, to_light
from basicsr.data.photometric import PhotometricOptions, apply_photometric, describe_photometric, draw_photometric
from basicsr.utils.registry import DEGRADATION_REGISTRY
from basicsr.utils.schema import check_section

_DEFAULT_KELVIN = (4000.0, 9000.0)


@DEGRADATION_REGISTRY.register()
class Grayscale(Degradation):
    """Takes all colour away: each pixel becomes the grey of its luminance, weighed in linear light."""

    def apply(self, img: np.ndarray) -> np.ndarray:
        blue, green, red = to_light(img).unbind(-1)
        luminance = mix_channels(red, green, blue, SRGB_TO_XYZ[1], 1.0)
        return np.repeat(from_light(luminance)[..., None], 3, axis=2)


@DEGRADATION_REGISTRY.register()
class CameraBefore(Degradation):
    """The picture before it was edited: another exposure and white balance, a flatter tone curve, lifted blacks.

    Each argument is a number or a range that is drawn from uniformly, once for a whole picture. The steps are those of
    `datasets.*.photometric`, in this order, and `black_lift` after them; what exceeds 1 is clipped, as by a sensor.

    Args:
        exposure_ev: in EV; +1 doubles the light.
        white_balance_k: greys take the colour of daylight of so many kelvin, 4000 to 25000; 6504 changes nothing.
            Drawn uniformly in mired. By default 4000 to 9000, and nothing where `gains` are given.
        gains: factors of R, G and B, each drawn for itself; for light that is no daylight.
        contrast: steepness of log light around middle grey; below 1 is flatter.
        saturation: factor of the distance from the grey of equal luminance.
        gamma: exponent of linear light; above 1 is darker.
        black_lift: black becomes this linear light, in [0, 0.5]; white stays. 0.01 is 25 of 255.
    """

    def __init__(
        self,
        exposure_ev: Range = (-1.5, 0.5),
        white_balance_k: Range | None = None,
        gains: Range | None = None,
        contrast: Range = (0.7, 1.0),
        saturation: Range = (0.7, 1.0),
        gamma: Range = 1.0,
        black_lift: Range = (0.0, 0.01),
    ) -> None:
        if white_balance_k is None and gains is None:
            white_balance_k = _DEFAULT_KELVIN
        ranges = {
            'exposure_ev': exposure_ev,
            'white_balance_k': white_balance_k,
            'gains': gains,
            'contrast': contrast,
            'saturation': saturation,
            'gamma': gamma,
        }
        self._options = _photometric_options(ranges)
        self._black_lift = limits('black_lift', black_lift, 0.0, 0.5)

    def draw(self) -> dict:
        return {'photometric': draw_photometric(self._options), 'black_lift': random.uniform(*self._black_lift)}

    def apply(self, img: np.ndarray, photometric: torch.Tensor, black_lift: float) -> np.ndarray:
        rgb = to_light(img).flip(-1).permute(2, 0, 1)[None]
        rgb = apply_photometric(rgb, photometric[None], is_linear=True)
        rgb = black_lift + (1 - black_lift) * rgb
        return from_light(rgb[0].permute(1, 2, 0).flip(-1))

    def describe(self, photometric: torch.Tensor, black_lift: float) -> str:
        lift = f'black {black_lift:.3f}' if black_lift else ''
        return ', '.join(part for part in (describe_photometric(photometric), lift) if part)


def _photometric_options(ranges: dict[str, Range | None]) -> PhotometricOptions:
    lists = {
        name: list(value) if isinstance(value, list | tuple) else [value, value]
        for name, value in ranges.items()
        if value is not None
    }
    checked, problems = check_section(PhotometricOptions, {**lists, 'prob': 1.0}, ())
    if checked is None:
        raise ValueError('; '.join(': '.join([*map(str, path), message]) for path, message in problems))
    return PhotometricOptions(**checked)
