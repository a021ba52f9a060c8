"""Tiles against the whole image: exact where the receptive field is covered, and weights that are a partition."""

import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.engine.tiling import blending_weights, check_tiles, global_layers, lay_tiles, tiled
from basicsr.utils.errors import UserError


def draw_layout(rng: random.Random) -> tuple[int, int, int, int]:
    """Return a random length, tile size, overlap and alignment."""
    size = rng.randint(1, 90)
    return rng.randint(1, 400), size, rng.randint(0, (size - 1) // 2), rng.choice([1, 1, 2, 8, 16])


def columns_of(length: int, size: int, overlap: int, align: int) -> list[slice]:
    return [tile.columns for tile in lay_tiles(1, length, size, overlap, align)]


def side_of(size: int, align: int) -> int:
    return -(-size // align) * align


@pytest.mark.parametrize('seed', range(300))
def test_tiles_cover_the_image_and_share_the_overlap(seed):
    length, size, overlap, align = draw_layout(random.Random(seed))
    columns = columns_of(length, size, overlap, align)
    assert columns[0].start == 0 and columns[-1].stop == length
    for before, after in itertools.pairwise(columns):
        assert before.start < after.start
        # A stride of less than one alignment step cannot be had: then neighbours share all but that step.
        assert before.stop - after.start >= min(overlap, side_of(size, align) - align)
    for part in columns:
        assert part.start % align == 0
        width = part.stop - part.start
        assert width <= side_of(size, align)
        assert len(columns) == 1 or width > side_of(size, align) - align


@pytest.mark.parametrize('seed', range(300))
def test_blending_weights_are_a_partition_of_unity_inside_the_tiles(seed):
    rng = random.Random(seed)
    length, size, overlap, align = draw_layout(rng)
    scale = rng.choice([1, 2, 3])
    columns = columns_of(length, size, overlap, align)
    weights = blending_weights(length, [part.start for part in columns], side_of(size, align), scale)
    assert weights.shape == (len(columns), length * scale)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.double().sum(0), torch.ones(length * scale, dtype=torch.float64))
    for part, weight in zip(columns, weights):
        assert not weight[: part.start * scale].any() and not weight[part.stop * scale :].any()


def test_the_fade_is_the_central_third():
    # Tiles of 90 pixels share 30, from 60 to 90: the second one fades in linearly from 70 to 80.
    first, second = blending_weights(150, [0, 60], 90)
    expected = [0.0] * 70 + [0.05 + 0.1 * i for i in range(10)] + [1.0] * 70
    torch.testing.assert_close(second, torch.tensor(expected))
    torch.testing.assert_close(first, 1 - torch.tensor(expected))


def conv_net(radius: int) -> nn.Sequential:
    """A network that sees `radius` pixels around each: 3x3 convolutions with a curve between."""
    layers = [nn.Conv2d(3, 8, 3, padding=1)]
    for _ in range(radius - 2):
        layers += [nn.GELU(), nn.Conv2d(8, 8, 3, padding=1)]
    net = nn.Sequential(*layers, nn.GELU(), nn.Conv2d(8, 3, 3, padding=1)).eval()
    for parameter in net.parameters():
        parameter.data.mul_(1.7)  # what stands `radius` pixels away shall matter
    return net


@pytest.mark.parametrize(('height', 'width'), [(162, 113), (64, 65), (63, 200), (20, 20), (1, 130)])
@pytest.mark.parametrize('batch', [1, 3])
@torch.no_grad()
def test_a_convolutional_network_gives_the_same_in_tiles(height, width, batch):
    net, image = conv_net(5), torch.rand(2, 3, height, width)
    result = tiled(net, image, size=64, overlap=15, batch=batch)  # a third of 15 is the radius
    torch.testing.assert_close(result, net(image), rtol=0, atol=1e-5)


@torch.no_grad()
def test_too_little_overlap_changes_the_result():
    net, image = conv_net(5), torch.rand(1, 3, 162, 113)
    assert (tiled(net, image, size=64, overlap=15) - net(image)).abs().max() < 1e-5
    net, image = conv_net(7), torch.rand(1, 3, 162, 113)
    assert (tiled(net, image, size=64, overlap=15) - net(image)).abs().max() > 1e-4


@pytest.mark.parametrize('scale', [2, 4])
@torch.no_grad()
def test_upscaling_networks(scale):
    net = nn.Sequential(conv_net(4), nn.Conv2d(3, 3 * scale**2, 1), nn.PixelShuffle(scale))
    image = torch.rand(1, 3, 70, 111)
    torch.testing.assert_close(tiled(net, image, 40, 12, scale), net(image), rtol=0, atol=1e-5)


class Strided(nn.Module):
    """Works at a quarter of the resolution, so that it is not the same function of a shifted image."""

    padder_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle, self.up = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 48, 3, padding=1), nn.PixelShuffle(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % 4, 0, -height % 4))
        return (padded + self.up(self.middle(self.down(padded))))[..., :height, :width]


@pytest.mark.parametrize('width', [97, 98, 99, 100, 101])
@torch.no_grad()
def test_tiles_of_striding_networks_start_at_multiples_of_the_stride(width):
    net, image = Strided(), torch.rand(1, 3, 53, width)
    torch.testing.assert_close(tiled(net, image, 38, 16), net(image), rtol=0, atol=1e-5)
    assert (tiled(net, image, 38, 15, align=1) - net(image)).abs().max() > 1e-3


@torch.no_grad()
def test_nafnet_averages_over_the_image_and_local_over_its_window():
    net = NAFNet(3, 4, 1, [1], [1]).eval()
    for parameter in net.parameters():
        parameter.normal_(0, 0.3)
    local = NAFNetLocal(3, 4, 1, [1], [1], train_size=[1, 3, 16, 16]).eval()
    local.load_state_dict(net.state_dict())
    assert len(global_layers(net)) == 3 and not global_layers(local)

    image = torch.linspace(0, 1, 200).expand(1, 3, 64, 200).contiguous()  # statistics differ from side to side
    errors = [(tiled(n, image, 96, 47) - n(image)).abs().max().item() for n in (net, local)]
    assert errors[0] > 5 * errors[1] and errors[1] < 1 / 255


@torch.no_grad()
def test_several_outputs_and_integer_or_half_images():
    net = conv_net(3)

    class Stages(nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x, net(x)]

    image = torch.rand(1, 3, 40, 70)
    torch.testing.assert_close(tiled(Stages(), image, 32, 9), net(image), rtol=0, atol=1e-5)
    half = tiled(net.to(torch.bfloat16), image.to(torch.bfloat16), 32, 9)
    assert half.dtype == torch.float32


@pytest.mark.parametrize(('size', 'overlap'), [(0, 0), (64, 32), (64, -1), (3, 2)])
def test_tiles_that_do_not_advance(size, overlap):
    with pytest.raises(UserError, match='overlap'):
        check_tiles(size, overlap)


def test_a_wrong_scale_is_an_error():
    with pytest.raises(UserError, match='scale 2'):
        tiled(conv_net(3), torch.rand(1, 3, 20, 20), 16, 4, scale=2)
