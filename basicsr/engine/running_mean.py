"""Means of logged values over a print interval, kept on the device until somebody reads them."""

import torch

from basicsr.utils.dist_util import mean_over_ranks


class RunningMean:
    """Accumulates named scalar tensors without waiting for the device. Values that are not finite count in no mean."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, torch.Tensor] = {}

    def add(self, values: dict[str, torch.Tensor]) -> None:
        """Add one value per name."""
        for name, value in values.items():
            value = value.detach().float()
            finite = torch.isfinite(value)
            value, count = torch.where(finite, value, 0.0), finite.float()
            # Out of place: a caller may hold the tensor that was added first.
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts[name] + count if name in self._counts else count

    def read(self) -> dict[str, float]:
        """Return the means since the last call, over all ranks, and start anew; NaN where no value was finite.

        Waits for the device once.
        """
        if not self._sums:
            return {}
        sums, counts = mean_over_ranks(torch.stack([*self._sums.values(), *self._counts.values()])).chunk(2)
        values = dict(zip(self._sums, (sums / counts).tolist()))
        self._sums, self._counts = {}, {}
        return values
