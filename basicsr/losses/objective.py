"""The objective: the list of terms under `train.losses`, weighed, added up, and reported one by one."""

import bisect
import inspect
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from basicsr.losses.calibration import ShareCalibration
from basicsr.losses.ledger import SplitGradient
from basicsr.losses.shared_conversions import share_conversions
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import LOSS_REGISTRY

Weight = float | dict[int, float]


class Term(nn.Module):
    """One entry of the list.

    Args:
        name: the term is logged as `l_<name>`.
        loss: takes (pred, target), or pred alone; returns a scalar tensor, a dict of such, or BasicSR's tuple
            (perceptual, style).
        weight: a number, or `{iteration: weight}`, linear between the points and constant outside.
        outputs: `all`: add up over all outputs of the network; `last`: look at the last one only.
        start_iter, end_iter: the weight is 0 before the one, and from the other on.
    """

    def __init__(
        self,
        name: str,
        loss: nn.Module,
        weight: Weight = 1.0,
        outputs: str = 'all',
        start_iter: int | None = None,
        end_iter: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.loss = loss
        self.weight = dict(sorted(weight.items())) if isinstance(weight, dict) else float(weight)
        self.outputs = outputs
        self.start_iter, self.end_iter = start_iter, end_iter
        self._takes_target = _takes_target(loss)

    def weight_at(self, current_iter: int) -> float:
        """Return the weight at an iteration."""
        before = self.start_iter is not None and current_iter < self.start_iter
        after = self.end_iter is not None and current_iter >= self.end_iter
        if before or after:
            return 0.0
        if not isinstance(self.weight, dict):
            return self.weight
        points = list(self.weight)
        right = bisect.bisect_right(points, current_iter)
        if right == 0 or right == len(points):
            return self.weight[points[max(right - 1, 0)]]
        start, end = points[right - 1], points[right]
        part = (current_iter - start) / (end - start)
        return self.weight[start] + part * (self.weight[end] - self.weight[start])

    def breakpoints(self) -> list[int]:
        """Return the iterations at which the weight may change its course."""
        points = list(self.weight) if isinstance(self.weight, dict) else []
        ends = [point for point in (self.start_iter, self.end_iter) if point is not None]
        return [max(point, 1) for point in points + ends]

    def forward(self, pred: torch.Tensor, target: torch.Tensor):
        """Return what the loss returns, times the weight at the first iteration.

        This is for subclasses with a step of their own, which call `cri_pix(output, gt)`.
        """
        weight = self.weight_at(1)
        value = self._call(pred, target)
        if isinstance(value, tuple):
            return tuple(part if part is None else part * weight for part in value)
        return {k: v * weight for k, v in value.items()} if isinstance(value, dict) else value * weight

    def raw_values(self, preds: Sequence[torch.Tensor], target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the unweighted values by log name: that of the term, or `<name>_<key>` for a loss of several parts."""
        values: dict[str, torch.Tensor] = {}
        for pred in preds if self.outputs == 'all' else preds[-1:]:
            for name, value in self._parts(self._call(pred, target)).items():
                values[name] = values[name] + value if name in values else value
        return values

    def _call(self, pred: torch.Tensor, target: torch.Tensor):
        return self.loss(pred, target) if self._takes_target else self.loss(pred)

    def _parts(self, value: object) -> dict[str, torch.Tensor]:
        if isinstance(value, tuple):  # BasicSR's PerceptualLoss
            names = [self.name, *(f'{self.name}_{part}' for part in ('style', *range(2, len(value))))]
            parts = {name: part for name, part in zip(names, value) if part is not None}
        elif isinstance(value, dict):
            parts = {f'{self.name}_{key}': part for key, part in value.items()}
        else:
            parts = {self.name: value}
        for name, part in parts.items():
            if not isinstance(part, torch.Tensor) or part.dim() > 0:
                what = f'a tensor of shape {tuple(part.shape)}' if isinstance(part, torch.Tensor) else repr(part)
                raise UserError(
                    f"train.losses: '{name}' returned {what}: a term returns scalars (reduction: mean or sum)"
                )
        return parts


class Objective(nn.Module):
    """Adds up named terms and reports each of them.

    Args:
        terms: the terms, in the order of the option file.
        calibration: finds the weights of terms that ask for a share of the gradient.

    Raises:
        OptionError: there is no term, or two share a name.
    """

    def __init__(self, terms: Sequence[Term], calibration: ShareCalibration | None = None) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if not names:
            raise OptionError('train.losses is empty: nothing to train on')
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise OptionError(f'train.losses: two entries are called {", ".join(twins)}: rename one of them')
        self.terms = {term.name: term for term in terms}
        self._term_list = nn.ModuleList(terms)  # a ModuleDict would refuse terms called `type` or `half`
        self.calibration = calibration
        self._seen: set[str] = set()

    def forward(
        self, preds: Sequence[torch.Tensor], target: torch.Tensor, current_iter: int = 1
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Evaluate the terms whose weight is not 0, and add them up.

        Args:
            preds: outputs of the network, each (N, C, H, W), sRGB in [0, 1], not clamped.
            target: (N, C, H, W).

        Returns:
            The total, and detached values for the log: `l_<name>` (weighted), `losses_raw/<name>`, `l_total`.
        """
        with share_conversions():
            values, log = self._evaluate(preds, target, current_iter)
        total = sum(values.values())
        return total, log | {'l_total': total.detach()}

    def split(
        self, preds: Sequence[torch.Tensor], target: torch.Tensor, current_iter: int = 1
    ) -> tuple[SplitGradient, dict[str, torch.Tensor]]:
        """Like `forward`, but return the gradient of each term at the network's outputs instead of the total."""
        leaves = [_at_least_float32(pred.detach()).requires_grad_() for pred in preds]
        with share_conversions():
            values, log = self._evaluate(leaves, target, current_iter)
            by_term = {}
            for name, value in values.items():
                if not value.requires_grad:
                    raise UserError(f"train.losses: '{name}' does not depend on the prediction: it has no gradient")
                # Terms share the graphs of conversions, which must outlive the first of them.
                by_term[name] = list(torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True))
        total = torch.stack([value.detach() for value in values.values()]).sum()
        return SplitGradient(preds, by_term), log | {'l_total': total}

    def _evaluate(
        self, preds: Sequence[torch.Tensor], target: torch.Tensor, current_iter: int
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the weighted value of every active term, and what to log."""
        values, log = {}, {}
        # SSIM and colour differences lose their digits in half precision: losses never run under autocast.
        with torch.autocast(target.device.type, enabled=False):
            preds, target = [_at_least_float32(pred) for pred in preds], _at_least_float32(target)
            for term in self.terms.values():
                weight = term.weight_at(current_iter)
                if weight == 0:
                    continue
                evaluate = term.raw_values if term.name in self._seen else partial(self._first_values, term)
                parts = evaluate(preds, target)
                for name, raw in parts.items():
                    log[f'l_{name}'] = raw.detach() * weight
                    log[f'losses_raw/{name}'] = raw.detach()
                values[term.name] = sum(parts.values()) * weight
        if not values:
            raise OptionError(f'train.losses: at iteration {current_iter} every term has weight 0: nothing to train on')
        return values, log

    def find(self, name: str) -> Term | None:
        """Return the term of that name, or None."""
        return self.terms.get(name)

    def _first_values(self, term: Term, preds: Sequence[torch.Tensor], target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Evaluate a term for the first time, and refuse data that it was not made for. Waits for the device."""
        self._seen.add(term.name)
        low, high = target.aminmax()
        if getattr(term.loss, 'space', None) == 'srgb' and (low < -0.01 or high > 1.01):
            raise UserError(
                f"train.losses: '{term.name}' takes sRGB in [0, 1], but the target has values from {low:.3g} to "
                f'{high:.3g}: scale the data (no `mean` and `std`), or say `space: linear` if it is linear light'
            )
        try:
            return term.raw_values(preds, target)
        except torch.cuda.OutOfMemoryError:
            raise
        except (ValueError, RuntimeError) as error:
            shapes = f'an output of shape {tuple(preds[-1].shape)} and a target of shape {tuple(target.shape)}'
            raise UserError(f"train.losses: '{term.name}' cannot take {shapes}: {error}") from error

    def advice(self) -> list[str]:
        """Return what to warn of before training: iterations without supervision, terms that cannot work alone."""
        lines = []
        anchors = [term for term in self.terms.values() if getattr(term.loss, 'is_anchor', False)]
        points = {1, *(point for term in self.terms.values() for point in term.breakpoints())}
        bare = [point for point in sorted(points) if not any(term.weight_at(point) > 0 for term in anchors)]
        if bare:
            lines.append(
                f'train.losses: from iteration {bare[0]} on no pixel term (L1Loss, MSELoss, CharbonnierLoss, ...) has '
                'a weight above 0: nothing holds brightness, colour and detail to the target'
            )
        losses = [term.loss for term in self.terms.values()]
        if not any(getattr(loss, 'restores_gray', False) for loss in losses):
            lines += [
                f"train.losses: '{term.name}' has no gradient where the prediction is grey, so it cannot bring a lost "
                'colour back: put a term beside it that compares colour as a vector, such as ChromaLoss or LabABLoss'
                for term in self.terms.values()
                if getattr(term.loss, 'dead_at_gray', False)
            ]
        return lines

    @property
    def is_calibrating(self) -> bool:
        """True while weights of terms with a `share` are still being found."""
        return self.calibration is not None and not self.calibration.is_done

    def calibrate(self, gradient: SplitGradient, rows: torch.Tensor, current_iter: int) -> torch.Tensor:
        """Find the weights of terms with a `share`, give them to the terms, and rescale this iteration's gradient.

        Waits for the device, during the first iterations of a run alone.

        Args:
            rows: the terms' gradients at the last layer, at their present weights, (terms, elements).

        Returns:
            The rows at the new weights.
        """
        norms = dict(zip(gradient.by_term, rows.norm(dim=1).tolist()))
        before = {name: self.terms[name].weight_at(current_iter) for name in self.calibration.shares if name in norms}
        weights = self.calibration.update({name: norm / before.get(name, 1.0) for name, norm in norms.items()})
        for name, weight in weights.items():
            self.terms[name].weight = weight
        factors = {name: weights[name] / weight for name, weight in before.items()}
        for name, factor in factors.items():
            gradient.scale(name, factor)
        if self.calibration.is_done:
            found = ', '.join(f'{name} {weight:.4g}' for name, weight in weights.items())
            get_root_logger().info(
                f'Iteration {current_iter}: weights that give the wanted shares, now frozen: {found}'
            )
        return rows * rows.new_tensor([factors.get(name, 1.0) for name in gradient.by_term])[:, None]

    def calibration_state(self) -> dict | None:
        """Return what a resumed run needs to know of the weights that were found, None without `share` terms."""
        return None if self.calibration is None else self.calibration.state_dict()

    def load_calibration(self, state: dict | None) -> None:
        """Take over the weights of an interrupted run."""
        if self.calibration is not None and state is not None:
            self.calibration.load_state_dict(state)
            for name, weight in self.calibration.weights.items():
                self.terms[name].weight = weight

    def weights_at(self, current_iter: int) -> dict[str, float]:
        """Return the weight of every term at an iteration."""
        return {name: term.weight_at(current_iter) for name, term in self.terms.items()}


def build_objective(losses: Sequence[dict], calibration_iter: int = 100) -> Objective:
    """Build the objective from the checked entries of `train.losses`.

    Args:
        calibration_iter: iterations after which the weights of terms with a `share` are frozen.
    """
    terms = [_build_term(entry) for entry in losses]
    shares = {entry['name']: entry['share'] for entry in losses if entry.get('share') is not None}
    if not shares:
        return Objective(terms)
    fixed = [term.name for term in terms if term.name not in shares]
    return Objective(terms, ShareCalibration(shares, fixed, calibration_iter))


def _build_term(entry: dict) -> Term:
    arguments = dict(entry)
    loss_class = LOSS_REGISTRY.get(arguments.pop('type'))
    name, outputs, weight = arguments.pop('name'), arguments.pop('outputs'), arguments.pop('loss_weight', 1.0)
    window = {key: arguments.pop(key, None) for key in ('start_iter', 'end_iter')}
    arguments.pop('share', None)
    if 'target_is_real' in inspect.signature(loss_class.forward).parameters:
        raise OptionError(
            f"train.losses: '{name}': {loss_class.__name__} needs a discriminator, and cannot stand in the list"
        )
    # The term multiplies, so that the raw value is known and the weight can follow a schedule.
    if 'loss_weight' in inspect.signature(loss_class).parameters:
        arguments['loss_weight'] = 1.0
    try:
        loss = loss_class(**arguments)
    except (ValueError, TypeError) as error:
        raise OptionError(f"train.losses: '{name}': {error}") from error
    return Term(name, loss, weight, outputs, **window)


def _takes_target(loss: nn.Module) -> bool:
    """False for a term that looks at the prediction alone: `forward(pred)` or `forward(pred, weight)`."""
    parameters = list(inspect.signature(loss.forward).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    return len(parameters) > 1 and parameters[1].name != 'weight'


def _at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
