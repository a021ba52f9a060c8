"""The training data as one endless sequence, in which sample k is a function of (seed, k) alone.

So nothing about random state is saved, a resumed run sees what the uninterrupted one would have seen, and the number of
workers does not matter.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from basicsr.utils.errors import DataError, UserError
from basicsr.utils.misc import import_cv2, seed_all


class ErrorsAsSamples(Dataset):
    """A dataset that returns a `UserError` met while reading, which a worker would turn into a traceback.

    Attributes are those of the dataset behind it.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except UserError as error:
            return error

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


class Stream(Dataset):
    """An endless shuffled view of a dataset, indexed by the position k in the run.

    Each epoch of `len(dataset)` positions visits every sample once. All generators are seeded before a sample is read.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        if len(dataset) == 0:
            raise DataError('datasets.train: the dataset is empty')
        self.dataset, self.seed = ErrorsAsSamples(dataset), seed
        self._epoch, self._order = None, None

    def __getitem__(self, k: int) -> Any:
        """Return sample k, or the `UserError` met while reading it."""
        epoch, i = divmod(k, len(self.dataset))
        if self._epoch != epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        seed_all(self.seed, k)
        return self.dataset[int(self._order[i])]


def collate(samples: list) -> Any:
    """Return a batch, or the first error among the samples."""
    errors = [sample for sample in samples if isinstance(sample, UserError)]
    return errors[0] if errors else default_collate(samples)


def build_stream(
    dataset: Dataset,
    batch_size: int,
    num_workers: int,
    seed: int,
    first_iter: int,
    total_iter: int,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
) -> Iterator:
    """Return the batches of iterations `first_iter + 1` to `total_iter`.

    Args:
        batch_size: samples per iteration and rank.
        rank: the ranks share out the positions of an iteration, one each in turn.

    Raises:
        UserError: at the batch whose sample could not be read.
    """
    loader = DataLoader(
        Stream(dataset, seed),
        batch_sampler=_Positions(batch_size, first_iter, total_iter, rank, world_size),
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=init_worker,
        # DataLoader draws a seed for its workers; from here, to leave the global generator alone.
        generator=torch.Generator(),
    )
    return _raise_errors(loader)


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


def _raise_errors(loader: DataLoader) -> Iterator:
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        yield batch


def init_worker(worker_id: int) -> None:
    """Keep OpenCV to one thread: the workers are the parallelism, and its pool of threads does not survive a fork."""
    import_cv2().setNumThreads(0)
