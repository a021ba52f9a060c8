"""PSNR and SSIM with BasicSR's conventions: what papers on super-resolution report."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from basicsr.metrics.metric_util import reorder_image, to_y_channel
from basicsr.utils.color_util import rgb2ycbcr_pt
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import crop_border as cut_border
from basicsr.utils.misc import import_cv2
from basicsr.utils.registry import METRIC_REGISTRY
from basicsr.utils.ssim_window import C1, C2, SIGMA, WINDOW

# For values in [0, 255].
_C1, _C2 = C1 * 255**2, C2 * 255**2


@METRIC_REGISTRY.register()
def calculate_psnr(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int = 0,
    input_order: Literal['HWC', 'CHW'] = 'HWC',
    test_y_channel: bool = False,
) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal images.

    Args:
        img: BGR in [0, 255], or grey; `img2` alike.
        crop_border: pixels to leave out on each side.
        test_y_channel: compare Y of YCbCr (BT.601, studio swing).
    """
    img, img2 = _prepare(img, img2, crop_border, input_order, test_y_channel)
    mse = np.mean((img - img2) ** 2)
    return float('inf') if mse == 0 else float(10 * np.log10(255**2 / mse))


@METRIC_REGISTRY.register()
def calculate_ssim(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int = 0,
    input_order: Literal['HWC', 'CHW'] = 'HWC',
    test_y_channel: bool = False,
) -> float:
    """Structural similarity, the mean over channels; NaN for images smaller than its window of 11 pixels.

    Args:
        img: BGR in [0, 255], or grey; `img2` alike.
        crop_border: pixels to leave out on each side.
        test_y_channel: compare Y of YCbCr (BT.601, studio swing).
    """
    img, img2 = _prepare(img, img2, crop_border, input_order, test_y_channel)
    if min(img.shape[:2]) < WINDOW:
        return float('nan')
    # Channel by channel: the maps of a whole photograph in float64 would take gigabytes.
    channels = zip(np.moveaxis(img, 2, 0), np.moveaxis(img2, 2, 0))
    return float(np.mean([_ssim_map(x.copy(), y.copy(), _blur_array).mean() for x, y in channels]))


def calculate_psnr_pt(
    img: torch.Tensor, img2: torch.Tensor, crop_border: int = 0, test_y_channel: bool = False
) -> torch.Tensor:
    """PSNR in dB of each pair of a batch, (N,), with an epsilon of 1e-8 in the denominator: at most 80.

    Args:
        img: RGB in [0, 1], (N, 3, H, W), or grey, (N, 1, H, W); `img2` alike.
        crop_border: pixels to leave out on each side.
        test_y_channel: compare Y of YCbCr (BT.601, studio swing).
    """
    img, img2 = _prepare_pt(img, img2, crop_border, test_y_channel)
    mse = ((img - img2) ** 2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(1 / (mse + 1e-8))


def calculate_ssim_pt(
    img: torch.Tensor, img2: torch.Tensor, crop_border: int = 0, test_y_channel: bool = False
) -> torch.Tensor:
    """SSIM of each pair of a batch, (N,); NaN for images smaller than its window of 11 pixels.

    Args:
        img: RGB in [0, 1], (N, 3, H, W), or grey, (N, 1, H, W); `img2` alike.
        crop_border: pixels to leave out on each side.
        test_y_channel: compare Y of YCbCr (BT.601, studio swing).
    """
    img, img2 = _prepare_pt(img, img2, crop_border, test_y_channel)
    if min(img.shape[2:]) < WINDOW:
        return img.new_full((len(img),), float('nan'))
    return _ssim_map(img * 255, img2 * 255, _blur_tensor).mean(dim=(1, 2, 3))


for _metric in (calculate_psnr, calculate_ssim, calculate_psnr_pt, calculate_ssim_pt):
    _metric.higher_is_better = True


def _ssim_map(x, y, blur):
    """Equation (13) of the SSIM paper at every place where the window fits, for arrays and tensors alike."""
    mu_x, mu_y = blur(x), blur(y)
    var_x, var_y, cov = blur(x * x) - mu_x * mu_x, blur(y * y) - mu_y * mu_y, blur(x * y) - mu_x * mu_y
    luminance = (2 * mu_x * mu_y + _C1) / (mu_x * mu_x + mu_y * mu_y + _C1)
    return luminance * (2 * cov + _C2) / (var_x + var_y + _C2)


def _blur_array(x: np.ndarray) -> np.ndarray:
    cv2, half = import_cv2(), WINDOW // 2
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA)
    return cv2.sepFilter2D(x, cv2.CV_64F, kernel, kernel)[half:-half, half:-half]


def _blur_tensor(x: torch.Tensor) -> torch.Tensor:
    offsets = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, WINDOW)
    x = F.conv2d(x, kernel, groups=x.shape[1])
    return F.conv2d(x, kernel.mT, groups=x.shape[1])


def _prepare(img, img2, crop_border: int, input_order: str, test_y_channel: bool) -> list[np.ndarray]:
    """Return both images as float64 (H, W, C) in [0, 255], cropped."""
    _check_same_shape(img, img2)
    imgs = [cut_border(reorder_image(i, input_order), crop_border) for i in (img, img2)]
    return [(to_y_channel(i) if test_y_channel else i).astype(np.float64) for i in imgs]


def _prepare_pt(img, img2, crop_border: int, test_y_channel: bool) -> list[torch.Tensor]:
    """Return both batches as float64 in [0, 1], cropped."""
    _check_same_shape(img, img2)
    height, width = img.shape[2:]
    imgs = [i[..., crop_border : height - crop_border, crop_border : width - crop_border] for i in (img, img2)]
    if test_y_channel and img.shape[1] == 3:
        imgs = [rgb2ycbcr_pt(i, y_only=True) for i in imgs]
    # Apple's GPUs have no float64.
    return [(i.cpu() if i.device.type == 'mps' else i).double() for i in imgs]


def _check_same_shape(img, img2) -> None:
    if img.shape != img2.shape:
        raise DataError(f'cannot compare images of different shapes: {tuple(img.shape)} and {tuple(img2.shape)}')
