"""Pairs of images: an input (LQ) and its target (GT)."""

import logging
from typing import Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch.utils.data import Dataset, get_worker_info

from basicsr.data.data_util import (
    paired_paths_from_folder,
    paired_paths_from_lmdb,
    paired_paths_from_meta_info_file,
)
from basicsr.data.pair_sizes import check_pair_sizes, describe, fits
from basicsr.data.transforms import augment, paired_random_crop
from basicsr.utils.color_util import bgr2ycbcr
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.file_client import FileClient
from basicsr.utils.img_util import img2tensor, read_image, to_float
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.schema import Bool, Float, Int, RootPath, Section, Str


class IoBackendOptions(Section):
    """Where the images are read from."""

    type: Literal['disk', 'lmdb'] = Field('disk', description='`disk`: folders; `lmdb`: LMDBs as BasicSR writes them')
    readonly: Bool = Field(True, description='argument of `lmdb.open`')
    lock: Bool = Field(False, description='argument of `lmdb.open`')
    readahead: Bool = Field(False, description='argument of `lmdb.open`')


@DATASET_REGISTRY.register()
class PairedImageDataset(Dataset):
    """Image pairs from two folders, two LMDBs, or a list of names.

    Items are `{'lq', 'gt', 'lq_path', 'gt_path'}`: float32 tensors (C, H, W), RGB in [0, 1], or Y of YCbCr with
    `color: y`. In training they are random crops, flipped and transposed at random. Images have 8 or 16 bits.

    Args:
        opt: what `Options` holds, and `phase` (train, val, test) and `scale`; other keys belong to the loader.
    """

    class Options(Section):
        """Keys of `datasets.*` with `type: PairedImageDataset`."""

        dataroot_gt: RootPath = Field(..., description='folder of the targets, or an LMDB')
        dataroot_lq: RootPath = Field(..., description='folder of the inputs, or an LMDB; pairs have equal names')
        io_backend: IoBackendOptions = Field(IoBackendOptions(), description='`{type: disk}` or `{type: lmdb}`')
        meta_info_file: RootPath | None = Field(
            None,
            description='file whose lines start with the names of the targets to use; by default all',
        )
        filename_tmpl: Str = Field('{}', description='name of the input, given that of the target, both without ending')
        gt_size: Int | None = Field(None, gt=0, description='training: side of the crops of the target, in pixels')
        use_hflip: Bool = Field(True, description='training: flip left to right at random')
        use_rot: Bool = Field(True, description='training: flip top to bottom and swap the axes at random')
        color: Literal['y'] | None = Field(None, description='`y`: one channel, Y of YCbCr (BT.601, studio swing)')
        mean: list[Float] | None = Field(None, description='subtracted from each channel of input and target')
        std: list[Float] | None = Field(None, description='divides each channel of input and target, after `mean`')
        pad: Bool = Field(True, description='training: mirror images smaller than the crop; false: they are errors')

        @field_validator('filename_tmpl')
        @classmethod
        def _has_a_place_for_the_name(cls, template: str) -> str:
            try:
                has_place = template.format('a') != template.format('b')
            except (IndexError, KeyError, ValueError):
                has_place = False
            if not has_place:
                raise ValueError(f"needs one {{}} where the target's name goes, got {template!r}")
            return template

        @field_validator('mean', 'std')
        @classmethod
        def _one_value_per_channel(cls, values: list[float] | None, info: ValidationInfo) -> list[float] | None:
            num_channels = 1 if info.data.get('color') == 'y' else 3
            if values is not None and len(values) != num_channels:
                raise ValueError(f'expected {num_channels} values, one per channel, got {len(values)}')
            if info.field_name == 'std' and (values is None) != (info.data.get('mean') is None):
                raise ValueError('`mean` and `std` go together: give both or neither')
            return values

    def __init__(self, opt: dict) -> None:
        own = self.Options(**{key: opt[key] for key in self.Options.model_fields if key in opt})
        self.opt = opt
        self.phase, self.scale = opt['phase'], opt.get('scale', 1)
        if self.phase not in ('train', 'val', 'test'):
            raise OptionError(f"phase: {self.phase!r} is not one of 'train', 'val', 'test'")
        self.gt_size, self.pad = own.gt_size, own.pad
        self.use_hflip, self.use_rot = own.use_hflip, own.use_rot
        self.color, self.mean, self.std = own.color, own.mean, own.std
        self._has_noted_padding = False
        # Validation cuts off what exceeds a multiple of the scale; GT is then larger by less than the scale.
        self._tolerance = 1 if self.phase == 'train' else self.scale

        section = f'datasets.{opt.get("key", self.phase)}'
        if self.phase == 'train' and (not own.gt_size or own.gt_size % self.scale):
            raise OptionError(f'{section}.gt_size: expected a multiple of the scale, {self.scale}, got {own.gt_size}')
        self.paths = _find_pairs(own, section)
        self.file_client = _file_client(own)
        if own.io_backend.type == 'disk':
            check_pair_sizes(self.paths, self.scale, self._tolerance, section)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        lq_path, gt_path = self.paths[index]['lq_path'], self.paths[index]['gt_path']
        lq = read_image(self.file_client.get(lq_path, 'lq'), name=lq_path)
        gt = read_image(self.file_client.get(gt_path, 'gt'), name=gt_path)

        # Integers until after the crop: converting whole photographs to float takes longer than decoding them.
        self._check_sizes(lq, gt, lq_path, gt_path)
        if self.phase == 'train':
            lq, gt = self._pad(lq, gt, gt_path)
            gt, lq = paired_random_crop(gt, lq, self.gt_size, self.scale, gt_path)
            gt, lq = augment([gt, lq], self.use_hflip, self.use_rot)
        else:
            gt = gt[: lq.shape[0] * self.scale, : lq.shape[1] * self.scale]
        return {'lq': self._to_tensor(lq), 'gt': self._to_tensor(gt), 'lq_path': lq_path, 'gt_path': gt_path}

    def _check_sizes(self, lq: np.ndarray, gt: np.ndarray, lq_path: str, gt_path: str) -> None:
        """Raise unless the images fit: only a sample of a large set is looked at beforehand, and no LMDB."""
        size, size_gt = lq.shape[1::-1], gt.shape[1::-1]
        if not fits(size, size_gt, self.scale, self._tolerance):
            raise DataError(
                f'the images do not fit together at scale {self.scale}:'
                + describe(size, size_gt, lq_path, gt_path, self.scale)
            )

    def _pad(self, lq: np.ndarray, gt: np.ndarray, gt_path: str) -> tuple[np.ndarray, np.ndarray]:
        """Mirror both images at the bottom and right up to the size of the crop."""
        missing = [max(0, self.gt_size // self.scale - side) for side in lq.shape[:2]]
        if not any(missing) or not self.pad:
            return lq, gt

        # Each worker has a copy of the dataset; one of them is enough to say it.
        worker = get_worker_info()
        if not self._has_noted_padding and (worker is None or worker.id == 0):
            self._has_noted_padding = True
            logging.getLogger('basicsr').warning(
                f'{gt_path}: {gt.shape[1]} x {gt.shape[0]} pixels, smaller than gt_size {self.gt_size}; '
                'mirrored to that size, as all such images are'
            )
        return _mirror(lq, missing), _mirror(gt, [pixels * self.scale for pixels in missing])

    def _to_tensor(self, img: np.ndarray) -> torch.Tensor:
        img = to_float(img)
        if self.color == 'y':
            img = bgr2ycbcr(img, y_only=True)[..., None]
        tensor = img2tensor(img)
        if self.mean is not None:
            tensor = (tensor - torch.tensor(self.mean).view(-1, 1, 1)) / torch.tensor(self.std).view(-1, 1, 1)
        return tensor


def _find_pairs(own: PairedImageDataset.Options, section: str) -> list[dict[str, str]]:
    folders, keys = (own.dataroot_lq, own.dataroot_gt), ('lq', 'gt')
    if own.io_backend.type == 'lmdb':
        return paired_paths_from_lmdb(folders, keys, section)
    if own.meta_info_file is not None:
        return paired_paths_from_meta_info_file(folders, keys, own.meta_info_file, own.filename_tmpl, section)
    return paired_paths_from_folder(folders, keys, own.filename_tmpl, section)


def _file_client(own: PairedImageDataset.Options) -> FileClient:
    if own.io_backend.type == 'disk':
        return FileClient('disk')
    flags = own.io_backend.model_dump(exclude={'type'})
    return FileClient('lmdb', db_paths=[own.dataroot_lq, own.dataroot_gt], client_keys=['lq', 'gt'], **flags)


def _mirror(img: np.ndarray, missing: list[int]) -> np.ndarray:
    return np.pad(img, ((0, missing[0]), (0, missing[1]), (0, 0)), mode='symmetric')
