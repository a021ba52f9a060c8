"""Means of logged values over a print interval, kept on the device until somebody reads them."""

import math

import torch

from basicsr.utils.dist_util import mean_over_ranks


class RunningMean:
    """Accumulates named scalar tensors without waiting for the device. Values that are not finite count in no mean."""

    def __init__(self) -> None:
        # Iterations that log the same names are summed together, in a few operations for all names at once.
        self._sums: dict[tuple[str, ...], torch.Tensor] = {}

    def add(self, values: dict[str, torch.Tensor]) -> None:
        """Add one value per name."""
        names = tuple(values)
        if not names:
            return
        stacked = torch.stack([value.detach().float() for value in values.values()])
        finite = torch.isfinite(stacked)
        # Sums and counts of the finite values, (2, names).
        row = torch.stack([torch.where(finite, stacked, 0.0), finite.float()])
        self._sums[names] = self._sums[names] + row if names in self._sums else row

    def read(self) -> dict[str, float]:
        """Return the means since the last call, over all ranks, and start anew; NaN where no value was finite.

        Waits for the device once.
        """
        if not self._sums:
            return {}
        columns = [name for names in self._sums for name in names]
        sums, counts = mean_over_ranks(torch.cat(list(self._sums.values()), dim=1)).tolist()
        self._sums = {}
        totals: dict[str, tuple[float, float]] = {}
        for name, value, count in zip(columns, sums, counts):
            before = totals.get(name, (0.0, 0.0))
            totals[name] = (before[0] + value, before[1] + count)
        return {name: value / count if count else math.nan for name, (value, count) in totals.items()}
