"""LocalAvgPool2d against means taken window by window."""

import pytest
import torch

from basicsr.archs.local_pool import LocalAvgPool2d


def brute_force(x: torch.Tensor, window: tuple[int, int]) -> torch.Tensor:
    """Mean over each pixel's window in float64: it starts (size - 1) // 2 before the pixel, and is moved inside."""
    height, width = x.shape[-2:]
    size_y, size_x = min(window[0], height), min(window[1], width)
    out = torch.empty(x.shape, dtype=torch.float64)
    for i in range(height):
        top = min(max(i - (size_y - 1) // 2, 0), height - size_y)
        for j in range(width):
            left = min(max(j - (size_x - 1) // 2, 0), width - size_x)
            out[..., i, j] = x[..., top : top + size_y, left : left + size_x].double().mean((-2, -1))
    return out


@pytest.mark.parametrize('window', [(3, 3), (4, 4), (5, 2), (1, 1), (11, 5), (99, 4), (6, 99), (11, 12), (10, 13)])
def test_means_of_windows(window):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 11, 13) + 2
    torch.testing.assert_close(LocalAvgPool2d(window)(x).double(), brute_force(x, window), rtol=0, atol=1e-5)


@pytest.mark.parametrize('window', [(11, 13), (12, 13), (99, 99)])
def test_a_window_over_everything_is_the_global_mean_exactly(window):
    x = torch.randn(2, 3, 11, 13)
    assert torch.equal(LocalAvgPool2d(window)(x), torch.nn.AdaptiveAvgPool2d(1)(x))


def test_three_pixels_in_a_row():
    x = torch.tensor([0.0, 3.0, 6.0, 12.0, 0.0]).view(1, 1, 1, 5)
    expected = torch.tensor([3.0, 3.0, 7.0, 6.0, 6.0])
    torch.testing.assert_close(LocalAvgPool2d((1, 3))(x).flatten(), expected)


def test_rounding_stays_small_in_a_large_bright_image():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 600, 800) + 100
    local = LocalAvgPool2d((384, 384))(x)
    for i, j in ((0, 0), (0, 208), (108, 300), (216, 416)):
        expected = x[..., i : i + 384, j : j + 384].double().mean().item()
        assert local[0, 0, i + 191, j + 191].item() == pytest.approx(expected, rel=1e-6)


def test_half_precision_is_summed_in_float32():
    # 600 values of about 200 sum to more than float16 holds (65504).
    torch.manual_seed(0)
    x = (200 + 20 * torch.rand(1, 1, 4, 600)).half()
    local = LocalAvgPool2d((4, 500))(x)
    assert local.dtype == torch.float16
    torch.testing.assert_close(local.double(), brute_force(x, (4, 500)), rtol=1.01 * 2**-11, atol=0)


def test_gradient():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LocalAvgPool2d((3, 4)), (x,))
