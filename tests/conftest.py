"""Shared by all tests: one thread, and a tiny run."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from basicsr.utils.misc import seed_all

# Two threads that share a busy core wait for each other far longer than one thread computes.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same numbers, whichever tests ran before it."""
    seed_all(0)


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (40, 48), seed: int = 0) -> None:
    """Write smooth random targets to `folder/gt` and darker, flatter inputs to `folder/lq`."""
    import cv2

    rng = np.random.default_rng(seed)
    for kind in ('gt', 'lq'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        gt = cv2.resize(rng.uniform(0, 255, (5, 6, 3)), size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 255)
        lq = 20 + 0.5 * gt
        cv2.imwrite(str(folder / 'gt' / f'{i:02d}.png'), gt.round().astype(np.uint8))
        cv2.imwrite(str(folder / 'lq' / f'{i:02d}.png'), lq.round().astype(np.uint8))


def tiny_options() -> dict:
    """Return options of a run that takes a second: paths relative to the folder that `tiny_root` fills."""
    return {
        'name': 'tiny',
        'model_type': 'ImageRestorationModel',
        'num_gpu': 0,
        'manual_seed': 3,
        'network_g': {
            'type': 'NAFNet',
            'width': 4,
            'middle_blk_num': 1,
            'enc_blk_nums': [1],
            'dec_blk_nums': [1],
        },
        'datasets': {
            'train': {
                'type': 'PairedImageDataset',
                'dataroot_gt': 'data/train/gt',
                'dataroot_lq': 'data/train/lq',
                'gt_size': 24,
                'batch_size_per_gpu': 2,
            },
            'val': {'type': 'PairedImageDataset', 'dataroot_gt': 'data/val/gt', 'dataroot_lq': 'data/val/lq'},
        },
        'train': {
            'total_iter': 12,
            'optim_g': {'type': 'AdamW', 'lr': 2e-3, 'betas': [0.9, 0.9]},
            'scheduler': {'type': 'TrueCosineAnnealingLR', 'T_max': 12},
            'losses': [{'type': 'L1Loss', 'name': 'pixel'}, {'type': 'SSIMLoss', 'name': 'ssim', 'loss_weight': 0.1}],
        },
        'val': {'val_freq': 6, 'metrics': {'psnr': {'type': 'calculate_psnr'}, 'ssim': {'type': 'calculate_ssim'}}},
        'logger': {'print_freq': 4, 'save_checkpoint_freq': 6},
    }


@pytest.fixture
def tiny_root(tmp_path: Path) -> Path:
    """A project folder with five training and two validation pairs."""
    write_pairs(tmp_path / 'data' / 'train', 5)
    write_pairs(tmp_path / 'data' / 'val', 2, seed=1)
    return tmp_path


@pytest.fixture
def train(tiny_root: Path):
    """Train in `tiny_root`; returns the model. Arguments: options, further command-line arguments."""
    from basicsr.train import train_pipeline
    from basicsr.utils.logger import close_root_logger

    def run(options: dict, *arguments: str):
        file = tiny_root / f'{options.get("name", "run")}.yml'
        file.write_text(yaml.safe_dump(options, sort_keys=False), encoding='utf-8')
        try:
            return train_pipeline(str(tiny_root), ['-opt', str(file), *arguments])
        finally:
            close_root_logger()

    return run


@pytest.fixture
def package_log(caplog):
    """The log of the package, which keeps its lines to itself once it is set up, reaches `caplog`."""
    from basicsr.utils.logger import close_root_logger, get_root_logger

    logger = get_root_logger()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    close_root_logger()
