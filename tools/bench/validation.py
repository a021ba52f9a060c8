"""Time the metrics of a validation image on the CPU: medians of interleaved repeats, as Markdown.

One side is what BasicSR computes, PSNR and SSIM in numpy, and scikit-image's CIEDE2000 beside it; the other is
`color_fidelity`: PSNR, PSNR per channel, SSIM, delta E 76, CIEDE2000 with percentiles, and what is left of the colours
where the target is saturated. Both take turns, so that a busy machine slows both alike: read the ratios.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from losses import Comparison, machine, measure, table
from torch import Tensor

from basicsr.metrics.color_fidelity import color_fidelity
from basicsr.metrics.ssim_of_tensors import ssim
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.misc import import_cv2


def pair(width: int, height: int) -> tuple[Tensor, Tensor]:
    """A noisy result and a smooth target, RGB in [0, 1], (3, H, W). Nine tenths of the target are saturated."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 30, 40, generator=generator)
    target = torch.nn.functional.interpolate(coarse, (height, width), mode='bicubic')[0].clamp(0, 1)
    return (target + 0.03 * torch.randn(target.shape, generator=generator)).clamp(0, 1), target


def to_array(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3), 8 bits."""
    return np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).numpy())


def plain_psnr(x: np.ndarray, y: np.ndarray) -> float:
    """PSNR of 8-bit images in float64, as BasicSR defines it."""
    return float(20 * np.log10(255 / np.sqrt(np.mean((x.astype(np.float64) - y.astype(np.float64)) ** 2))))


def plain_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of 8-bit images in float64 with OpenCV's filter2D and an 11 x 11 window, as BasicSR defines it."""
    cv2 = import_cv2()
    bell = cv2.getGaussianKernel(11, 1.5)
    window = bell @ bell.T

    def blur(plane: np.ndarray) -> np.ndarray:
        return cv2.filter2D(plane, -1, window)[5:-5, 5:-5]

    c1, c2, found = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for channel in range(3):
        a, b = x[..., channel].astype(np.float64), y[..., channel].astype(np.float64)
        mean_a, mean_b = blur(a), blur(b)
        var_a, var_b = blur(a**2) - mean_a**2, blur(b**2) - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
        found.append((similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())
    return float(np.mean(found))


def plain_delta_e(x: np.ndarray, y: np.ndarray) -> float:
    """Mean CIEDE2000 of 8-bit RGB images, by scikit-image."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(deltaE_ciede2000(rgb2lab(x), rgb2lab(y)).mean())


def comparisons(args: argparse.Namespace) -> list[Comparison]:
    """The two sides, and the parts of them."""
    result, target = pair(args.width, args.height)
    x, y = to_array(result), to_array(target)
    whole = {
        'numpy PSNR + SSIM, scikit-image CIEDE2000': lambda: (plain_psnr(x, y), plain_ssim(x, y), plain_delta_e(x, y)),
        'ours, PSNR + SSIM + all colour metrics': lambda: color_fidelity(result, target),
    }
    parts = {
        'scikit-image CIEDE2000': lambda: plain_delta_e(x, y),
        'numpy PSNR': lambda: plain_psnr(x, y),
        'numpy SSIM': lambda: plain_ssim(x, y),
        'ours, SSIM': lambda: ssim(result, target),
    }
    return [Comparison('all metrics', whole, args.repeats), Comparison('parts', parts, args.repeats)]


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    if min(args.width, args.height) < 11 or args.repeats < 1:
        raise UserError('--width and --height are at least 11, --repeats at least 1')
    import_cv2().setNumThreads(torch.get_num_threads())
    print(f'\n{machine(torch.device("cpu"))}; one pair of {args.width}×{args.height}\n')
    rows = [row for comparison in comparisons(args) for row in measure(comparison, torch.device('cpu'))]
    print(table(rows), flush=True)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=int, default=1600, help='of the images (default: %(default)s)')
    parser.add_argument('--height', type=int, default=1200, help='of the images (default: %(default)s)')
    parser.add_argument('--repeats', type=int, default=7, help='of every candidate (default: %(default)s)')
    run_cli(lambda: run(parser.parse_args(argv)))


if __name__ == '__main__':
    main()
