"""Whether the two images of a pair fit together, told by the headers of the files."""

import os
from collections.abc import Sequence

import numpy as np

from basicsr.data.exclude import unreadable
from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_header

Size = tuple[int, int]

_MAX_PAIRS = 2000
_NUM_EXAMPLES = 5


def fits(lq: Size, gt: Size, scale: int, tolerance: int) -> bool:
    """True if GT is `scale` times LQ, or larger by less than `tolerance` pixels; sizes are (width, height)."""
    return all(0 <= side_gt - side * scale < tolerance for side, side_gt in zip(lq, gt))


def describe(lq: Size, gt: Size, lq_path: str, gt_path: str, scale: int) -> str:
    """Return lines of a message on a pair that does not fit together; sizes are (width, height)."""
    return (
        f'\n    gt {gt[0]} x {gt[1]} pixels, {gt_path}'
        f'\n    lq {lq[0]} x {lq[1]} pixels, {lq_path}'
        f'\n    for this lq, gt should be {lq[0] * scale} x {lq[1] * scale}'
    )


def check_pair_sizes(pairs: Sequence[dict[str, str]], scale: int, tolerance: int, section: str) -> None:
    """Compare the sizes of all pairs, or of 2,000 that are spread evenly, without decoding the images.

    Args:
        pairs: `{'lq_path': ..., 'gt_path': ...}`, files.
        section: where the set stands in the option file, for the message: `datasets.train`.

    Raises:
        DataError: files that cannot be read, or pairs that do not fit together, with the first of them.
    """
    count = min(len(pairs), _MAX_PAIRS)
    wrong, errors = [], []
    for index in np.linspace(0, len(pairs) - 1, count).astype(int):
        lq_path, gt_path = pairs[index]['lq_path'], pairs[index]['gt_path']
        try:
            lq, gt = image_size(lq_path), image_size(gt_path)
        except DataError as error:
            errors.append(error)
            continue
        if not fits(lq, gt, scale, tolerance):
            wrong.append(describe(lq, gt, lq_path, gt_path, scale))
    looked_at = f'{count:,} pairs' if count == len(pairs) else f'{count:,} pairs looked at, out of {len(pairs):,},'
    if errors:
        raise unreadable(errors, looked_at.rstrip(','), section)
    if wrong:
        more = '\n    ...' if len(wrong) > _NUM_EXAMPLES else ''
        raise DataError(
            f'{section}: {len(wrong):,} of {looked_at} do not fit together at scale {scale}:'
            + ''.join(wrong[:_NUM_EXAMPLES])
            + more
        )


def image_size(path: str | os.PathLike) -> Size:
    """Return (width, height) of the image that `read_image` makes of a file, from its header.

    Raises:
        DataError: the file cannot be read.
    """
    header = read_header(path)
    return header.width, header.height
