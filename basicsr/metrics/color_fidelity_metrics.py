"""Every number of `color_fidelity` as a metric of its own for `val.metrics`: `calculate_de00_p95`, and so on.

Each call computes all of them: whoever wants several turns on `val.color_fidelity`. `val.metrics` hands over 8-bit
images, so these are scores of what a file would hold.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from basicsr.metrics.color_fidelity import BETTER, color_fidelity
from basicsr.metrics.metric_util import reorder_image
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import crop_border as cut_border
from basicsr.utils.img_util import img2tensor
from basicsr.utils.registry import METRIC_REGISTRY

# They have definitions of their own, those of BasicSR.
_ELSEWHERE = ('psnr', 'ssim')


def _metric(name: str) -> Callable[..., float]:
    """Return `calculate_<name>`."""

    def calculate(
        img: np.ndarray, img2: np.ndarray, crop_border: int = 0, input_order: Literal['HWC', 'CHW'] = 'HWC'
    ) -> float:
        if img.shape != img2.shape:
            raise DataError(f'cannot compare images of different shapes: {img.shape} and {img2.shape}')
        images = [cut_border(reorder_image(i, input_order), crop_border) for i in (img, img2)]
        return color_fidelity(*(torch.div(img2tensor(i), 255) for i in images))[name]

    better = BETTER[name]
    calculate.__name__ = calculate.__qualname__ = f'calculate_{name}'
    calculate.__doc__ = f"""`{name}` of `color_fidelity`; NaN if the image has too few pixels of that kind.

    Args:
        img: BGR in [0, 255]; `img2`, the target, alike.
        crop_border: pixels to leave out on each side.
    """
    calculate.better = better
    calculate.higher_is_better = {'higher': True, 'lower': False}.get(better)
    calculate.ideal = better if isinstance(better, float) else None
    return METRIC_REGISTRY.register(calculate)


METRICS = {name: _metric(name) for name in BETTER if name not in _ELSEWHERE}
