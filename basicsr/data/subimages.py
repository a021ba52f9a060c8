"""Cuts large images into overlapping sub-images, with BasicSR's grid and names: `0001_s001.png`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from basicsr.data.pair_sizes import describe, fits
from basicsr.data.subimages_journal import Journal, mark_of
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.img_util import imwrite, read_image
from basicsr.utils.misc import import_cv2
from basicsr.utils.parallel import map_in_order


@dataclass(frozen=True)
class Grid:
    """Where sub-images lie, in pixels of the target.

    Attributes:
        crop_size: side of a sub-image.
        step: from one to the next.
        thresh_size: a rest at the border that is larger than this has a sub-image of its own, which ends at the border.
        scale: size of the target, relative to that of the input; divides the three others.
    """

    crop_size: int = 480
    step: int = 240
    thresh_size: int = 0
    scale: int = 1

    def __post_init__(self) -> None:
        for name, least in (('scale', 1), ('crop_size', 1), ('step', 1), ('thresh_size', 0)):
            value = getattr(self, name)
            if value < least:
                raise OptionError(f'{name}: expected at least {least}, got {value}')
            if name != 'scale' and value % self.scale:
                raise OptionError(f'{name}: expected a multiple of the scale, {self.scale}, got {value}')

    def boxes(self, width: int, height: int, divisor: int = 1) -> list[tuple[slice, slice]]:
        """Return (rows, columns) of the sub-images of an image, row by row.

        An image with a side below `crop_size` has sub-images with that side.

        Args:
            divisor: of the grid; the image is smaller than the target by it.
        """
        crop = self.crop_size // divisor
        return [
            (slice(top, top + crop), slice(left, left + crop))
            for top in self._starts(height, divisor)
            for left in self._starts(width, divisor)
        ]

    def _starts(self, side: int, divisor: int) -> list[int]:
        crop, step, thresh = (value // divisor for value in (self.crop_size, self.step, self.thresh_size))
        starts = list(range(0, max(side - crop, 0) + 1, step))
        if side - (starts[-1] + crop) > thresh:
            starts.append(side - crop)
        return starts


def extract_subimages(
    images: Sequence[Mapping[str, str]], out: Path, grid: Grid, compression_level: int = 3, num_thread: int = 1
) -> Iterator[tuple[str, int]]:
    """Cut images to PNG files `out/<kind>/<stem>_s001.png`; yield the stem and the number of sub-images of each.

    Called again, it passes over images that are done and have not changed since.

    Args:
        images: for each scene, its images by kind: `{'lq_path': ..., 'gt_path': ...}`, or `{'gt_path': ...}`. The names
            are those of the target.
        compression_level: of PNG, 0 to 9.

    Raises:
        DataError: an image that cannot be read, does not fit its partner, has float samples or the name of another.
        UserError: sub-images of other images or of another grid are there, or they cannot be written.
    """
    by_stem = _by_stem(images)
    kinds = sorted({key.removesuffix('_path') for paths in images for key in paths})
    marks = {stem: mark_of(paths.values()) for stem, paths in by_stem.items()}
    settings = {'kinds': kinds, 'compression_level': compression_level, **asdict(grid)}

    with Journal(out, kinds, settings, by_stem) as journal:
        left = []
        for stem in by_stem:
            if journal.is_done(stem, marks[stem]):
                yield stem, journal.count(stem)
            else:
                left.append(stem)
        counts = map_in_order(lambda stem: _cut(stem, by_stem[stem], out, grid, compression_level), left, num_thread)
        for stem, count in zip(left, counts):
            journal.note(stem, marks[stem], count)
            yield stem, count


def stem_of(path: str) -> str:
    """Return the name of sub-images: that of the file, without ending, and without the `x4` of DIV2K's `0001x4`."""
    return re.sub(r'(?<=\d)x[2348]$', '', Path(path).stem)


def _by_stem(images: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    stems = [stem_of(paths['gt_path']) for paths in images]
    counts = Counter(stems)
    double = [paths['gt_path'] for stem, paths in zip(stems, images) if counts[stem] > 1]
    if double:
        raise DataError(f'sub-images of several images would have the same names: {", ".join(double[:6])}')
    return dict(zip(stems, images))


def _cut(stem: str, paths: Mapping[str, str], out: Path, grid: Grid, compression_level: int) -> int:
    """Write the sub-images of one scene; returns how many each of its images has."""
    cv2 = import_cv2()
    imgs = {key.removesuffix('_path'): read_image(path) for key, path in paths.items()}
    for path, img in zip(paths.values(), imgs.values()):
        if img.dtype.kind == 'f':
            raise DataError(f'{path}: PNG cannot hold its float samples; train from the whole images')
    scale = grid.scale if 'lq' in imgs else 1
    if 'lq' in imgs:
        size, size_gt = imgs['lq'].shape[1::-1], imgs['gt'].shape[1::-1]
        if not fits(size, size_gt, scale, scale):
            text = describe(size, size_gt, paths['lq_path'], paths['gt_path'], scale)
            raise DataError(f'the images do not fit together at scale {scale}:{text}')
        imgs['gt'] = imgs['gt'][: size[1] * scale, : size[0] * scale]

    # One grid for both: on its own, a target larger by a few rows could have a row of sub-images more.
    height, width = (side // scale for side in imgs['gt'].shape[:2])
    boxes = grid.boxes(width, height, scale)
    for kind, img in imgs.items():
        factor = scale if kind == 'gt' else 1
        for number, (rows, columns) in enumerate(boxes, start=1):
            part = img[rows.start * factor : rows.stop * factor, columns.start * factor : columns.stop * factor]
            name = out / kind / f'{stem}_s{number:03d}.png'
            imwrite(part, name, [cv2.IMWRITE_PNG_COMPRESSION, compression_level], auto_mkdir=False)
    return len(boxes)
