"""Metrics: `calculate_*` functions. The import below is the inventory."""

from basicsr.metrics import color_fidelity_metrics  # noqa: F401 - registers the `calculate_*` of the colours
from basicsr.metrics.color_fidelity import BETTER, COLOR_FIDELITY
from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_psnr_pt, calculate_ssim, calculate_ssim_pt
from basicsr.utils.registry import METRIC_REGISTRY

__all__ = [
    'BETTER',
    'COLOR_FIDELITY',
    'calculate_metric',
    'calculate_psnr',
    'calculate_psnr_pt',
    'calculate_ssim',
    'calculate_ssim_pt',
]


def calculate_metric(data: dict, opt: dict) -> float:
    """Call the metric that `type` names.

    Args:
        data: the images, by argument name (`img`, `img2`).
        opt: `type`, and arguments of the metric; `better` is for the validation, not for the metric.
    """
    arguments = {key: value for key, value in opt.items() if key not in ('type', 'better')}
    return METRIC_REGISTRY.get(opt['type'])(**data, **arguments)
