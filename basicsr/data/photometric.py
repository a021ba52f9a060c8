"""Photometric jitter: numbers that are drawn where a sample is read, and applied to whole batches on the device."""

import random
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from basicsr.color.daylight import D65_KELVIN, MAX_KELVIN, MIN_KELVIN, daylight_gains
from basicsr.color.lab import SRGB_TO_XYZ
from basicsr.color.rgb import as_image, linear_to_srgb, mix_channels, srgb_to_linear
from basicsr.utils.schema import Float, Section

# The reflectance of a photographic grey card, which stays where it is when contrast changes.
MIDDLE_GREY = 0.18

# The numbers of a draw: 1 or 0, EV, three factors, the temperature they stand for (0: none), and three more factors.
_DRAWN, _EXPOSURE, _GAINS, _KELVIN, _CONTRAST, _SATURATION, _GAMMA = 0, 1, slice(2, 5), 5, 6, 7, 8
PHOTOMETRIC_SIZE = 9
_NEUTRAL = (0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)


def _range(least: float, most: float) -> type:
    """The type of a range `[low, high]` of numbers between `least` and `most`."""

    def check(numbers: list[float]) -> list[float]:
        if len(numbers) != 2 or not least <= numbers[0] <= numbers[1] <= most:
            raise ValueError(f'expected [low, high] with {least:g} <= low <= high <= {most:g}, got {numbers}')
        return numbers

    return Annotated[list[Float], AfterValidator(check)]


_Factors = _range(0.1, 10.0)


class PhotometricOptions(Section):
    """Jitter of exposure and colour, in linear light; each range is drawn from uniformly, once for a whole crop."""

    target: Literal['lq', 'both'] = Field('lq', description='change the input alone, or the target alike')
    prob: Float = Field(0.1, ge=0, le=1, description='probability that a crop is changed at all')
    exposure_ev: _range(-10.0, 10.0) | None = Field(
        None, description='`[low, high]` in EV: +1 doubles the light; `[-0.3, 0.3]` is mild'
    )
    white_balance_k: _range(MIN_KELVIN, MAX_KELVIN) | None = Field(
        None,
        description=f'`[low, high]` in kelvin: greys take the colour of such daylight; {D65_KELVIN:g} changes nothing, '
        'lower is warmer; drawn uniformly in mired (1e6 / K)',
    )
    gains: _Factors | None = Field(
        None, description='`[low, high]`: factors of R, G and B, drawn each for itself; in place of `white_balance_k`'
    )
    contrast: _Factors | None = Field(
        None, description='`[low, high]`: steepness of log light around middle grey (0.18); above 1 is harder'
    )
    saturation: _range(0.0, 10.0) | None = Field(
        None, description='`[low, high]`: factor of the distance from the grey of equal luminance; 0 is grey'
    )
    gamma: _Factors | None = Field(
        None, description='`[low, high]`: exponent of linear light; black and white stay, above 1 is darker'
    )

    @model_validator(mode='after')
    def _changes_something(self):
        ranges = ('exposure_ev', 'white_balance_k', 'gains', 'contrast', 'saturation', 'gamma')
        if all(getattr(self, name) is None for name in ranges):
            raise ValueError(f'changes nothing: give one or more of {", ".join(ranges)}')
        if self.white_balance_k is not None and self.gains is not None:
            raise ValueError('`white_balance_k` and `gains` both set the factors of R, G and B: give one of them')
        return self


def draw_photometric(options: PhotometricOptions | None) -> Tensor:
    """Draw the jitter of one crop: float32 (PHOTOMETRIC_SIZE,), whose first number says whether there is any.

    It takes as many random numbers whatever the options are, so that a range that is switched on or off leaves the
    others' draws as they were; None takes none.
    """
    values = list(_NEUTRAL)
    if options is None:
        return torch.tensor(values)
    lots = [random.random() for _ in range(9)]
    if lots[0] >= options.prob:
        return torch.tensor(values)

    values[_DRAWN] = 1.0
    values[_EXPOSURE] = _between(options.exposure_ev, lots[1], 0.0)
    if options.white_balance_k is not None:
        low, high = options.white_balance_k
        kelvin = min(max(1 / _between([1 / high, 1 / low], lots[2], 0.0), low), high)
        values[_KELVIN], values[_GAINS] = kelvin, daylight_gains(kelvin)
    else:
        values[_GAINS] = [_between(options.gains, lot, 1.0) for lot in lots[3:6]]
    for place, limits, lot in (
        (_CONTRAST, options.contrast, lots[6]),
        (_SATURATION, options.saturation, lots[7]),
        (_GAMMA, options.gamma, lots[8]),
    ):
        values[place] = _between(limits, lot, 1.0)
    return torch.tensor(values)


