"""Local in place of global average pooling, for images larger than the training crops (Chu et al., ECCV 2022)."""

import torch
from torch import nn
from torch.nn import functional as F


class LocalAvgPool2d(nn.Module):
    """Mean over the window around each pixel: (N, C, H, W) to the same, or to (N, C, 1, 1) when one window covers all.

    Windows stay inside the input: a pixel nearer to a border than half a window takes the mean of the outermost one.
    Half precision is summed in float32.

    Args:
        window: (height, width), of which each is limited to the input's.
    """

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        if self.window[0] >= height and self.window[1] >= width:
            return F.adaptive_avg_pool2d(x, 1)

        means = x.to(torch.promote_types(x.dtype, torch.float32))
        for dim, side in zip((-2, -1), self.window):
            means = _running_mean(means, min(side, x.shape[dim]), dim)

        missing = width - means.shape[-1], height - means.shape[-2]
        border = [part for total in missing for part in (total // 2, total - total // 2)]
        return F.pad(means, border, mode='replicate').to(x.dtype)

    def extra_repr(self) -> str:
        return f'window={self.window}'


def _running_mean(x: torch.Tensor, size: int, dim: int) -> torch.Tensor:
    """Return the means of all runs of `size` along `dim`.

    Running sums along one line round less than those of a two-dimensional integral image.
    """
    sums = x.cumsum(dim)
    length = x.shape[dim]
    first = sums.narrow(dim, size - 1, 1)
    rest = sums.narrow(dim, size, length - size) - sums.narrow(dim, 0, length - size)
    return torch.cat((first, rest), dim) / size
