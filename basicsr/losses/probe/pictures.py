"""Pictures to measure losses on: what photographs suffer, by how much, and a picture that needs no file."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from basicsr.color import linear_to_srgb, rgb_to_ycbcr, srgb_to_linear


@dataclass(frozen=True)
class Change:
    """One way in which a picture can be wrong.

    Attributes:
        apply: (picture (N, 3, H, W), amount) -> changed picture, not clamped.
        amounts: from one end to the other; `neutral` is among them.
        neutral: the amount that leaves the picture as it is.
        standard: a modest amount, one that an observer notices.
        unit: of the amounts, for axes and tables.
    """

    name: str
    unit: str
    amounts: tuple[float, ...]
    neutral: float
    standard: float
    apply: Callable[[Tensor, float], Tensor]

    @property
    def label(self) -> str:
        """What the standard amount does, for tables: `exposure -0.5 EV`."""
        sign = '+' if self.standard > 0 and self.neutral == 0 and min(self.amounts) < 0 else ''
        unit = self.unit if self.unit[:1] in '°' else f' {self.unit}'
        return f'{self.name} {sign}{self.standard:g}{unit}'


def expose(picture: Tensor, stops: float) -> Tensor:
    """Multiply the light by 2^stops."""
    return linear_to_srgb(srgb_to_linear(picture) * 2.0**stops)


def warm(picture: Tensor, stops: float) -> Tensor:
    """Give red so many stops more than blue, half up and half down; negative is cooler."""
    gains = torch.tensor([2 ** (stops / 2), 1.0, 2 ** (-stops / 2)], dtype=picture.dtype, device=picture.device)
    return linear_to_srgb(srgb_to_linear(picture) * gains.view(3, 1, 1))


def saturate(picture: Tensor, factor: float) -> Tensor:
    """Scale the distance from the grey of the same luma; 0 is exactly grey."""
    if factor == 0:
        return grey_of(picture)
    grey = rgb_to_ycbcr(picture, 'full')[:, :1]
    return grey + factor * (picture - grey)


def grey_of(picture: Tensor) -> Tensor:
    """The grey picture of the same luma, with three equal channels."""
    return rgb_to_ycbcr(picture, 'full')[:, :1].expand_as(picture).contiguous()


def turn_hue(picture: Tensor, degrees: float) -> Tensor:
    """Turn the colours around the grey axis; the mean of the channels stays."""
    # Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    mean = picture.mean(1, keepdim=True)
    across = (picture.roll(1, 1) - picture.roll(-1, 1)) / math.sqrt(3)
    return mean + cosine * (picture - mean) + sine * across


def blur(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur; `sigma` in pixels."""
    radius = max(1, math.ceil(3 * sigma))
    window = torch.exp(-torch.arange(-radius, radius + 1, dtype=torch.float64).square() / (2 * sigma**2))
    weights = (window / window.sum()).tolist()
    padded = F.pad(picture, (radius,) * 4, mode='replicate')
    rows = sum(w * padded[..., i : i + picture.shape[-2], :] for i, w in enumerate(weights))
    return sum(w * rows[..., i : i + picture.shape[-1]] for i, w in enumerate(weights))


def add_noise(picture: Tensor, sigma: float) -> Tensor:
    """Add Gaussian noise, the same at every call."""
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return picture + sigma * noise.to(picture)


def shift(picture: Tensor, pixels: float) -> Tensor:
    """Move the picture to the right by whole pixels; its left column fills the gap."""
    count = round(pixels)
    return F.pad(picture, (count, 0, 0, 0), mode='replicate')[..., : picture.shape[-1]] if count else picture


CHANGES: dict[str, Change] = {
    change.name: change
    for change in (
        Change('exposure', 'EV', (-1.5, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0), 0.0, -0.5, expose),
        Change('warmth', 'EV red/blue', (-0.8, -0.3, -0.1, 0.0, 0.1, 0.3, 0.8), 0.0, 0.3, warm),
        Change('saturation', '×', (0.0, 0.4, 0.7, 0.9, 1.0, 1.2, 1.5), 1.0, 0.7, saturate),
        Change('hue', '°', (-60.0, -15.0, -5.0, 0.0, 5.0, 15.0, 60.0), 0.0, 15.0, turn_hue),
        Change('blur', 'px', (0.0, 0.5, 1.0, 2.0, 4.0), 0.0, 1.0, blur),
        Change('noise', 'of white', (0.0, 0.01, 0.02, 0.05, 0.1), 0.0, 0.02, add_noise),
        Change('shift', 'px', (0.0, 1.0, 2.0, 4.0, 8.0), 0.0, 1.0, shift),
    )
}


def changed(picture: Tensor, change: Change, amount: float) -> Tensor:
    """Apply a change; the neutral amount returns the picture itself, without a rounding error."""
    return picture if amount == change.neutral else change.apply(picture, amount)


def patchwork(size: int = 256) -> Tensor:
    """Smooth areas of every colour, a neutral third, and fine texture, in [0.04, 0.96]: (1, 3, size, size)."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(1, 3, 5, 5, generator=generator)
    colours[..., 3:] = colours[..., 3:].mean(1, keepdim=True)
    smooth = F.interpolate(colours, (size, size), mode='bilinear', align_corners=True)
    texture = F.interpolate(torch.rand(1, 1, size // 2, size // 2, generator=generator), (size, size), mode='bilinear')
    return (0.1 + 0.8 * smooth + 0.12 * (texture - 0.5)).clamp(0.04, 0.96)
