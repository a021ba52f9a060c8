"""Inputs without targets, for `test.py`."""

from pydantic import Field, model_validator

from basicsr.data.image_dataset import ImageDataset, ImageOptions, lmdb_client
from basicsr.data.image_paths import check_roots, find_images
from basicsr.utils.errors import OptionError
from basicsr.utils.registry import DATASET_REGISTRY
from basicsr.utils.schema import RootPath


@DATASET_REGISTRY.register()
class SingleImageDataset(ImageDataset):
    """Images from folders, an LMDB, or a list of names, whole.

    Items are `{'lq', 'lq_path'}`: float32 (C, H, W), RGB in [0, 1], or Y of YCbCr with `color: y`.

    Args:
        opt: what `Options` holds, and `phase` (val, test) and `scale`; other keys belong to the loader.
    """

    class Options(ImageOptions):
        """Keys of `datasets.*` with `type: SingleImageDataset`."""

        dataroot_lq: RootPath | list[RootPath] = Field(..., description='folder of the inputs, several, or an LMDB')

        @model_validator(mode='after')
        def _roots_make_sense(self):
            check_roots(self.dataroot_lq, self, 'dataroot_lq')
            return self

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        if self.phase == 'train':
            raise OptionError(f'{self.section}.type: SingleImageDataset has no targets, and cannot be trained on')
        files = find_images(self.own.dataroot_lq, self.own, f'{self.section}.dataroot_lq')
        self.paths = [{'lq_path': path} for path in files]
        self.read_from(files, lmdb_client(self.own, {'lq': self.own.dataroot_lq}))

    def read(self, index: int) -> dict:
        path = self.paths[index]['lq_path']
        return {'lq': self.to_tensor(self.source.open(path, 'lq')[:, :]), 'lq_path': path}