def describe_photometric(draw: Sequence[float] | Tensor) -> str:
    """Say in words what `draw_photometric` drew: `exposure +0.21 EV, 5800 K, contrast 1.10`; '' where nothing was."""
    values = [float(value) for value in draw]
    if not values[_DRAWN]:
        return ''
    parts = [f'exposure {values[_EXPOSURE]:+.2f} EV'] if values[_EXPOSURE] else []
    if values[_KELVIN]:
        parts.append(f'{values[_KELVIN]:.0f} K')
    elif any(gain != 1 for gain in values[_GAINS]):
        parts.append('gains ' + ' '.join(f'{gain:.2f}' for gain in values[_GAINS]))
    for name, place in (('contrast', _CONTRAST), ('saturation', _SATURATION), ('gamma', _GAMMA)):
        if values[place] != 1:
            parts.append(f'{name} {values[place]:.2f}')
    return ', '.join(parts)


def apply_photometric(images: Tensor, draws: Tensor, is_linear: bool = False) -> Tensor:
    """Change the images of a batch as drawn; those without a draw come back bit for bit.

    Args:
        images: (N, 3, H, W), sRGB in [0, 1].
        draws: (N, PHOTOMETRIC_SIZE), from `draw_photometric`, on any device.
        is_linear: the images are linear light, which may exceed 1: they are not decoded, encoded or clamped.
    """
    if not as_image(images).dim() == 4 or draws.shape != (len(images), PHOTOMETRIC_SIZE):
        raise ValueError(
            f'expected images (N, 3, H, W) and draws (N, {PHOTOMETRIC_SIZE}), got {tuple(images.shape)} and '
            f'{tuple(draws.shape)}'
        )
    # The host need not wait for a GPU to know which images to change; a CPU should do no work in vain.
    if images.device.type != 'cpu':
        draws = draws.to(images.device, non_blocking=True)
        is_drawn = draws[:, _DRAWN].view(-1, 1, 1, 1) > 0
        return torch.where(is_drawn, _changed(images, draws, is_linear).to(images.dtype), images)
    where = draws[:, _DRAWN].nonzero()[:, 0].cpu()
    if len(where) == 0:
        return images
    return images.index_copy(0, where, _changed(images[where], draws.cpu()[where], is_linear).to(images.dtype))


def _changed(images: Tensor, draws: Tensor, is_linear: bool) -> Tensor:
    """All steps, for every image: exposure and white balance, contrast, saturation, gamma."""
    draws = draws[..., None, None]
    light = as_image(images) if is_linear else srgb_to_linear(as_image(images))
    light = light * (draws[:, _GAINS] * torch.exp2(draws[:, _EXPOSURE, None]))
    light = MIDDLE_GREY * _power(light / MIDDLE_GREY, draws[:, _CONTRAST, None])

    grey = mix_channels(*light.unbind(-3), SRGB_TO_XYZ[1], 1.0)[:, None]
    light = grey + draws[:, _SATURATION, None] * (light - grey)

    light = _power(light, draws[:, _GAMMA, None])
    return light if is_linear else linear_to_srgb(light).clamp(0, 1)


def _power(light: Tensor, exponent: Tensor) -> Tensor:
    """A power that keeps the sign: linear light may hold noise below black, and colours outside the gamut."""
    return light.sign() * light.abs().pow(exponent)


def _between(limits: Sequence[float] | None, lot: float, neutral: float) -> float:
    return neutral if limits is None else limits[0] + (limits[1] - limits[0]) * lot
