"""What a NAFNet's weights say about its configuration."""

from collections.abc import Mapping

import torch

from basicsr.archs.nafnet_arch import NAFNet
from basicsr.utils.errors import CheckpointError


def infer_nafnet(weights: Mapping[str, torch.Tensor]) -> dict:
    """Return the arguments of the NAFNet, or NAFNetLocal, that a state dict belongs to.

    `img_channel`, `width`, `middle_blk_num`, `enc_blk_nums` and `dec_blk_nums` follow from names and shapes. Whether
    the network averages locally does not: the parameters are the same.

    Raises:
        CheckpointError: these are no weights of a NAFNet as `basicsr.archs` has it.
    """
    intro = weights.get('intro.weight')
    if intro is None or intro.ndim != 4 or 'ending.weight' not in weights:
        shown = ', '.join(list(weights)[:3])
        raise CheckpointError(f'these are no weights of a NAFNet: there is no intro or no ending, but {shown}, ...')

    arguments = {
        'img_channel': intro.shape[1],
        'width': intro.shape[0],
        'middle_blk_num': _count(weights, 'middle_blks'),
        'enc_blk_nums': [_count(weights, f'encoders.{level}') for level in range(_count(weights, 'downs'))],
        'dec_blk_nums': [_count(weights, f'decoders.{level}') for level in range(_count(weights, 'ups'))],
    }
    _check(weights, arguments)
    return arguments


def _count(weights: Mapping[str, torch.Tensor], prefix: str) -> int:
    """Return how many numbered modules stand below a prefix."""
    return len({name[len(prefix) + 1 :].split('.')[0] for name in weights if name.startswith(f'{prefix}.')})


def _check(weights: Mapping[str, torch.Tensor], arguments: dict) -> None:
    """Compare all names and shapes with those of the network: variants have other ones."""
    shown = ', '.join(f'{key}: {value}' for key, value in arguments.items())
    try:
        with torch.device('meta'):
            own = NAFNet(**arguments).state_dict()
    except ValueError as error:
        raise CheckpointError(f'these look like weights of a NAFNet ({shown}), but {error}') from None

    for name in [*own, *weights]:
        here, there = (tuple(state[name].shape) if name in state else None for state in (weights, own))
        if here != there:
            raise CheckpointError(
                f'these look like weights of a NAFNet ({shown}), but of another variant: {name} is '
                f'{here or "missing"} in the file, and {there or "missing"} in the network'
            )
