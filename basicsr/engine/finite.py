"""What happens when a gradient is not finite: the step is left out, and the log says whose fault it was."""

import math

import torch

from basicsr.utils.errors import UserError
from basicsr.utils.logger import get_root_logger


def step_if_finite(optimizer: torch.optim.Optimizer, norm: torch.Tensor) -> torch.Tensor:
    """Do an optimizer step, unless the norm of the gradient is NaN or infinite.

    A fused optimizer decides on the device, as it does for torch's gradient scaler; for another one the host has to
    look.

    Returns:
        1.0 where the step was left out, else 0.0, on the device.
    """
    skipped = 1.0 - torch.isfinite(norm).float()
    if getattr(optimizer, '_step_supports_amp_scaling', False):
        optimizer.grad_scale, optimizer.found_inf = None, skipped
        optimizer.step()
        del optimizer.grad_scale, optimizer.found_inf
    elif not skipped:
        optimizer.step()
    return skipped


def report_nonfinite(values: dict[str, float], current_iter: int) -> None:
    """Warn of steps that were left out in a print interval, and name the terms; stop when all of them were.

    Args:
        values: means over the interval: `grad/skipped`, and `nonfinite/<term>` where the terms are told apart.

    Raises:
        UserError: every step of the interval was left out, or a value was never finite.
    """
    skipped = values.get('grad/skipped', 0.0)
    blamed = [
        name.removeprefix('nonfinite/') for name, share in values.items() if name.startswith('nonfinite/') and share
    ]
    never = [
        name for name, value in values.items() if math.isnan(value) and name.startswith('l_') and name != 'l_total'
    ]
    names = ', '.join(blamed) or ', '.join(never) or 'the network'
    if skipped == 1:
        raise UserError(
            f'iteration {current_iter}: no step since the last log line had a finite gradient, because of: {names}.\n'
            'The last checkpoint is good. Fine-tune from it (train.mode: finetune) with a lower train.optim_g:lr; or '
            'change train.grad_clip or the weight of the term that is named, and go on with '
            '--auto_resume --allow_changed.'
        )
    if skipped > 0:
        get_root_logger().warning(
            f'iteration {current_iter}: {skipped:.1%} of the steps since the last log line were left out, because '
            f'their gradient was not finite: {names}'
        )
