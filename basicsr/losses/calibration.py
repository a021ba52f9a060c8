"""Weights from shares: `share: 0.3` asks that a term make up 30 % of the gradient, whatever its units."""

import math
from collections.abc import Mapping

from basicsr.utils.errors import OptionError, UserError

# Iterations whose norms give the first weights; from then on the weights are corrected by the shares they lead to.
_NUM_FIRST = 10
# Size of a correction: a share that is 10 % too large for one iteration lowers the weight by 1 %.
_GAIN = 0.1
# The corrected weights still move with every batch: those that are frozen are means over about so many iterations.
_MEMORY = 20


class ShareCalibration:
    """Finds the weights that give terms the shares they ask for, then freezes them.

    A term's share is the norm of its gradient at the last layer over the sum of all terms' norms. It changes from batch
    to batch, so weights are corrected a little at every iteration until the shares are right on average.

    Args:
        shares: term -> share of the gradient it asks for.
        fixed: terms that have a weight of their own. Without any, the shares are relative to each other, and the first
            of them gets weight 1.
        num_iters: iterations after which the weights are frozen.

    Raises:
        OptionError: the shares leave nothing for the terms with a weight of their own.
    """

    def __init__(self, shares: Mapping[str, float], fixed: list[str], num_iters: int) -> None:
        total = sum(shares.values())
        if fixed and total >= 1:
            raise OptionError(
                f'train.losses: the shares add up to {total:g}, which leaves nothing for {", ".join(fixed)}: lower them'
            )
        self.shares = dict(shares) if fixed else {name: share / total for name, share in shares.items()}
        self.num_iters = num_iters
        self.count = 0
        self.weights: dict[str, float] = {}
        self._log_means: dict[str, float] = {}

    @property
    def is_done(self) -> bool:
        """True when the weights are frozen."""
        return self.count >= self.num_iters

    def update(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Take in the gradient norms of one iteration.

        Args:
            norms: term -> norm; for a term with a share that of its unweighted gradient, else of the weighted one.
                A term whose norm is 0 or not finite is left alone.

        Returns:
            The weights of the terms with shares, so far.
        """
        self.count += 1
        usable = {name: norm for name, norm in norms.items() if norm > 0 and math.isfinite(norm)}
        if self.count <= _NUM_FIRST:
            self._remember({name: math.log(norm) for name, norm in usable.items()}, 1 / self.count)
            self.weights = self._solve({name: math.exp(value) for name, value in self._log_means.items()})
            if self.count == _NUM_FIRST:
                measured = [name for name in self.shares if name in self._log_means]
                self._log_means = {name: math.log(self.weights[name]) for name in measured}
        else:
            self._correct(usable)
        if self.is_done:
            self._refuse_unmeasured()
        if self.is_done and self.count > _NUM_FIRST:
            self.weights |= {name: math.exp(value) for name, value in self._log_means.items()}
        return self.weights

    def _refuse_unmeasured(self) -> None:
        unmeasured = [name for name in self.shares if name not in self._log_means]
        if unmeasured:
            raise UserError(
                f'train.losses: {", ".join(unmeasured)} had no gradient in the first {self.num_iters} iterations, so '
                'no weight gives it a share: raise train.calibration_iter, lower its threshold, or give a loss_weight'
            )

    def _remember(self, values: Mapping[str, float], part: float) -> None:
        for name, value in values.items():
            mean = self._log_means.get(name, value)
            self._log_means[name] = mean + part * (value - mean)

    def _solve(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Return the weights for which `weight * norm` is each term's share of the total."""
        fixed = sum(norm for name, norm in norms.items() if name not in self.shares)
        first = next(iter(self.shares))
        total = fixed / (1 - sum(self.shares.values())) if fixed else norms.get(first, 1.0) / self.shares[first]
        # A term without a norm yet (no saturated target so far) keeps its weight: at 0 it would never get a norm.
        return {
            name: share * total / norms[name] if name in norms else self.weights.get(name, 1.0)
            for name, share in self.shares.items()
        }

    def _correct(self, norms: Mapping[str, float]) -> None:
        """Raise the weights of terms whose share was too small in this iteration, and lower the others'."""
        first_norms = [name for name in self.shares if name in norms and name not in self._log_means]
        self.weights |= {name: weight for name, weight in self._solve(norms).items() if name in first_norms}
        parts = {name: norm * self.weights.get(name, 1.0) for name, norm in norms.items()}
        total = sum(parts.values())
        for name, share in self.shares.items():
            if name in norms:
                error = (share - parts[name] / total) / share
                self.weights[name] *= math.exp(_GAIN * max(-2.0, min(2.0, error)))
        self._remember({name: math.log(self.weights[name]) for name in self.shares if name in norms}, 1 / _MEMORY)

    def state_dict(self) -> dict:
        """Return what a resumed run needs."""
        return {'count': self.count, 'weights': dict(self.weights), 'log_means': dict(self._log_means)}

    def load_state_dict(self, state: dict) -> None:
        """Continue where another calibration stood."""
        self.count, self.weights, self._log_means = state['count'], dict(state['weights']), dict(state['log_means'])
