"""What became of the colours: differences over the whole image, and what is left of them where the target is colourful.

`docs/color_fidelity.md` says what each number means. A mean over all pixels hides a painted wall that came out grey,
because most pixels of most photographs are neutral: hence the numbers `_60` and `_100`, which look at the pixels whose
target has an HSV saturation of at least 60 or 100 of 255.
"""

import math

import torch
from torch import Tensor

from basicsr.color import delta_e_76, delta_e_2000, hue_difference, rgb_to_lab, saturation
from basicsr.color.hsv import DARKEST_SATURATED
from basicsr.metrics.best import Better
from basicsr.metrics.percentiles import keep, percentiles
from basicsr.metrics.ssim_of_tensors import ssim
from basicsr.utils.errors import DataError

LEVELS = (60, 100)

# Which value of a metric is the better one; None: it says something about the target, not about the result.
_BETTER_OF_LEVEL: dict[str, Better | None] = {
    'masked_share': None,
    'sat_ratio': 1.0,
    'value_ratio': 1.0,
    'hue_shift': 'lower',
    'hue_shift_p95': 'lower',
    'chroma_ratio': 1.0,
    'collapsed': 'lower',
}
BETTER: dict[str, Better | None] = {
    **dict.fromkeys(('psnr', 'psnr_r', 'psnr_g', 'psnr_b', 'ssim'), 'higher'),
    **dict.fromkeys(('de76_mean', 'de00_mean', 'de00_median', 'de00_p95', 'de00_p99'), 'lower'),
    **{f'{name}_{level}': better for level in LEVELS for name, better in _BETTER_OF_LEVEL.items()},
    'sat_ratio_all': 1.0,
}
COLOR_FIDELITY = tuple(BETTER)

# Fewer pixels than either of these say nothing about an image.
MIN_PIXELS, MIN_SHARE = 100, 0.001
# With less of its chroma left a colour has come out grey, and the angle of what is left means nothing.
COLLAPSED = 0.25
# A target with a smaller mean saturation has none that could be compared.
LEAST_SATURATION = 0.01
# PSNR of equal channels, in dB, so that one image cannot make a mean infinite.
PSNR_OF_EQUALS = 100.0

# Pixels at a time: what lies between two steps then stays in a processor's cache, and is small on a GPU.
_STRIP = {'cpu': 2**15}
_STRIP_OF_GPU = 2**22


def color_fidelity(result: Tensor, target: Tensor, eight_bit: bool = False) -> dict[str, float]:
    """Return all metrics of `COLOR_FIDELITY`; those of a level are NaN where the target has too few pixels of it.

    Both images are clamped to [0, 1], as a screen or a file does; a result that holds NaN has NaN scores.

    Args:
        result: RGB in [0, 1], sRGB-encoded, float, (3, H, W) or (1, 3, H, W); `target` alike.
        eight_bit: round both to 8 bits first, as an 8-bit file does; by default they stay float.

    Raises:
        DataError: other shapes, or integers.
    """
    return dict(zip(COLOR_FIDELITY, color_fidelity_scores(result, target, eight_bit).tolist()))


