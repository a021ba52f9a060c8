"""All that varies a training pair: the options, and the steps that run where the sample is read."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, Field

from basicsr.data.mixup import MixupOptions, draw_mixup
from basicsr.data.photometric import PhotometricOptions, describe_photometric, draw_photometric
from basicsr.data.transforms import Crop, augment, draw_channel_order, paired_random_crop, shuffle_channels
from basicsr.utils.schema import Bool, Float, Section


def _check_jitter(factors: list[float]) -> list[float]:
    if len(factors) != 2 or not 0.25 <= factors[0] <= factors[1] <= 4:
        raise ValueError(f'expected [low, high] with 0.25 <= low <= high <= 4, got {factors}')
    return factors


class AugmentOptions(Section):
    """How training crops are varied; sample k of a run draws the same whatever ran before it."""

    use_hflip: Bool = Field(True, description='training: flip left to right with probability 1/2')
    use_rot: Bool = Field(True, description="training: BasicSR's switch of both `use_vflip` and `use_rot90`")
    use_vflip: Bool | None = Field(
        None, description='training: flip top to bottom with probability 1/2; by default as `use_rot`'
    )
    use_rot90: Bool | None = Field(
        None, description='training: turn on the side with probability 1/2; by default as `use_rot`'
    )
    scale_jitter: Annotated[list[Float], AfterValidator(_check_jitter)] | None = Field(
        None,
        description='training: `[low, high]`: cut squares whose side is `gt_size` times a factor from this range, as '
        'far as the image goes, and resize them to `gt_size`; above 1 shows more of the scene',
    )
    channel_shuffle: Float = Field(
        0.0, ge=0, le=1, description='training: probability that R, G and B change places, in input and target alike'
    )
    photometric: PhotometricOptions | None = Field(None, description='training: jitter of exposure and colour')
    mixup: MixupOptions | None = Field(None, description='training: mix pairs of a batch')


def draw_pair(
    lq: Any, gt: Any, options: AugmentOptions, gt_size: int, scale: int, gt_path: str | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Cut, flip and shuffle the channels of a pair as drawn.

    Args:
        lq: (H, W, 3) BGR of any type; `shape` and one slice of rows and columns are asked for; `gt` alike.
        scale: size of `gt` over that of `lq`.

    Returns:
        Input and target, contiguous, and what was done, in words: `['x 120, y 64', 'hflip']`.

    Raises:
        DataError: the images do not fit together, or are smaller than the crop.
    """
    gt, lq, crop = paired_random_crop(gt, lq, gt_size, scale, gt_path, options.scale_jitter, return_crop=True)
    (gt, lq), flips = augment(
        [gt, lq], options.use_hflip, options.use_rot, True, vflip=options.use_vflip, rot90=options.use_rot90
    )
    order = draw_channel_order(options.channel_shuffle)
    words = describe_crop(crop, scale, gt_size), describe_flips(flips), describe_channels(order)
    return shuffle_channels(lq, order), shuffle_channels(gt, order), [word for word in words if word]


def draw_for_later(options: AugmentOptions) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Draw what is applied to the whole batch: entries of a sample for what the options have, and them in words."""
    draws, words = {}, []
    if options.photometric is not None:
        draws['photometric'] = draw_photometric(options.photometric)
        words.append(describe_photometric(draws['photometric']))
    if options.mixup is not None:
        weight = draw_mixup(options.mixup)
        draws['mixup'] = torch.tensor(weight)
        words.append(f'mixup {weight:.2f}' if weight < 1 else '')
    return draws, [word for word in words if word]


def describe_crop(crop: Crop, scale: int = 1, side: int | None = None) -> str:
    """Say where a crop of the input lies in the target, and how it is resized: `x 120, y 64, 307 px to 256`."""
    text = f'x {crop.left * scale}, y {crop.top * scale}'
    length = crop.side * scale
    return text if side in (None, length) else f'{text}, {length} px to {side}'


def describe_flips(status: Sequence[bool]) -> str:
    """Say what `augment` did: `hflip, rot90`; '' for nothing."""
    return ', '.join(name for name, is_done in zip(('hflip', 'vflip', 'rot90'), status) if is_done)


def describe_channels(order: Sequence[int]) -> str:
    """Say where the channels of a shuffled BGR image come from: `RGB from GRB`; '' for nothing."""
    return '' if tuple(order) == (0, 1, 2) else 'RGB from ' + ''.join('BGR'[place] for place in order)[::-1]
