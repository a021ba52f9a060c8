"""Datasets and how they are read. The import below is the inventory."""

import copy

from torch.utils.data import DataLoader, Dataset

from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.stream import build_stream, collate
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.run_options import LoaderOptions
from basicsr.utils.schema import takes_opt

__all__ = ['PairedImageDataset', 'build_dataset', 'build_stream', 'build_val_loader']


def build_dataset(dataset_opt: dict) -> Dataset:
    """Build the dataset that `type` names, from its complete options with `phase` and `scale`."""
    dataset_class = DATASET_REGISTRY.get(dataset_opt['type'])
    if takes_opt(dataset_class):
        dataset = dataset_class(copy.deepcopy(dataset_opt))
    else:
        common = {*LoaderOptions.model_fields, 'phase', 'scale'}
        dataset = dataset_class(**{k: v for k, v in dataset_opt.items() if k not in common})
        dataset.opt = dataset_opt
    get_root_logger().info(f'Dataset [{dataset_class.__name__}] - {dataset_opt["name"]} is built.')
    return dataset


def build_val_loader(dataset: Dataset) -> DataLoader:
    """Return a loader that gives the images of a set one by one, in order."""
    return DataLoader(dataset, batch_size=1, shuffle=False, collate_fn=collate)
