"""Where the pixels of a dataset come from: the pixel cache, parts of files, whole files or LMDBs; all give the same."""

import logging
from collections.abc import Sequence
from typing import Any

from basicsr.data.pixel_cache import CacheOptions, PixelCache, open_cache
from basicsr.utils.file_client import FileClient
from basicsr.utils.img_util import read_image


class ImageSource:
    """Opens pictures by the fastest way that there is. It holds no open file, so workers get it as it is.

    Args:
        file_client: reads the bytes of pictures from LMDBs; None for files.
        cache: of files.
        region: prefer to decode no more of a file than is asked for (training on crops).
    """

    def __init__(
        self, file_client: FileClient | None = None, cache: PixelCache | None = None, region: bool = False
    ) -> None:
        self.file_client, self.cache, self.region = file_client, cache, region

    def open(self, path: str, client_key: str = 'default') -> Any:
        """Return an image, or what has its `shape` and `dtype` and gives parts of it: `img[top:bottom, left:right]`.

        (H, W, 3) BGR, uint8, uint16 or float32. What comes out of the cache cannot be written to.

        Raises:
            DataError: the picture cannot be read; names it.
        """
        if self.file_client is not None and self.file_client.backend == 'lmdb':
            return read_image(self.file_client.get(path, client_key), name=path)
        img = None if self.cache is None else self.cache.get(path)
        if img is None and self.region:
            img = _open_region(path)
        return read_image(path) if img is None else img


def build_source(
    file_client: FileClient | None,
    options: CacheOptions,
    paths: Sequence[str],
    section: str,
    for_training: bool = False,
) -> ImageSource:
    """Return the source of a set of pictures, its cache built.

    Args:
        section: where the set stands in the option file, for messages: `datasets.train`.
        for_training: only crops of the pictures are read, but of every one of them.

    Raises:
        DataError: names pictures that cannot be read, as far as they were decoded for training.
    """
    if file_client is None or file_client.backend == 'disk':
        return ImageSource(None, open_cache(options, paths, section, for_training), for_training)
    if options.type in ('disk', 'ram'):
        logging.getLogger('basicsr').warning(
            f'{section}.cache: {options.type} has no effect on LMDBs; the images are decoded whenever they are read'
        )
    return ImageSource(file_client)


def _open_region(path: str) -> Any:
    from basicsr.utils.image_region import open_region

    return open_region(path)
