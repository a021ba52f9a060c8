"""Time and memory of a loss."""

import time

import torch
from torch import Tensor, nn

from basicsr.losses.probe.readings import Cost
from basicsr.losses.term import Term


def measure_cost(loss: nn.Module, shape: tuple[int, ...], device: torch.device | str = 'cpu') -> Cost:
    """Time forward and backward of random images, and add up what is kept in between."""
    target = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
    pred = (target + 0.05 * torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(device)).requires_grad_()
    given = {image.untyped_storage().data_ptr() for image in (pred, target, *loss.parameters(), *loss.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    term, seconds, start = Term('probe', loss), [], time.perf_counter()
    while len(seconds) < 2 or (len(seconds) < 5 and time.perf_counter() - start < 2):
        before = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            value = sum(term.raw_values([pred], target).values())
        if value.requires_grad:
            torch.autograd.grad(value, pred, allow_unused=True)
        if pred.is_cuda:
            torch.cuda.synchronize(pred.device)
        seconds.append(time.perf_counter() - before)
        in_use = sum(size for pointer, size in kept.items() if pointer not in given)
        kept.clear()
    return Cost(torch.tensor(seconds[1:]).median().item(), in_use)
