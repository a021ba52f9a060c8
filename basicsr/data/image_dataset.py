"""What the datasets of images share: how pictures are read, cut, augmented, and turned into what a network takes."""

import logging
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch.utils.data import Dataset, default_collate, get_worker_info

from basicsr.data.augmentation import AugmentOptions, draw_for_later, draw_pair
from basicsr.data.data_util import as_roots
from basicsr.data.feed import to_unit
from basicsr.data.image_source import ImageSource, build_source
from basicsr.data.mixup import apply_mixup
from basicsr.data.pair_sizes import describe, fits
from basicsr.data.photometric import apply_photometric
from basicsr.data.pixel_cache import Cache, CacheOptions
from basicsr.utils.color_util import bgr2ycbcr
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.file_client import FileClient
from basicsr.utils.img_util import img2tensor, to_float
from basicsr.utils.schema import Bool, Float, Int, RootPath, Section


class IoBackendOptions(Section):
    """Where the images are read from."""

    type: Literal['disk', 'lmdb'] = Field('disk', description='`disk`: folders; `lmdb`: LMDBs as BasicSR writes them')
    readonly: Bool = Field(True, description='argument of `lmdb.open`')
    lock: Bool = Field(False, description='argument of `lmdb.open`')
    readahead: Bool = Field(False, description='argument of `lmdb.open`')


class ImageOptions(Section):
    """Keys of every dataset of images."""

    io_backend: IoBackendOptions = Field(IoBackendOptions(), description='`{type: disk}` or `{type: lmdb}`')
    meta_info_file: RootPath | None = Field(
        None, description='file whose lines start with the names of the images to use; by default all'
    )
    color: Literal['y'] | None = Field(None, description='`y`: one channel, Y of YCbCr (BT.601, studio swing)')
    mean: list[Float] | None = Field(None, description='subtracted from each channel of input and target')
    std: list[Float] | None = Field(None, description='divides each channel of input and target, after `mean`')
    cache: Cache = Field(
        CacheOptions(),
        description='decoded pixels of images from disk: `{type: auto|disk|ram|none, dir: ..., max_gb: ...}`; `auto` is'
        ' for training, and `none` elsewhere',
    )

    @field_validator('mean', 'std')
    @classmethod
    def _one_value_per_channel(cls, values: list[float] | None, info: ValidationInfo) -> list[float] | None:
        num_channels = 1 if info.data.get('color') == 'y' else 3
        if values is not None and len(values) != num_channels:
            raise ValueError(f'expected {num_channels} values, one per channel, got {len(values)}')
        if info.field_name == 'std' and (values is None) != (info.data.get('mean') is None):
            raise ValueError('`mean` and `std` go together: give both or neither')
        return values


class CropOptions(AugmentOptions, ImageOptions):
    """Keys of every dataset that trains on crops of images."""

    exclude: RootPath | None = Field(
        None, description='file that names targets to leave out, one per line, as `tools/audit_data.py` writes it'
    )
    gt_size: Int | None = Field(None, gt=0, description='training: side of the crops of the target, in pixels')
    pad: Bool = Field(True, description='training: mirror images smaller than the crop; false: they are errors')

    @model_validator(mode='after')
    def _colours_are_there(self):
        if self.color == 'y' and (self.photometric is not None or self.channel_shuffle):
            raise ValueError('`photometric` and `channel_shuffle` change colours, of which `color: y` leaves none')
        return self


class ImageDataset(Dataset):
    """Base of the datasets of images: a raw sample is read in a worker, and finished on the device, by the batch.

    Args:
        opt: what `Options` of the subclass holds, and `phase` (train, val, test) and `scale`; other keys belong to the
            loader.
    """

    Options = ImageOptions

    def __init__(self, opt: dict) -> None:
        self.own = self.Options(**{key: opt[key] for key in self.Options.model_fields if key in opt})
        self.opt = opt
        self.phase, self.scale = opt['phase'], opt.get('scale', 1)
        self.section = f'datasets.{opt.get("key", self.phase)}'
        if self.phase not in ('train', 'val', 'test'):
            raise OptionError(f"phase: {self.phase!r} is not one of 'train', 'val', 'test'")
        self.color = self.own.color
        self.paths: list = []
        self.source: ImageSource

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        """Return a finished sample: float32 tensors (C, H, W)."""
        return {key: value[0] for key, value in self.finish(default_collate([self.read(index)])).items()}

    def read_from(self, files: Sequence[str], lmdb: FileClient | None) -> None:
        """Open the images from now on: files, or the keys of LMDBs."""
        self._files, self._lmdb = files, lmdb
        self.source = ImageSource(lmdb, region=self.phase == 'train')

    def prepare(self) -> None:
        """Build the pixel cache, as far as the option `cache` asks for it; until then, images are decoded.

        Raises:
            DataError: images of a training set cannot be read; names them.
        """
        options = self.own.cache
        if self.phase == 'train' or options.type != 'auto':
            self.source = build_source(self._lmdb, options, self._files, self.section, self.phase == 'train')

    def read(self, index: int) -> dict:
        """Return a raw sample: images as tensors (3, H, W), RGB, with the bits of their files, and what was drawn.

        With `color: y`, float32 (1, H, W).
        """
        raise NotImplementedError

    def finish(self, batch: dict) -> dict:
        """Turn a batch of raw samples, on any device, into what a network takes: float32, normalized."""
        return self.normalize({key: to_unit(value) if key in ('lq', 'gt') else value for key, value in batch.items()})

    def normalize(self, batch: dict) -> dict:
        """Subtract `mean` from the images and divide them by `std`."""
        if self.own.mean is None:
            return batch
        for key in {'lq', 'gt'} & batch.keys():
            mean, std = (batch[key].new_tensor(values).view(-1, 1, 1) for values in (self.own.mean, self.own.std))
            batch[key] = (batch[key] - mean) / std
        return batch

    def to_tensor(self, img: np.ndarray) -> torch.Tensor:
        """(H, W, 3) BGR -> (3, H, W) RGB with the same bits; with `color: y`, float32 (1, H, W)."""
        if self.color == 'y':
            return img2tensor(bgr2ycbcr(to_float(img), y_only=True)[..., None])
        return img2tensor(img, float32=False)


