"""Pairs of images: an input (LQ) and its target (GT)."""

import os

from pydantic import Field, field_validator, model_validator

from basicsr.data.data_util import (
    as_roots,
    paired_paths_from_folder,
    paired_paths_from_lmdb,
    paired_paths_from_meta_info_file,
)
from basicsr.data.exclude import leave_out, read_exclude
from basicsr.data.image_dataset import CropDataset, CropOptions, lmdb_client
from basicsr.data.pair_sizes import check_pair_sizes
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.schema import RootPath, Str


@DATASET_REGISTRY.register()
class PairedImageDataset(CropDataset):
    """Image pairs from folders, two LMDBs, or a list of names.

    Items are `{'lq', 'gt', 'lq_path', 'gt_path'}`: float32 tensors (C, H, W), RGB in [0, 1], or Y of YCbCr with
    `color: y`. In training they are random crops, augmented at random.

    Args:
        opt: what `Options` holds, and `phase` (train, val, test) and `scale`; other keys belong to the loader.
    """

    class Options(CropOptions):
        """Keys of `datasets.*` with `type: PairedImageDataset`."""

        dataroot_gt: RootPath | list[RootPath] = Field(..., description='folder of the targets, several, or an LMDB')
        dataroot_lq: RootPath | list[RootPath] = Field(
            ..., description='folder of the inputs, as many, or an LMDB; pairs have equal names'
        )
        filename_tmpl: Str = Field('{}', description='name of the input, given that of the target, both without ending')

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

        @model_validator(mode='after')
        def _folders_go_together(self):
            num_gt, num_lq = (len(as_roots(roots)) for roots in (self.dataroot_gt, self.dataroot_lq))
            if num_gt != num_lq or not num_gt:
                raise ValueError(f'{num_gt} folders in `dataroot_gt`, {num_lq} in `dataroot_lq`: give as many of both')
            if num_gt > 1 and (self.io_backend.type == 'lmdb' or self.meta_info_file):
                raise ValueError('several folders are read whole, from disk; for lists and LMDBs, use `mix`')
            return self

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        self.paths = _find_pairs(self.own, self.section)
        files = [pair[key] for pair in self.paths for key in ('lq_path', 'gt_path')]
        lmdb = lmdb_client(self.own, {'lq': self.own.dataroot_lq, 'gt': self.own.dataroot_gt})
        self.read_from(files, lmdb)
        if lmdb is None:
            check_pair_sizes(self.paths, self.scale, self.tolerance, self.section)

    def read(self, index: int) -> dict:
        lq_path, gt_path = self.paths[index]['lq_path'], self.paths[index]['gt_path']
        lq, gt = self.source.open(lq_path, 'lq'), self.source.open(gt_path, 'gt')
        self.check_sizes(lq, gt, lq_path, gt_path)
        return {**self.sample(lq, gt, gt_path), 'lq_path': lq_path, 'gt_path': gt_path}


def _find_pairs(own: PairedImageDataset.Options, section: str) -> list[dict[str, str]]:
    if own.io_backend.type == 'lmdb':
        roots = as_roots(own.dataroot_lq)[0], as_roots(own.dataroot_gt)[0]
        pairs = paired_paths_from_lmdb(roots, section=section)
        return leave_out(pairs, own.exclude, section)
    keys, pairs = ('lq', 'gt'), []
    excluded = {os.path.basename(name) for name in read_exclude(own.exclude)} if own.exclude else ()
    for folders in zip(as_roots(own.dataroot_lq), as_roots(own.dataroot_gt)):
        if own.meta_info_file is None:
            pairs += paired_paths_from_folder(folders, keys, own.filename_tmpl, section, excluded)
        else:
            pairs += paired_paths_from_meta_info_file(folders, keys, own.meta_info_file, own.filename_tmpl, section)
    return leave_out(pairs, own.exclude, section)
