"""Targets alone: the input is made of the target while it is read."""

import numpy as np
from pydantic import Field, model_validator

from basicsr.data.augmentation import draw_for_later, draw_pair
from basicsr.data.degradations import build_degradations, seeded_draws
from basicsr.data.exclude import leave_out
from basicsr.data.image_dataset import CropDataset, CropOptions, lmdb_client
from basicsr.data.image_paths import check_roots, find_images
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import to_float
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.schema import RootPath


@DATASET_REGISTRY.register()
class DegradationDataset(CropDataset):
    """Targets from folders, an LMDB, or a list of names, and inputs made of them by a list of degradations.

    Items are those of `PairedImageDataset`; `lq_path` is `gt_path`. In training the crop of the target is degraded,
    after flips and before what is applied to the whole batch. Elsewhere the whole target is, and its draws depend on
    its index alone: every validation sees the same inputs. An input has the bits of its target.

    Args:
        opt: what `Options` holds, and `phase` (train, val, test) and `scale`; other keys belong to the loader.
    """

    class Options(CropOptions):
        """Keys of `datasets.*` with `type: DegradationDataset`."""

        dataroot_gt: RootPath | list[RootPath] = Field(..., description='folder of the targets, several, or an LMDB')
        degradations: list[dict] = Field(
            ..., description='what makes the input, in this order: `[{type: ..., name: ..., prob: ..., ...}, ...]`'
        )

        @model_validator(mode='after')
        def _roots_make_sense(self):
            check_roots(self.dataroot_gt, self, 'dataroot_gt')
            return self

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        self.degradations = build_degradations(self.own.degradations, self.scale, f'{self.section}.degradations')
        files = find_images(self.own.dataroot_gt, self.own, f'{self.section}.dataroot_gt')
        pairs = [{'lq_path': path, 'gt_path': path} for path in files]
        self.paths = leave_out(pairs, self.own.exclude, self.section)
        lmdb = lmdb_client(self.own, {'gt': self.own.dataroot_gt})
        self.read_from([pair['gt_path'] for pair in self.paths], lmdb)

    def read(self, index: int) -> dict:
        path = self.paths[index]['gt_path']
        gt = self.source.open(path, 'gt')
        if gt.dtype not in (np.uint8, np.uint16):
            raise DataError(f'{path}: degradations start from sRGB of 8 or 16 bits, this file has {gt.dtype} samples')
        paths = {'lq_path': path, 'gt_path': path}
        return {**(self._crop(gt, path) if self.phase == 'train' else self._whole(gt, index)), **paths}

    def _crop(self, gt: np.ndarray, path: str) -> dict:
        """Return a raw training sample."""
        # The steps of a pair want an input; this one takes no memory, and what is cut out of it is not looked at.
        height, width = gt.shape[:2]
        _, gt = self._pad(_blank(height // self.scale, width // self.scale), gt, path)
        _, gt, words = draw_pair(_blank(*gt.shape[:2]), gt, self.own, self.gt_size, 1, path)

        lq, words_of_degradations = self._degraded(gt)
        later, words_of_later = draw_for_later(self.own)
        draws = ', '.join(words + words_of_degradations + words_of_later)
        return {'lq': self.to_tensor(lq), 'gt': self.to_tensor(gt), **later, 'draws': draws}

    def _whole(self, gt: np.ndarray, index: int) -> dict:
        """Return a raw sample of validation: the target up to a multiple of the scale."""
        height, width = (side - side % self.scale for side in gt.shape[:2])
        gt = gt[:height, :width]
        with seeded_draws(index):
            lq, _ = self._degraded(gt)
        return {'lq': self.to_tensor(lq), 'gt': self.to_tensor(gt)}

    def _degraded(self, gt: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return the input in the type of the target, as if it came from a file, and what was drawn."""
        lq, words = self.degradations(to_float(gt))
        return np.rint(lq * np.iinfo(gt.dtype).max).astype(gt.dtype), words


def _blank(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.uint8(0), (height, width, 3))
