"""The list of degradations of an option file: named, applied in order, each with a probability and its own draws."""

import contextlib
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from basicsr.data.degradations.detail_degradation import resize
from basicsr.data.degradations.single import Degradation
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.option_tree import entry_name
from basicsr.utils.registry import DEGRADATION_REGISTRY


@dataclass(frozen=True)
class Entry:
    """A degradation with its name and the share of the pictures it is applied to.

    Attributes:
        degradation: a `Degradation`, or anything that takes (H, W, 3) BGR, float32 in [0, 1], and returns such.
    """

    name: str
    degradation: Any
    prob: float = 1.0


class DegradationList:
    """Makes an input of a target.

    The entries draw independently of each other: one that is changed, switched off or taken out leaves the draws of the
    others as they were.

    Args:
        entries: in the order in which they are applied.
        scale: size of the target over that of the input. A picture that an entry shrinks is brought to the size of the
            input at once, one that no entry shrinks at the end, both by bicubic interpolation.

    Raises:
        OptionError: there is nothing to do, or two entries share a name.
    """

    def __init__(self, entries: Sequence[Entry], scale: int = 1) -> None:
        names = [entry.name for entry in entries]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise OptionError(f'degradations: two entries are called {", ".join(twins)}: rename one of them')
        if not entries and scale == 1:
            raise OptionError('degradations is empty: the input would be the target itself')
        self.entries, self.scale = list(entries), scale

    def __call__(self, img: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Draw and apply.

        Args:
            img: (H, W, 3) BGR, float32 sRGB in [0, 1]; H and W are multiples of `scale`.

        Returns:
            The input, (H / scale, W / scale, 3), float32 in [0, 1], and what was done: `['jpeg: quality 63, 4:2:0']`.
        """
        height, width = img.shape[:2]
        size = height // self.scale, width // self.scale
        if (height, width) != (size[0] * self.scale, size[1] * self.scale):
            raise ValueError(f'{width} x {height} pixels are not a multiple of the scale, {self.scale}')

        words, sample = [], random.getrandbits(64)
        for entry in self.entries:
            with seeded_draws(sample, zlib.crc32(entry.name.encode())):
                if random.random() < entry.prob:
                    before = img.shape
                    img, word = _applied(entry, img)
                    img = resize(img, size) if img.shape != before else img
                    words.append(word)
        return resize(img, size), words


def build_degradations(degradations: Sequence[dict], scale: int = 1, where: str = 'degradations') -> DegradationList:
    """Build the list from entries `{type: ..., name: ..., prob: ..., <arguments of the type>}`.

    Args:
        scale: size of the target over that of the input.
        where: what messages call the list: `datasets.train.degradations`.

    Raises:
        OptionError: an entry cannot be built; names it.
    """
    return DegradationList([_build_entry(entry, where) for entry in degradations], scale)


@contextlib.contextmanager
def seeded_draws(*position: int) -> Iterator[None]:
    """Seed python's and numpy's generators with a function of `position`, and restore them afterwards."""
    states = random.getstate(), np.random.get_state()
    words = np.random.SeedSequence(position).generate_state(2)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _build_entry(options: dict, where: str) -> Entry:
    arguments = dict(options)
    degradation_class = DEGRADATION_REGISTRY.get(arguments.pop('type'))
    name, prob = entry_name(options), arguments.pop('prob', 1.0)
    arguments.pop('name', None)
    try:
        return Entry(name, degradation_class(**arguments), prob)
    except (ValueError, TypeError) as error:
        raise OptionError(f"{where}: '{name}': {error}") from error


def _applied(entry: Entry, img: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the picture that an entry makes, and its name with what it drew."""
    degradation, details = entry.degradation, ''
    if isinstance(degradation, Degradation):
        drawn = degradation.draw()
        details, result = degradation.describe(**drawn), degradation.apply(img, **drawn)
    else:
        result = degradation(img)

    # The values become integers after this, and not-a-number would be one of them.
    if result.ndim != 3 or result.shape[2] != 3 or not np.isfinite(result.sum()):
        raise UserError(
            f"degradations: '{entry.name}' made of a picture {img.shape} one that is {result.shape} or has values that "
            'are not finite; it should return (H, W, 3) in [0, 1]'
        )
    return result.astype(np.float32, copy=False), f'{entry.name}: {details}' if details else entry.name
