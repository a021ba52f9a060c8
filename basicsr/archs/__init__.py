"""Networks, one per `*_arch.py` file, imported when an option file names one of them."""

from typing import TYPE_CHECKING

from basicsr.utils.errors import OptionError
from basicsr.utils.registry import ARCH_REGISTRY

if TYPE_CHECKING:
    from torch import nn

__all__ = ['build_network']


def build_network(opt: dict) -> 'nn.Module':
    """Build the network that `type` names; the other keys are its arguments."""
    from basicsr.utils.logger import get_root_logger

    arguments = dict(opt)
    arch = ARCH_REGISTRY.get(arguments.pop('type'))
    try:
        net = arch(**arguments)
    except (ValueError, TypeError) as error:
        raise OptionError(f'network_g: {arch.__name__}: {error}') from error
    get_root_logger().info(f'Network [{type(net).__name__}] is created.')
    return net
