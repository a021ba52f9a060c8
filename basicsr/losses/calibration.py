"""Weights from shares: `share: 0.3` asks that a term make up 30 % of the gradient, whatever its units."""

import math
from collections.abc import Mapping

from basicsr.utils.errors import OptionError

# Forgetting factor of the logarithmic mean of the norms: about the last ten iterations count.
_MEMORY = 0.9


class ShareCalibration:
    """Finds the weights that give terms the shares they ask for, then freezes them.

    A term's share is the norm of its gradient at the last layer over the sum of all terms' norms. Norms change from
    batch to batch and fall as training proceeds, so their geometric means over the latest iterations are used.

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
        self._log_norms: dict[str, float] = {}

    @property
    def is_done(self) -> bool:
        """True when the weights are frozen."""
        return self.count >= self.num_iters

    def update(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Take in the gradient norms of one iteration.

        Args:
            norms: term -> norm; for a term with a share that of its unweighted gradient, else of the weighted one.
                Norms that are 0 or not finite are left out of the means.

        Returns:
            The weights of the terms with shares, so far.
        """
        self.count += 1
        for name, norm in norms.items():
            if norm > 0 and math.isfinite(norm):
                mean = self._log_norms.get(name, math.log(norm))
                self._log_norms[name] = _MEMORY * mean + (1 - _MEMORY) * math.log(norm)
        self.weights = self._solve({name: math.exp(value) for name, value in self._log_norms.items()})
        return self.weights

    def _solve(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Return the weights for which `weight * norm` is each term's share of the total."""
        fixed = sum(norm for name, norm in norms.items() if name not in self.shares)
        first = next(iter(self.shares))
        total = fixed / (1 - sum(self.shares.values())) if fixed else norms.get(first, 1.0) / self.shares[first]
        return {name: share * total / norms[name] if name in norms else 0.0 for name, share in self.shares.items()}

    def state_dict(self) -> dict:
        """Return what a resumed run needs."""
        return {'count': self.count, 'weights': dict(self.weights), 'log_norms': dict(self._log_norms)}

    def load_state_dict(self, state: dict) -> None:
        """Continue where another calibration stood."""
        self.count, self.weights, self._log_norms = state['count'], dict(state['weights']), dict(state['log_norms'])
