"""Measures what a loss does to pictures: its size, its slope, what it sees, and where it breaks."""

from torch import Tensor, nn

from basicsr.losses.probe.cost import measure_cost
from basicsr.losses.probe.findings import Finding, find_faults
from basicsr.losses.probe.measures import (
    central,
    channel_costs,
    descent_from_target,
    extreme_readings,
    gradient_outside,
    grey_collapse,
    half_precision_steps,
    identity_readings,
    patch_size_ratios,
    precision_errors,
    read,
    response_curve,
)
from basicsr.losses.probe.pictures import CHANGES, Change, patchwork
from basicsr.losses.probe.readings import Probe, Reading
from basicsr.losses.term import takes_target

__all__ = ['CHANGES', 'Change', 'Finding', 'Probe', 'Reading', 'find_faults', 'patchwork', 'probe_loss', 'read']


def probe_loss(loss: nn.Module, picture: Tensor, name: str = '', cost_shape: tuple[int, ...] | None = None) -> Probe:
    """Measure everything.

    Args:
        picture: sRGB in [0, 1], (1, 3, H, W) with sides of at least 128, with some saturated areas.
        name: for reports; that of the class when not given.
        cost_shape: batch to time, such as (4, 3, 256, 256); None leaves the time out.
    """
    crop = central(picture, 128)
    return Probe(
        name=name or type(loss).__name__,
        takes_target=takes_target(loss),
        identity=identity_readings(loss, picture),
        curves={key: response_curve(loss, picture, change) for key, change in CHANGES.items()},
        channels=channel_costs(loss, central(picture, 96)),
        grey=grey_collapse(loss, crop),
        extremes=extreme_readings(loss, crop),
        descent=descent_from_target(loss, crop),
        outside=gradient_outside(loss, crop),
        opposite=read(loss, 1 - crop, crop),
        patch_size=patch_size_ratios(loss, crop),
        precision=precision_errors(loss, crop),
        half_precision=half_precision_steps(loss, crop),
        cost=None if cost_shape is None else measure_cost(loss, cost_shape, picture.device),
        declared={key: getattr(loss, key) for key in ('is_full_reference', 'dead_at_gray') if hasattr(loss, key)},
    )
