"""From the batches that workers hand over to those that a network takes: moved to the device, and finished there.

Workers send the bytes of the crops, a quarter of what float32 would be.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader

from basicsr.utils.errors import UserError


def feed(loader: DataLoader, device: torch.device | str, errors: Literal['raise', 'yield'] = 'raise') -> Iterator:
    """Yield the batches of a loader whose dataset is `RawSamples` or a `Stream`, finished on `device`.

    On a GPU, the next batch is copied and finished on a stream of its own while the network works on this one.

    Args:
        errors: what happens at a batch with a sample that could not be read: raise its `UserError`, or yield it in
            place of the batch.
    """
    # A loader that a client brings gives finished items.
    finish = getattr(loader.dataset, 'finish_raw', lambda batch: batch)
    device = torch.device(device)
    batches = _ahead(loader, finish, device) if device.type == 'cuda' else _in_turn(loader, finish)
    for batch in batches:
        if errors == 'raise' and isinstance(batch, UserError):
            raise batch
        yield batch


def _in_turn(loader: DataLoader, finish: Callable) -> Iterator:
    for batch in loader:
        yield batch if isinstance(batch, UserError) else finish(batch)


def _ahead(loader: DataLoader, finish: Callable, device: torch.device) -> Iterator:
    """Yield finished batches on a GPU, each of which was begun before the one before it was asked for."""
    side = torch.cuda.Stream(device)

    def begin() -> Any:
        batch = next(batches, None)
        if batch is None or isinstance(batch, UserError):
            return batch
        with torch.cuda.stream(side):
            return finish(to_device(batch, device))

    batches = iter(loader)
    ready = begin()
    while ready is not None:
        current = torch.cuda.current_stream(device)
        current.wait_stream(side)
        for value in ready.values() if isinstance(ready, dict) else ():
            if torch.is_tensor(value):
                # Its memory was allocated on the side stream: it must not be used again while the network reads it.
                value.record_stream(current)
        batch, ready = ready, begin()
        yield batch


def to_device(batch: Any, device: torch.device) -> Any:
    """Copy the tensors of a batch to a device, without waiting; what is no dictionary stays."""
    if not isinstance(batch, dict):
        return batch
    return {k: v.to(device, non_blocking=True) if torch.is_tensor(v) else v for k, v in batch.items()}


def pins(pin_memory: bool | None, device: torch.device | str) -> bool:
    """Return whether batches go through page-locked memory, which only a GPU can use; by default they then do."""
    return torch.device(device).type == 'cuda' and pin_memory is not False


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """Return images of 8 or 16 bits as float32 in [0, 1]; float images keep their values."""
    if images.is_floating_point():
        return images.float()
    return images.to(torch.float32) / torch.iinfo(images.dtype).max