class CropDataset(ImageDataset):
    """Base of the datasets whose training samples are crops of an input and its target."""

    Options = CropOptions

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        own = self.own
        self.gt_size = own.gt_size
        self._has_noted_padding = False
        if self.phase == 'train' and (not own.gt_size or own.gt_size % self.scale):
            raise OptionError(
                f'{self.section}.gt_size: expected a multiple of the scale, {self.scale}, got {own.gt_size}'
            )
        # Validation cuts off what exceeds a multiple of the scale; GT is then larger by less than the scale.
        self.tolerance = 1 if self.phase == 'train' else self.scale

    def sample(self, lq: np.ndarray, gt: np.ndarray, gt_path: str) -> dict:
        """Return the images of a raw sample: augmented crops in training, else whole images.

        In training with what was drawn for the batch (`photometric`, `mixup`), and all of it in words (`draws`).

        Args:
            lq: (H, W, 3) BGR; `shape` and one slice of rows and columns are asked for; `gt` alike.
        """
        if self.phase != 'train':
            gt = gt[: lq.shape[0] * self.scale, : lq.shape[1] * self.scale]
            return {'lq': self.to_tensor(lq[:, :]), 'gt': self.to_tensor(gt)}
        lq, gt = self._pad(lq, gt, gt_path)
        lq, gt, words = draw_pair(lq, gt, self.own, self.gt_size, self.scale, gt_path)
        later, words_of_later = draw_for_later(self.own)
        draws = ', '.join(words + words_of_later)
        return {'lq': self.to_tensor(lq), 'gt': self.to_tensor(gt), **later, 'draws': draws}

    def finish(self, batch: dict) -> dict:
        """Turn a batch of raw samples, on any device, into what a network takes: float32, jittered, normalized."""
        images = {key: to_unit(batch[key]) for key in ('lq', 'gt')}
        if self.phase == 'train' and self.own.photometric is not None:
            for key in ('lq', 'gt') if self.own.photometric.target == 'both' else ('lq',):
                is_linear = batch[key].is_floating_point()
                images[key] = apply_photometric(images[key], batch['photometric'], is_linear)
        if self.phase == 'train' and self.own.mixup is not None:
            images['lq'], images['gt'] = apply_mixup(images['lq'], images['gt'], batch['mixup'])
        paths = {key: batch[key] for key in ('lq_path', 'gt_path') if key in batch}
        return self.normalize({**images, **paths})

    def check_sizes(self, lq: np.ndarray, gt: np.ndarray, lq_path: str, gt_path: str) -> None:
        """Raise unless the images fit: only a sample of a large set is looked at beforehand, and no LMDB."""
        size, size_gt = lq.shape[1::-1], gt.shape[1::-1]
        if not fits(size, size_gt, self.scale, self.tolerance):
            raise DataError(
                f'the images do not fit together at scale {self.scale}:'
                + describe(size, size_gt, lq_path, gt_path, self.scale)
            )

    def _pad(self, lq: np.ndarray, gt: np.ndarray, gt_path: str) -> tuple[np.ndarray, np.ndarray]:
        """Mirror both images at the bottom and right up to the size of the crop."""
        missing = [max(0, self.gt_size // self.scale - side) for side in lq.shape[:2]]
        if not any(missing) or not self.own.pad:
            return lq, gt

        # Each worker has a copy of the dataset; one of them is enough to say it.
        worker = get_worker_info()
        if not self._has_noted_padding and (worker is None or worker.id == 0):
            self._has_noted_padding = True
            logging.getLogger('basicsr').warning(
                f'{gt_path}: {gt.shape[1]} x {gt.shape[0]} pixels, smaller than gt_size {self.gt_size}; '
                'mirrored to that size, as all such images are'
            )
        return _mirror(lq[:, :], missing), _mirror(gt[:, :], [pixels * self.scale for pixels in missing])


def lmdb_client(own: ImageOptions, roots: dict[str, str | list[str]]) -> FileClient | None:
    """Return the client of the LMDBs that `roots` names by their keys; None for folders."""
    if own.io_backend.type == 'disk':
        return None
    flags = own.io_backend.model_dump(exclude={'type'})
    return FileClient('lmdb', db_paths=[as_roots(root)[0] for root in roots.values()], client_keys=list(roots), **flags)


def _mirror(img: np.ndarray, missing: list[int]) -> np.ndarray:
    return np.pad(img, ((0, missing[0]), (0, missing[1]), (0, 0)), mode='symmetric')
