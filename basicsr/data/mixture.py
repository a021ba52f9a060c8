"""Several datasets as one, in exact proportions. What stands at position k is a function of (seed, k) alone.

Positions come in blocks. In each block every component stands as often as its weight says, in an order of the block's
own; each component goes through its items in passes, each in an order of its own.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from basicsr.utils.errors import DataError, OptionError

# Proportions whose common denominator is larger are rounded to this one.
MAX_BLOCK = 10_000
# Told apart, because SeedSequence([1, 2]) is SeedSequence([1, 2, 0]).
_BLOCKS, _ITEMS = 1, 2


def block_counts(weights: Sequence[float]) -> list[int]:
    """Return how often each component stands in a block; the sum is the length of the block.

    The length is the least that makes the proportions of the weights, read as the decimals they are written as, exact.
    Above 10,000 it is 10,000, and the counts are the nearest that add up to it (largest remainders).

    Raises:
        ValueError: a weight is not a positive number, or so small that its component would never stand in a block.
    """
    if not weights or not all(0 < weight < math.inf for weight in weights):
        raise ValueError(f'expected positive weights, got {list(weights)}')
    exact = [Fraction(str(weight)) for weight in weights]
    shares = [weight / sum(exact) for weight in exact]

    length = math.lcm(*(share.denominator for share in shares))
    if length > MAX_BLOCK:
        length = MAX_BLOCK
    counts = [math.floor(share * length) for share in shares]
    remainders = [share * length - count for share, count in zip(shares, counts)]
    for index in sorted(range(len(shares)), key=lambda i: -remainders[i])[: length - sum(counts)]:
        counts[index] += 1

    if 0 in counts:
        raise ValueError(f'the weight {weights[counts.index(0)]:g} is less than 1 in {length:,} of the sum of all')
    return counts


def block_order(counts: Sequence[int], seed: int, block: int) -> np.ndarray:
    """Return the component at each position of a block."""
    components = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng([_BLOCKS, seed, block]).permutation(components)


def item_order(length: int, seed: int, component: int, epoch: int) -> np.ndarray:
    """Return the order of the items of a component in a pass."""
    return np.random.default_rng([_ITEMS, seed, component, epoch]).permutation(length)


def place_at(counts: Sequence[int], order: np.ndarray, k: int) -> tuple[int, int]:
    """Return the component at position k, and how often it stood before.

    Args:
        order: of the block in which k lies, from `block_order`.
    """
    block, i = divmod(k, len(order))
    component = int(order[i])
    return component, block * counts[component] + int(np.count_nonzero(order[:i] == component))


class MixedDataset(Dataset):
    """Several datasets as one, for training. Indices are those of the datasets one after another.

    Its length is the number of all items, so an epoch in the log is as many positions as there are items; how often
    each component was gone through is up to its weight, see `epochs_at`.

    Args:
        datasets: the components; they are finished alike, or none gives raw samples (`read`, `finish`).
        weights: positive; each is relative to the sum.
        names: of the components, for the log and messages.

    Raises:
        OptionError: the weights or the components do not go together.
        DataError: a component is empty.
    """

    def __init__(self, datasets: Sequence[Dataset], weights: Sequence[float], names: Sequence[str]) -> None:
        if not len(datasets) == len(weights) == len(set(names)):
            raise ValueError(f'{len(datasets)} datasets, {len(weights)} weights, {len(set(names))} different names')
        self.datasets, self.names = list(datasets), list(names)
        _check_components(self.datasets, self.names)
        try:
            self.counts = block_counts(weights)
        except ValueError as error:
            raise OptionError(f'datasets.train.mix: {error}') from None
        self._lengths = [len(dataset) for dataset in datasets]
        self._starts = np.cumsum([0, *self._lengths])
        self._block: tuple[tuple[int, int], np.ndarray] | None = None
        self._orders: dict[int, tuple[tuple[int, int], np.ndarray]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def index_at(self, seed: int, k: int) -> int:
        """Return the index of the item at position k of a run."""
        component, i = place_at(self.counts, self._order_of_block(seed, k), k)
        epoch, place = divmod(i, self._lengths[component])
        return int(self._starts[component] + self._order_of_items(seed, component, epoch)[place])

    def epochs_at(self, seed: int, k: int) -> dict[str, float]:
        """Return how often each component was gone through before position k: 2.5 is amid its third pass."""
        order = self._order_of_block(seed, k)
        block, i = divmod(k, len(order))
        begun = np.bincount(order[:i], minlength=len(self.counts))
        seen = [block * count + int(more) for count, more in zip(self.counts, begun)]
        return {name: num / length for name, num, length in zip(self.names, seen, self._lengths)}

    def locate(self, index: int) -> tuple[int, int]:
        """Return the component that an index lies in, and the index within it."""
        if not 0 <= index < len(self):
            raise IndexError(f'{index} is not one of {len(self)} items')
        component = int(np.searchsorted(self._starts, index, side='right')) - 1
        return component, index - int(self._starts[component])

    def __getitem__(self, index: int) -> Any:
        component, inner = self.locate(index)
        return self.datasets[component][inner]

    def prepare(self) -> None:
        """Prepare the components that need it."""
        for dataset in self.datasets:
            if hasattr(dataset, 'prepare'):
                dataset.prepare()

    def read(self, index: int) -> Any:
        """Return a raw sample, or the item of a component that has no raw samples."""
        component, inner = self.locate(index)
        dataset = self.datasets[component]
        return dataset.read(inner) if hasattr(dataset, 'read') else dataset[inner]

    def finish(self, batch: Any) -> Any:
        """Finish a batch of raw samples, which may come from all components, as the first of them does."""
        first = self.datasets[0]
        return first.finish(batch) if hasattr(first, 'finish') else batch

    def _order_of_block(self, seed: int, k: int) -> np.ndarray:
        """The order of the block of position k. The last one is kept: it saves time and changes nothing."""
        key = seed, k // sum(self.counts)
        if self._block is None or self._block[0] != key:
            self._block = key, block_order(self.counts, *key)
        return self._block[1]

    def _order_of_items(self, seed: int, component: int, epoch: int) -> np.ndarray:
        """The order of a pass; of each component, the last one is kept."""
        kept = self._orders.get(component)
        if kept is None or kept[0] != (seed, epoch):
            kept = (seed, epoch), item_order(self._lengths[component], seed, component, epoch)
            self._orders[component] = kept
        return kept[1]


def _check_components(datasets: Sequence[Dataset], names: Sequence[str]) -> None:
    """Refuse what is empty, and what cannot stand in one batch: batches are finished as one."""
    first = datasets[0]
    for dataset, name in zip(datasets, names):
        if len(dataset) == 0:
            raise DataError(f"datasets.train.mix: '{name}' is empty")
        if getattr(type(dataset), 'finish', None) is not getattr(type(first), 'finish', None):
            kinds = f'{type(first).__name__} and {type(dataset).__name__}'
            raise OptionError(f"datasets.train.mix: '{names[0]}' and '{name}' do not mix: they are {kinds}")
        ours = _traits(first)
        for key, value in _traits(dataset).items():
            if value != ours[key]:
                raise OptionError(
                    f"datasets.train.mix: {key} is {value} in '{name}' and {ours[key]} in '{names[0]}', but their "
                    'samples stand in one batch: give it once, beside `mix` (`prob: 0` switches off what has a `prob`)'
                )


def _traits(dataset: Dataset) -> dict[str, Any]:
    """Return what samples of one batch have in common: their size, and the options by which a batch is finished."""
    own = getattr(dataset, 'own', None)
    photometric = getattr(own, 'photometric', None)
    return {
        **{key: getattr(own, key, None) for key in ('gt_size', 'color', 'mean', 'std')},
        'photometric.target': getattr(photometric, 'target', None),
        'mixup': 'off' if getattr(own, 'mixup', None) is None else 'on',
    }
