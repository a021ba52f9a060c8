"""How much memory a network needs for an image, and how much there is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from basicsr.utils.errors import UserError

# What kernels need beside the tensors that the network sees (scratch of convolutions, fragmentation of the allocator):
# NAFNet on a CPU takes 1.1 to 1.7 times its live tensors.
_WORKSPACE = 1.7
# Part of the free memory that may be asked for: others use the machine too.
_USABLE = 0.8
# Assumed where the system tells nothing.
_UNKNOWN = 2 << 30
_CHEAP_SIDE = 64


def fits_in_memory(net: nn.Module, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> bool:
    """True if the network's forward pass for an image of shape (N, C, H, W) fits into the memory its device has free.

    Args:
        dtype: precision of the activations.
    """
    device = next((p.device for p in net.parameters()), torch.device('cpu'))
    return peak_memory(net, shape, dtype) * _WORKSPACE <= free_memory(device) * _USABLE


def free_memory(device: torch.device | str) -> int:
    """Return the bytes that can be allocated on a device: on a GPU with what PyTorch holds in reserve."""
    device = torch.device(device)
    if device.type == 'cuda':
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserve
    amounts = [amount for amount in (_available_to_system(), _left_to_container()) if amount is not None]
    return min(amounts, default=_UNKNOWN)


def peak_memory(net: nn.Module, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes of the tensors that live at the worst moment of a forward pass without gradients.

    The network's weights are left out, its input is not. Nothing is computed: the pass runs on PyTorch's `meta` device,
    whose tensors have shapes alone. A network that cannot do that is measured on a small image, and taken to grow with
    the number of pixels.
    """
    try:
        return _watched(net, shape, dtype, torch.device('meta'))
    except UserError:
        raise
    except Exception:  # a network may do anything with values that are not there
        small = (1, shape[1], *(min(side, _CHEAP_SIDE) for side in shape[2:]))
        device = next((p.device for p in net.parameters()), torch.device('cpu'))
        growth = shape[0] * shape[2] * shape[3] / (small[2] * small[3])
        return int(_watched(net, small, next(net.parameters()).dtype, device) * growth)


def is_out_of_memory(error: BaseException) -> bool:
    """True for the errors by which PyTorch and Python say that memory was not to be had."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    texts = ('DefaultCPUAllocator', 'out of memory', 'not enough memory')
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def _watched(net: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> int:
    """Run the network on a device with weights of that device, and return the peak."""
    image = torch.empty(shape, dtype=dtype, device=device)
    if device.type == 'meta':
        # Precision of a weight is what its activations have.
        named = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        weights = {name: _without_values(value, dtype) for name, value in named.items()}
    else:
        weights, image = {}, image.zero_()
    if shape[1] > 1 and shape[2] > 1:
        image = image.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), _LiveBytes() as live:
        torch.func.functional_call(net, weights, (image,))
    return live.peak + image.nbytes


def _without_values(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty_like(tensor, device='meta', dtype=dtype if tensor.is_floating_point() else tensor.dtype)


class _LiveBytes(TorchDispatchMode):
    """Sums up the storages that operations make, for as long as they live.

    Attributes:
        peak: the largest sum so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.live = {key: entry for key, entry in self.live.items() if not entry[0].expired()}
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.live.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return result


def _available_to_system() -> int | None:
    meminfo = Path('/proc/meminfo')
    if meminfo.is_file():
        for line in meminfo.read_text(encoding='ascii').splitlines():
            if line.startswith('MemAvailable:'):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (AttributeError, ValueError, OSError):  # Windows, macOS
        return None


def _left_to_container() -> int | None:
    """Return what a Linux control group (version 2) leaves, or None where it sets no limit."""
    try:
        limit, used = (Path(f'/sys/fs/cgroup/memory.{name}').read_text(encoding='ascii') for name in ('max', 'current'))
    except OSError:
        return None
    return None if limit.strip() == 'max' else max(int(limit) - int(used), 0)
