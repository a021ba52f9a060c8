"""Datasets and how they are read. The import below is the inventory."""

import copy

import torch
from torch.utils.data import DataLoader, Dataset

from basicsr.data.degradation_dataset import DegradationDataset
from basicsr.data.feed import feed, pins
from basicsr.data.mixture import MixedDataset
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.single_image_dataset import SingleImageDataset
from basicsr.data.stream import RawSamples, build_stream, collate, init_worker
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.run_options import LoaderOptions
from basicsr.utils.schema import takes_opt

__all__ = [
    'DegradationDataset',
    'MixedDataset',
    'PairedImageDataset',
    'SingleImageDataset',
    'build_dataloader',
    'build_dataset',
    'build_stream',
    'build_val_loader',
    'feed',
]


def build_dataset(dataset_opt: dict) -> Dataset:
    """Build the dataset that `type` names, or the mixture `mix`, from its complete options with `phase` and `scale`."""
    if dataset_opt.get('mix'):
        entries = dataset_opt['mix']
        components = [build_dataset(entry) for entry in entries]
        dataset = MixedDataset(components, [e['weight'] for e in entries], [e['name'] for e in entries])
        dataset.opt = dataset_opt
        return dataset
    dataset_class = DATASET_REGISTRY.get(dataset_opt['type'])
    if takes_opt(dataset_class):
        dataset = dataset_class(copy.deepcopy(dataset_opt))
    else:
        common = {*LoaderOptions.model_fields, 'key', 'phase', 'scale'}
        dataset = dataset_class(**{k: v for k, v in dataset_opt.items() if k not in common})
        dataset.opt = dataset_opt
    get_root_logger().info(f'Dataset [{dataset_class.__name__}] - {dataset_opt["name"]} is built.')
    return dataset


def build_dataloader(
    dataset: Dataset, dataset_opt: dict, num_gpu: int = 1, dist: bool = False, sampler=None, seed: int | None = None
) -> DataLoader:
    """BasicSR's name: a loader over one pass of a dataset, for tools that bring a loop of their own.

    Training goes through `build_stream`. `num_gpu` and `dist` have no effect: every process has one GPU.
    """
    if dataset_opt['phase'] != 'train':
        return DataLoader(dataset, batch_size=1, shuffle=False)
    return DataLoader(
        dataset,
        batch_size=dataset_opt['batch_size_per_gpu'],
        shuffle=sampler is None,
        sampler=sampler,
        num_workers=dataset_opt['num_worker_per_gpu'],
        drop_last=True,
        pin_memory=pins(dataset_opt.get('pin_memory'), 'cuda' if torch.cuda.is_available() else 'cpu'),
        generator=None if seed is None else torch.Generator().manual_seed(seed),
    )


def build_val_loader(dataset: Dataset, rank: int = 0, world_size: int = 1) -> DataLoader:
    """Return a loader of a rank's share of the raw samples of a set, one by one, in order, for `feed`.

    `dataset.opt` says how many workers read. A sample that could not be read is a `UserError`. The loader's `sampler`
    tells the indices.
    """
    opt = getattr(dataset, 'opt', {})
    num_workers = opt.get('num_worker_per_gpu', 0)
    return DataLoader(
        RawSamples(dataset),
        batch_size=1,
        sampler=range(rank, len(dataset), world_size),
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=pins(opt.get('pin_memory'), 'cuda' if torch.cuda.is_available() else 'cpu'),
        worker_init_fn=init_worker,
        # As in the stream: starting the loader leaves the global generator alone.
        generator=torch.Generator(),
    )
