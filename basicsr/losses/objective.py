"""The objective: the list of terms under `train.losses`, weighed, added up, and reported one by one."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from basicsr.losses.calibration import ShareCalibration
from basicsr.losses.ledger import SplitGradient
from basicsr.losses.shared_conversions import share_conversions
from basicsr.losses.term import Term, build_term
from basicsr.utils.dist_util import mean_over_ranks
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.logger import get_root_logger


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
        points = {point for term in self.terms.values() for point in term.breakpoints()}
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
        # The same weights on every rank: each sees the mean of all ranks' norms.
        norms = dict(zip(gradient.by_term, mean_over_ranks(rows.norm(dim=1)).tolist()))
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
    terms = [build_term(entry) for entry in losses]
    shares = {entry['name']: entry['share'] for entry in losses if entry.get('share') is not None}
    if not shares:
        return Objective(terms)
    fixed = [term.name for term in terms if term.name not in shares]
    return Objective(terms, ShareCalibration(shares, fixed, calibration_iter))


def _at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
