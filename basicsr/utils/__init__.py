"""Helpers. BasicSR's names can be imported from here; each is loaded on first use."""

import importlib

_HOMES = {
    'bgr2ycbcr': 'color_util',
    'rgb2ycbcr': 'color_util',
    'rgb2ycbcr_pt': 'color_util',
    'ycbcr2bgr': 'color_util',
    'ycbcr2rgb': 'color_util',
    'FileClient': 'file_client',
    'crop_border': 'img_util',
    'imfrombytes': 'img_util',
    'img2tensor': 'img_util',
    'imwrite': 'img_util',
    'tensor2img': 'img_util',
    'AvgTimer': 'logger',
    'MessageLogger': 'logger',
    'get_env_info': 'logger',
    'get_root_logger': 'logger',
    'init_tb_logger': 'logger',
    'get_time_str': 'misc',
    'mkdir_and_rename': 'misc',
    'scandir': 'misc',
    'set_random_seed': 'misc',
    'sizeof_fmt': 'misc',
    'yaml_load': 'options',
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'basicsr.utils' has no attribute '{name}'")
    return getattr(importlib.import_module(f'basicsr.utils.{_HOMES[name]}'), name)
