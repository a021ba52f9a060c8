"""The memory of a forward pass, against sums of tensor sizes done by hand."""

import os

import pytest
import torch
from torch import nn

from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.engine.memory import fits_in_memory, free_memory, is_out_of_memory, peak_memory

PIXELS = 40 * 56


@pytest.mark.parametrize(('dtype', 'size'), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_the_peak_is_where_most_lives(dtype, size):
    # Input 3, then 8, 16 and 2 channels; input, 8 and 16 live at once, since the caller holds the input.
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 2, 1))
    assert peak_memory(net, (1, 3, 40, 56), dtype) == (3 + 8 + 16) * PIXELS * size


def test_views_and_changes_in_place_take_nothing():
    class Views(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * 2)[..., 1:].permute(0, 2, 3, 1).relu_()

    assert peak_memory(Views(), (1, 3, 40, 56)) == 2 * 3 * PIXELS * 4


def test_skip_connections_live_until_they_are_used():
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skip = self.first(x)
            return skip + self.second(self.second(skip))

    # At the sum: input, skip, the second convolution's output and the sum.
    assert peak_memory(Skip(), (1, 3, 40, 56)) == (3 + 8 + 8 + 8) * PIXELS * 4


def test_networks_that_look_at_values_are_measured_on_a_small_image():
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) if x.max() < 2 else x

    # The maximum is one number of the small image.
    assert peak_memory(Looks(), (1, 3, 640, 640)) == pytest.approx((3 + 8) * 640 * 640 * 4, rel=0.01)


@pytest.mark.parametrize('cls', [NAFNet, NAFNetLocal])
def test_nothing_is_computed_and_memory_grows_with_the_pixels(cls):
    net = cls(3, 8, 1, [1, 1], [1, 1])
    small, large = (peak_memory(net, (1, 3, side, side)) for side in (1024, 16384))
    assert large == pytest.approx(256 * small, rel=0.1)  # borders of local averages
    assert fits_in_memory(net, (1, 3, 64, 64))
    assert not fits_in_memory(net, (1, 3, 1 << 18, 1 << 18))


@pytest.mark.skipif(not hasattr(os, 'sysconf'), reason='nothing to compare with')
def test_free_memory_is_part_of_all():
    total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    assert 0 < free_memory('cpu') < total


def test_what_counts_as_out_of_memory():
    assert is_out_of_memory(torch.cuda.OutOfMemoryError('CUDA out of memory'))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(error.value)
    assert not is_out_of_memory(RuntimeError('shapes do not fit'))
