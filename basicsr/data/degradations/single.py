"""What the degradations share: the base class, ranges to draw from, and the way to linear light and back."""

import random
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from basicsr.color import linear_to_srgb, srgb_to_linear

# A number, or [low, high] to draw from.
Range = float | tuple[float, float]
IntRange = int | tuple[int, int]
_Choice = TypeVar('_Choice')


class Degradation:
    """Changes a picture: (H, W, 3) BGR, float32 sRGB in [0, 1] -> the same, possibly of another size.

    `draw` takes all random numbers, from python's `random`; `apply` is a function of the picture and what was drawn.
    The constructor's arguments are the keys of an entry of `degradations`; it refuses bad ones with a `ValueError`.
    """

    def draw(self) -> dict[str, Any]:
        """Return what is drawn for one picture: arguments of `apply` and `describe`."""
        return {}

    def apply(self, img: np.ndarray, **drawn: Any) -> np.ndarray:
        """Return the changed picture."""
        raise NotImplementedError

    def describe(self, **drawn: Any) -> str:
        """Say in a few words what was drawn; '' where there is nothing to say."""
        return ''

    def __call__(self, img: np.ndarray) -> np.ndarray:
        """Draw and apply."""
        return self.apply(img, **self.draw())


def limits(name: str, value: float | Sequence[float], least: float, most: float) -> tuple[float, float]:
    """Return (low, high) of a number or a range.

    Raises:
        ValueError: no such range, or outside [least, most]; names the argument.
    """
    numbers = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(numbers) != 2 or not least <= numbers[0] <= numbers[1] <= most:
        shown = list(value) if isinstance(value, list | tuple) else value
        raise ValueError(
            f'{name}: expected a number or [low, high] with {least:g} <= low <= high <= {most:g}, got {shown}'
        )
    return numbers


def choices(name: str, value: _Choice | Sequence[_Choice], known: Sequence[_Choice]) -> tuple[_Choice, ...]:
    """Return what may be chosen from, as a tuple.

    Raises:
        ValueError: nothing, or something that is not known; names the argument.
    """
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not given or not set(given) <= set(known):
        raise ValueError(f'{name}: expected one of {", ".join(map(str, known))}, or a list of such, got {value!r}')
    return given


def draw_log_uniform(low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return min(max(low * (high / low) ** random.random(), low), high)


def to_light(img: np.ndarray) -> torch.Tensor:
    """(H, W, 3) sRGB in [0, 1] -> linear light, same shape and channel order."""
    return srgb_to_linear(torch.from_numpy(np.ascontiguousarray(img)))


def from_light(light: torch.Tensor) -> np.ndarray:
    """Linear light -> sRGB in [0, 1], clipped, same shape and channel order."""
    return linear_to_srgb(light.clamp(0, 1)).numpy()
