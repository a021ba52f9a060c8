"""Import paths and names that packages written for BasicSR use (counted in 29 public repositories)."""

import importlib

import pytest
import torch

PROMISED = {
    'basicsr.version': ['__version__'],
    'basicsr.train': ['train_pipeline'],
    'basicsr.test': ['test_pipeline'],
    'basicsr.archs': ['build_network'],
    'basicsr.archs.arch_util': ['default_init_weights', 'make_layer', 'pixel_unshuffle', 'to_2tuple', 'trunc_normal_'],
    'basicsr.archs.vgg_arch': ['VGGFeatureExtractor'],
    'basicsr.data': ['build_dataset', 'build_dataloader'],
    'basicsr.data.data_util': ['paired_paths_from_folder', 'paired_paths_from_lmdb', 'scandir'],
    'basicsr.data.paired_image_dataset': ['PairedImageDataset'],
    'basicsr.data.transforms': ['augment', 'paired_random_crop', 'mod_crop'],
    'basicsr.losses': ['build_loss'],
    'basicsr.losses.basic_loss': ['L1Loss', 'MSELoss', 'CharbonnierLoss', 'PerceptualLoss', 'WeightedTVLoss'],
    'basicsr.losses.losses': ['L1Loss', 'PerceptualLoss'],
    'basicsr.losses.loss_util': ['weighted_loss', 'weight_reduce_loss', 'reduce_loss'],
    'basicsr.metrics': ['calculate_metric', 'calculate_psnr', 'calculate_ssim'],
    'basicsr.metrics.metric_util': ['reorder_image', 'to_y_channel'],
    'basicsr.metrics.psnr_ssim': ['calculate_psnr', 'calculate_ssim'],
    'basicsr.models': ['build_model', 'lr_scheduler'],
    'basicsr.models.base_model': ['BaseModel'],
    'basicsr.models.image_restoration_model': ['ImageRestorationModel'],
    'basicsr.models.lr_scheduler': ['CosineAnnealingRestartLR', 'MultiStepRestartLR'],
    'basicsr.models.sr_model': ['SRModel'],
    'basicsr.utils': [
        'AvgTimer',
        'FileClient',
        'MessageLogger',
        'crop_border',
        'get_env_info',
        'get_root_logger',
        'get_time_str',
        'imfrombytes',
        'img2tensor',
        'imwrite',
        'init_tb_logger',
        'mkdir_and_rename',
        'scandir',
        'set_random_seed',
        'tensor2img',
    ],
    'basicsr.utils.dist_util': ['get_dist_info', 'init_dist', 'master_only'],
    'basicsr.utils.matlab_functions': ['bgr2ycbcr', 'rgb2ycbcr', 'ycbcr2bgr', 'ycbcr2rgb'],
    'basicsr.utils.options': ['copy_opt_file', 'dict2str', 'parse_options', 'yaml_load'],
    'basicsr.utils.registry': [
        'ARCH_REGISTRY',
        'DATASET_REGISTRY',
        'LOSS_REGISTRY',
        'METRIC_REGISTRY',
        'MODEL_REGISTRY',
    ],
}


@pytest.mark.parametrize('module', PROMISED)
def test_promised_names(module):
    imported = importlib.import_module(module)
    missing = [name for name in PROMISED[module] if not hasattr(imported, name)]
    assert not missing


MODEL_METHODS = [
    '_initialize_best_metric_results',
    '_log_validation_metric_values',
    '_update_best_metric_result',
    'dist_validation',
    'feed_data',
    'get_bare_model',
    'get_current_learning_rate',
    'get_current_log',
    'get_current_visuals',
    'get_optimizer',
    'init_training_settings',
    'load_network',
    'model_ema',
    'model_to_device',
    'nondist_validation',
    'optimize_parameters',
    'print_network',
    'reduce_loss_dict',
    'resume_training',
    'save',
    'save_network',
    'save_training_state',
    'setup_optimizers',
    'setup_schedulers',
    'test',
    'update_learning_rate',
    'validation',
]


@pytest.mark.parametrize('name', ['ImageRestorationModel', 'SRModel'])
def test_methods_that_subclasses_override(name):
    from basicsr import models

    missing = [method for method in MODEL_METHODS if not callable(getattr(getattr(models, name), method, None))]
    assert not missing


def test_a_client_that_registers_our_name_wins():
    from basicsr.utils.registry import ARCH_REGISTRY

    class NAFNetLocal(torch.nn.Module):
        """A client's own network of the same name."""

    ours = ARCH_REGISTRY.get('NAFNetLocal') if 'NAFNetLocal' in ARCH_REGISTRY else None
    ARCH_REGISTRY.register(NAFNetLocal)
    try:
        importlib.import_module('basicsr.archs.nafnet_arch')
        assert ARCH_REGISTRY.get('NAFNetLocal') is NAFNetLocal
    finally:
        from basicsr.archs import nafnet_arch

        ARCH_REGISTRY._obj_map['NAFNetLocal'] = ours or nafnet_arch.NAFNetLocal


def test_loader_of_basicsr_reads_batches(tiny_root):
    """`build_dataloader` as plug-ins call it."""
    from basicsr.data import build_dataloader, build_dataset

    opt = {
        'name': 'x',
        'type': 'PairedImageDataset',
        'dataroot_gt': str(tiny_root / 'data/train/gt'),
        'dataroot_lq': str(tiny_root / 'data/train/lq'),
        'io_backend': {'type': 'disk'},
        'gt_size': 16,
        'use_hflip': True,
        'use_rot': False,
        'phase': 'train',
        'scale': 1,
        'batch_size_per_gpu': 2,
        'num_worker_per_gpu': 0,
    }
    dataset = build_dataset(opt)
    batches = list(build_dataloader(dataset, opt, num_gpu=0, dist=False, sampler=None, seed=0))
    assert len(batches) == 2, 'five pairs, the incomplete batch dropped'
    assert batches[0]['lq'].shape == (2, 3, 16, 16)
