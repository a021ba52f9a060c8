"""The gradient ledger: which term pulls how hard, where to, and which one went non-finite.

The backward pass is split at the network's output. With `y` the detached output, each weighted term gives its gradient
with respect to `y`; their sum goes through the network in one backward pass. This equals the backward pass of the plain
sum to rounding, costs the same, and knows every term's part.

The norm at the output is the wrong measure of a term's influence: it overrates terms that disagree from pixel to pixel
(edges, frequencies) by up to two orders. The norm at the last layer's parameters predicts that of the whole network to
within a fifth.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from basicsr.utils.errors import OptionError, suggest


@dataclasses.dataclass
class SplitGradient:
    """Gradients at the network's outputs, term by term.

    Attributes:
        outputs: the outputs of the network, attached to its graph.
        by_term: term -> gradient with respect to each output, None where the term does not look at it.
    """

    outputs: Sequence[Tensor]
    by_term: dict[str, list[Tensor | None]]

    def backward(self) -> None:
        """Send the sum of the terms through the network."""
        sums = []
        for index, output in enumerate(self.outputs):
            parts = [grads[index] for grads in self.by_term.values() if grads[index] is not None]
            sums.append(sum(parts[1:], parts[0]).to(output.dtype) if parts else torch.zeros_like(output))
        torch.autograd.backward(list(self.outputs), sums)

    def scale(self, name: str, factor: float) -> None:
        """Multiply the gradient of a term."""
        self.by_term[name] = [grad if grad is None else grad * factor for grad in self.by_term[name]]

    def nonfinite(self) -> dict[str, Tensor]:
        """Return for each term 1.0 if its gradient holds NaN or infinity, else 0.0, on the device."""
        flags = {}
        for name, grads in self.by_term.items():
            finite = torch.stack([torch.isfinite(grad).all() for grad in grads if grad is not None]).all()
            flags[name] = 1.0 - finite.float()
        return flags

    def zero_fraction(self) -> dict[str, Tensor]:
        """Return for each term the share of output values on which it does not pull at all."""
        return {
            name: torch.stack([(grad == 0).float().mean() for grad in grads if grad is not None]).mean()
            for name, grads in self.by_term.items()
        }

    def at_parameters(self, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Return the gradient of each term with respect to `parameters`: (terms, elements), float32.

        Costs the backward pass of the layers behind the parameters once per term; for those of the last layer, little.
        """
        rows = []
        for grads in self.by_term.values():
            pairs = [(output, grad.to(output.dtype)) for output, grad in zip(self.outputs, grads) if grad is not None]
            outputs, seeds = zip(*pairs)
            row = torch.autograd.grad(outputs, parameters, seeds, retain_graph=True, allow_unused=True)
            filled = [torch.zeros_like(p) if part is None else part for part, p in zip(row, parameters)]
            rows.append(torch.cat([part.flatten().float() for part in filled]))
        return torch.stack(rows)


def read_ledger(names: Sequence[str], rows: Tensor) -> dict[str, Tensor]:
    """Compare the gradients of the terms.

    Args:
        names: the terms.
        rows: their gradients at the last layer, (terms, elements).

    Returns:
        Scalars on the device. `grad_share/<a>`: the term's norm over the sum of all norms, in [0, 1].
        `grad_contribution/<a>`: its part of the total gradient, sums to 1, negative for a term that works against the
        update. `grad_cos/<a>/<b>`: cosine between two terms.
    """
    gram = rows @ rows.T
    norms = gram.diagonal().clamp(min=0).sqrt()
    tiny = torch.finfo(rows.dtype).tiny
    shares = norms / norms.sum().clamp(min=tiny)
    contributions = gram.sum(1) / gram.sum().clamp(min=tiny)
    cosines = gram / (norms[:, None] * norms).clamp(min=tiny)

    values = {f'grad_share/{name}': share for name, share in zip(names, shares)}
    values |= {f'grad_contribution/{name}': part for name, part in zip(names, contributions)}
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            values[f'grad_cos/{first}/{names[j]}'] = cosines[i, j]
    return values


class LastLayer:
    """Finds the parameters of the layer that makes the output.

    Args:
        net: the network.
        name: a module of it, as `named_modules` calls it; by default the last one with a weight matrix or kernel that
            the first watched forward pass runs.

    Raises:
        OptionError: there is no module of that name, or it has no trained parameters.
    """

    def __init__(self, net: nn.Module, name: str | None = None) -> None:
        self.net = net
        self.name = name
        self.parameters: list[nn.Parameter] = []
        if name is not None:
            modules = dict(net.named_modules())
            if name not in modules:
                raise OptionError(f"train.last_layer: the network has no module '{name}'{suggest(name, modules)}")
            self._take(name, modules[name])
            if not self.parameters:
                raise OptionError(f"train.last_layer: module '{name}' has no trained parameters")

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Find the layer during the forward pass inside this context, unless it is known."""
        handles = []
        if not self.parameters:
            for name, module in self.net.named_modules():
                if any(p.requires_grad and p.dim() > 1 for p in module.parameters(recurse=False)):
                    handles.append(module.register_forward_hook(lambda m, *_, name=name: self._take(name, m)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _take(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.parameters = [p for p in module.parameters() if p.requires_grad]
