"""The training data as one endless sequence, in which sample k is a function of (seed, k) alone.

So nothing about random state is saved, a resumed run sees what the uninterrupted one would have seen, and the number of
workers does not matter.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from basicsr.data.exclude import REMEDY
from basicsr.data.feed import feed, pins
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.misc import import_cv2, seed_all


class RawSamples(Dataset):
    """What workers read of a dataset: its raw samples, where it has such (`read`), else its items.

    A `UserError` met while reading is returned as a sample, as a worker would turn it into a traceback. Attributes are
    those of the dataset behind it.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        read = getattr(self.dataset, 'read', self.dataset.__getitem__)
        try:
            return read(index)
        except UserError as error:
            return error

    def finish_raw(self, batch: Any) -> Any:
        """Turn a batch of raw samples into a batch of items, on the device where it is."""
        return self.dataset.finish(batch) if hasattr(self.dataset, 'read') else batch

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


class Stream(Dataset):
    """An endless shuffled view of a dataset, indexed by the position k in the run.

    Each epoch of `len(dataset)` positions visits every sample once, unless the dataset has an order of its own
    (`index_at(seed, k)`). All generators are seeded before a sample is read.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        if len(dataset) == 0:
            raise DataError('datasets.train: the dataset is empty')
        self.samples, self.seed = RawSamples(dataset), seed
        self.index_at = getattr(dataset, 'index_at', self._shuffled)
        self._epoch, self._order = None, None

    def __getitem__(self, k: int) -> Any:
        """Return raw sample k, or the `UserError` met while reading it."""
        index = self.index_at(self.seed, k)
        seed_all(self.seed, k)
        sample = self.samples[index]
        return DataError(f'{sample}\n{REMEDY}') if isinstance(sample, DataError) else sample

    def finish_raw(self, batch: Any) -> Any:
        """Turn a batch of raw samples into a batch of items, on the device where it is."""
        return self.samples.finish_raw(batch)

    def _shuffled(self, seed: int, k: int) -> int:
        epoch, i = divmod(k, len(self.samples))
        if self._epoch != epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([seed, epoch]).permutation(len(self.samples))
        return int(self._order[i])


def collate(samples: list) -> Any:
    """Return a batch, or the first error among the samples.

    Where images of 8 and 16 bits meet in one batch, all get 16: 8 bits times 257 are exactly the same value.
    """
    errors = [sample for sample in samples if isinstance(sample, UserError)]
    if errors:
        return errors[0]
    for key in ('lq', 'gt') if isinstance(samples[0], dict) else ():
        types = {sample[key].dtype for sample in samples if torch.is_tensor(sample.get(key))}
        if types == {torch.uint8, torch.uint16}:
            samples = [{**sample, key: _sixteen_bits(sample[key])} for sample in samples]
        elif len(types) > 1:
            paths = [f'{sample[key].dtype} {sample.get(f"{key}_path", "")}' for sample in samples]
            return DataError(f'float (linear) and integer images cannot meet in one batch: {", ".join(paths)}')
    return default_collate(samples)


def _sixteen_bits(image: torch.Tensor) -> torch.Tensor:
    return (image.to(torch.int32) * 257).to(torch.uint16) if image.dtype == torch.uint8 else image


def build_stream(
    dataset: Dataset,
    batch_size: int,
    num_workers: int,
    seed: int,
    first_iter: int,
    total_iter: int,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool | None = None,
    device: torch.device | str = 'cpu',
) -> Iterator:
    """Return the batches of iterations `first_iter + 1` to `total_iter`, finished on `device`.

    Args:
        batch_size: samples per iteration and rank.
        rank: the ranks share out the positions of an iteration, one each in turn.
        pin_memory: page-locked memory; by default where the device is a GPU.

    Raises:
        UserError: at the batch whose sample could not be read.
    """
    loader = DataLoader(
        Stream(dataset, seed),
        batch_sampler=_Positions(batch_size, first_iter, total_iter, rank, world_size),
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=pins(pin_memory, device),
        worker_init_fn=init_worker,
        # DataLoader draws a seed for its workers; from here, to leave the global generator alone.
        generator=torch.Generator(),
    )
    return feed(loader, device)


class _Positions:
    """The positions of each batch of one rank. Iteration `it`, from 0, covers `it * n` to `(it + 1) * n - 1`."""

    def __init__(self, batch_size: int, first_iter: int, total_iter: int, rank: int, world_size: int) -> None:
        self.iterations = range(first_iter, total_iter)
        self.num_samples, self.rank, self.world_size = batch_size * world_size, rank, world_size

    def __len__(self) -> int:
        return len(self.iterations)

    def __iter__(self) -> Iterator[range]:
        for iteration in self.iterations:
            first = iteration * self.num_samples
            yield range(first + self.rank, first + self.num_samples, self.world_size)


def init_worker(worker_id: int) -> None:
    """Keep OpenCV to one thread: the workers are the parallelism, and its pool of threads does not survive a fork."""
    import_cv2().setNumThreads(0)
