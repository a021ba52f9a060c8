"""The samples that a preview shows: read, batched and finished as a training run does."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from basicsr.color import linear_to_srgb
from basicsr.data import build_dataset
from basicsr.data.stream import Stream, collate
from basicsr.utils.errors import UserError


@dataclass(frozen=True)
class Pair:
    """One sample: its position in the run, its name, what was drawn, and pictures (H, W, 3) uint8 sRGB."""

    k: int
    name: str
    draws: str
    before: np.ndarray
    after: np.ndarray


def collect(dataset_opt: dict, seed: int, start: int, num: int) -> list[Pair]:
    """Return samples `start` to `start + num - 1` of a run on one GPU.

    Whole batches are read, for mixup mixes within a batch.

    Raises:
        UserError: the data cannot be read, or the set has no pairs.
    """
    # It is not prepared: a pixel cache would decode every picture first, and gives the same pixels.
    dataset = build_dataset(dataset_opt)
    stream, batch_size = Stream(dataset, seed), dataset_opt['batch_size_per_gpu']
    pairs: list[Pair] = []
    for first in range(start // batch_size * batch_size, start + num, batch_size):
        raw = collate([stream[k] for k in range(first, first + batch_size)])
        if isinstance(raw, UserError):
            raise raw
        pairs += _pairs(raw, stream.finish_raw(raw), stream, first)
    return [pair for pair in pairs if start <= pair.k < start + num]


def _pairs(raw: dict, batch: dict, stream: Stream, first: int) -> Iterator[Pair]:
    dataset = stream.samples.dataset
    if not isinstance(batch, dict) or not {'lq', 'gt'} <= batch.keys():
        raise UserError(f'{type(dataset).__name__}: its samples hold no `lq` and `gt` to look at')
    # All components of a mixture are finished alike.
    own = getattr(getattr(dataset, 'datasets', [dataset])[0], 'own', None)
    before, after = (_pictures(batch[key], raw.get(key), own) for key in ('lq', 'gt'))

    count = len(before)
    paths, draws = batch.get('lq_path', [''] * count), raw.get('draws', [''] * count)
    for i in range(count):
        k = first + i
        yield Pair(k, _component(stream, k) + Path(paths[i]).name, draws[i], before[i], after[i])


def _component(stream: Stream, k: int) -> str:
    """Name the set of a mixture that a sample comes from."""
    dataset = stream.samples.dataset
    if not hasattr(dataset, 'locate'):
        return ''
    component, _ = dataset.locate(stream.index_at(stream.seed, k))
    return f'{dataset.names[component]}: '


def _pictures(images: torch.Tensor, raw: torch.Tensor | None, own: Any) -> np.ndarray:
    """(N, C, H, W) as a network takes them -> (N, H, W, 3) uint8 sRGB."""
    if getattr(own, 'mean', None) is not None:
        mean, std = (images.new_tensor(values).view(-1, 1, 1) for values in (own.mean, own.std))
        images = images * std + mean
    is_linear = raw is not None and raw.is_floating_point() and getattr(own, 'color', None) != 'y'
    images = linear_to_srgb(images) if is_linear and own is not None else images
    images = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