@torch.no_grad()
def color_fidelity_scores(result: Tensor, target: Tensor, eight_bit: bool = False) -> Tensor:
    """The same as one tensor on the device of the images, (len(COLOR_FIDELITY),), without waiting for it."""
    images = [_to_8_bits(image) if eight_bit else image for image in _check(result, target)]
    height, width = images[0].shape[1:]
    rows = max(1, _STRIP.get(result.device.type, _STRIP_OF_GPU) // width)
    strips = [
        _Strip(torch.stack([i[:, top : top + rows] for i in images]).clamp_(0, 1)) for top in range(0, height, rows)
    ]

    # Apple's GPUs have no float64.
    precise = torch.float32 if result.device.type == 'mps' else torch.float64
    whole, *levels = (torch.stack([s.sums[i] for s in strips]).to(precise).sum(0) for i in range(1 + len(LEVELS)))
    delta_e = percentiles(torch.cat([s.delta_e for s in strips]), (50, 95, 99))
    hues = [percentiles(torch.cat([s.hue_shifts[i] for s in strips]), (95,)) for i in range(len(LEVELS))]

    scores = [*_scores_of_whole(whole / (height * width), ssim(*images), delta_e)]
    for sums, hue in zip(levels, hues):
        scores += _scores_of_level(sums, hue[0], height * width)
    mean_saturation, of_target = whole[-2:] / (height * width)
    scores.append(torch.where(of_target >= LEAST_SATURATION, mean_saturation / of_target, math.nan))
    found = torch.stack([score.to(precise) for score in scores])
    return torch.where(whole.isnan().any(), math.nan, found)


class _Strip:
    """What one strip of rows adds to the statistics.

    Attributes:
        sums: over all pixels, squared error of R, G, B, delta E 76, delta E 2000, saturation of both images; then for
            each level, over its pixels: their number, and what `_scores_of_level` reads.
        delta_e: delta E 2000 of all pixels, one dimension.
        hue_shifts: for each level, the absolute hue shift in degrees where there is a hue.
    """

    def __init__(self, pair: Tensor) -> None:
        """(2, 3, H, W): strips of the result and of the target, in [0, 1]."""
        lab, saturations, values = rgb_to_lab(pair), saturation(pair), pair.amax(1)
        delta_e_2000_ = delta_e_2000(*lab)
        chroma = (lab[:, 1] * lab[:, 1]).addcmul_(lab[:, 2], lab[:, 2]).sqrt_()
        is_grey = chroma[0] < COLLAPSED * chroma[1]
        hue_shift = hue_difference(*lab).abs_().masked_fill_(is_grey, 0)

        self.sums = [_sum(pair[0].sub(pair[1]).square_(), delta_e_76(*lab)[None], delta_e_2000_[None], saturations)]
        self.delta_e, self.hue_shifts = delta_e_2000_.flatten(), []
        for level in LEVELS:
            mask = (saturations[1] >= level / 255) & (values[1] >= DARKEST_SATURATED)
            weight = mask.to(pair.dtype)
            per_pixel = (saturations, values, chroma, hue_shift[None], is_grey.to(pair.dtype)[None])
            self.sums.append(_sum(weight[None], *(quantity * weight for quantity in per_pixel)))
            self.hue_shifts.append(keep(hue_shift, mask & ~is_grey))


def _sum(*maps: Tensor) -> Tensor:
    """Sums over the pixels of maps (K, H, W), all in one dimension."""
    return torch.cat([quantity.sum((-2, -1)) for quantity in maps])


def _scores_of_whole(means: Tensor, similarity: Tensor, delta_e: Tensor) -> list[Tensor]:
    """Scores over all pixels, in the order of `COLOR_FIDELITY`, from means in the order of `_Strip.sums`."""
    errors = means[:3]
    psnr = [_psnr(error) for error in (errors.mean(), *errors)]
    return [*psnr, similarity, means[3], means[4], *delta_e]


def _psnr(mean_squared_error: Tensor) -> Tensor:
    return -10 * torch.log10(mean_squared_error.clamp(min=10 ** (-PSNR_OF_EQUALS / 10)))


def _scores_of_level(sums: Tensor, hue_shift_p95: Tensor, num_pixels: int) -> list[Tensor]:
    """Scores over the pixels of a level, in the order of `_BETTER_OF_LEVEL`.

    Ratios are of sums over the pixels: a mean of ratios would be ruled by the darkest of them.
    """
    count, saturation, saturation_gt, value, value_gt, chroma, chroma_gt, hue_shift, num_grey = sums
    least = max(MIN_PIXELS, MIN_SHARE * num_pixels)
    num_hues = count - num_grey
    has_pixels, has_hues = count >= least, num_hues >= least
    return [
        count / num_pixels,
        torch.where(has_pixels, saturation / saturation_gt, math.nan),
        torch.where(has_pixels, value / value_gt, math.nan),
        torch.where(has_hues, hue_shift / num_hues, math.nan),
        torch.where(has_hues, hue_shift_p95, math.nan),
        torch.where(has_pixels, chroma / chroma_gt, math.nan),
        torch.where(has_pixels, num_grey / count, math.nan),
    ]


def _check(result: Tensor, target: Tensor) -> list[Tensor]:
    """Return both as (3, H, W), of one type that is at least float32."""
    if result.shape != target.shape:
        raise DataError(f'cannot compare images of different shapes: {tuple(result.shape)} and {tuple(target.shape)}')
    if result.dim() not in (3, 4) or result.shape[-3] != 3 or (result.dim() == 4 and len(result) != 1):
        raise DataError(
            f'colour fidelity is of one RGB image, (3, H, W) or (1, 3, H, W), got {tuple(result.shape)}; '
            'leave `color_fidelity` out for grey images'
        )
    if not (result.is_floating_point() and target.is_floating_point()):
        raise DataError(f'expected float images in [0, 1], got {result.dtype} and {target.dtype}; divide by 255 first')
    dtype = torch.promote_types(torch.promote_types(result.dtype, target.dtype), torch.float32)
    return [image.reshape(image.shape[-3:]).to(dtype) for image in (result, target)]


def _to_8_bits(image: Tensor) -> Tensor:
    return image.clamp(0, 1).mul_(255).round_().div_(255)
