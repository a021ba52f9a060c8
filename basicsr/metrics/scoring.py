"""What a validation measures of every image: the metrics of `val.metrics`, and `val.color_fidelity`."""

from collections.abc import Mapping

import numpy as np
import torch

from basicsr.metrics import calculate_metric
from basicsr.metrics.best import Better
from basicsr.metrics.color_fidelity import BETTER, color_fidelity
from basicsr.utils.img_util import tensor2img
from basicsr.utils.registry import METRIC_REGISTRY


class Scorer:
    """Scores images as the section `val` of the options says.

    A metric of `val.metrics` is called by its label there; a number of the colour fidelity of the same name gives way.

    Args:
        options: `metrics`, `use_image`, `color_fidelity`.
        device: where colours are measured.

    Attributes:
        better: which value of each metric is the better one; None for what says nothing of the result.
    """

    def __init__(self, options: Mapping, device: torch.device | str) -> None:
        self.metrics = {label: dict(metric) for label, metric in (options.get('metrics') or {}).items()}
        self.use_image = options.get('use_image', True)
        self.device = device
        self.better: dict[str, Better | None] = {label: _better(metric) for label, metric in self.metrics.items()}
        self.colors = [name for name in BETTER if name not in self.metrics] if options.get('color_fidelity') else []
        self.better |= {name: BETTER[name] for name in self.colors}

    def __call__(self, result: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
        """Return every score of one image, (1, C, H, W) in [0, 1]."""
        scores = {}
        if self.metrics:
            images = {'img': self._picture(result), 'img2': self._picture(target)}
            scores = {label: float(calculate_metric(images, metric)) for label, metric in self.metrics.items()}
        if self.colors:
            found = color_fidelity(result.to(self.device), target.to(self.device))
            scores |= {name: found[name] for name in self.colors}
        return scores

    def _picture(self, image: torch.Tensor) -> np.ndarray:
        """BGR in [0, 255]: the 8-bit picture, or the float output, neither rounded nor clamped."""
        if self.use_image:
            return tensor2img([image])
        return image[0].permute(1, 2, 0).cpu().numpy()[..., ::-1] * 255.0


def _better(metric: Mapping) -> Better | None:
    """Return what the option file says is better, else what the metric itself says."""
    if 'better' in metric:
        return metric['better']
    function = METRIC_REGISTRY.get(metric['type'])
    if hasattr(function, 'better'):
        return function.better
    return 'higher' if getattr(function, 'higher_is_better', True) else 'lower'
