"""Whole or in tiles, at whatever the memory allows."""

import logging

import pytest
import torch
from torch import nn

from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.engine import restorer as module
from basicsr.engine.restorer import Restorer
from basicsr.utils.errors import DataError, UserError


class Recorder(nn.Module):
    """A 3x3 blur that notes the sizes it was given, and has memory for `limit` pixels."""

    def __init__(self, limit: int = 1 << 40) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.limit, self.sizes = limit, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type == 'meta':
            return self.conv(x)
        self.sizes.append(tuple(x.shape[-2:]))
        if x.shape[-1] * x.shape[-2] > self.limit:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return self.conv(x)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 300, 500)


def test_whole_where_there_is_room(image):
    net = Recorder()
    result = Restorer(net)(image)
    assert net.sizes == [(300, 500)]
    torch.testing.assert_close(result, net(image).clamp(0, 1).detach())


def test_tiles_where_there_is_not(image, monkeypatch):
    # Room for 256 x 256 pixels: input and output, 3 channels of 4 bytes each, with the safety factors.
    monkeypatch.setattr('basicsr.engine.memory.free_memory', lambda device: int(256 * 256 * 6 * 4 * 1.7 / 0.8) + 1)
    net = Recorder()
    result = Restorer(net)(image)
    assert max(net.sizes) == (256, 256)
    torch.testing.assert_close(result, net(image).clamp(0, 1).detach(), rtol=0, atol=1e-5)


def test_smaller_tiles_when_memory_runs_out_and_they_stay_small(image, caplog):
    net = Recorder(limit=130 * 130)
    restorer = Restorer(net)
    with caplog.at_level(logging.WARNING, 'basicsr'):
        result = restorer(image)
    assert [side for side in net.sizes if max(side) > 130] == [(300, 500), (300, 384), (256, 256)]
    assert 'goes on with tiles of 128 pixels' in caplog.text
    net.limit = 1 << 40
    torch.testing.assert_close(result, net(image).clamp(0, 1).detach(), rtol=0, atol=1e-5)

    net.sizes.clear()
    restorer(image)
    assert max(max(size) for size in net.sizes) == 128


def test_memory_for_nothing_is_an_error(image):
    with pytest.raises(UserError, match='too small even for tiles of 64 pixels'):
        Restorer(Recorder(limit=10))(image)


def test_other_errors_are_not_taken_for_memory(image):
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError('shapes do not fit')

    with pytest.raises(RuntimeError, match='shapes'):
        Restorer(Broken(), tile=0)(image)


def test_tiles_on_request(image):
    net = Recorder()
    Restorer(net, tile=128, overlap=8)(image)
    assert max(net.sizes) == (128, 128)
    net.sizes.clear()
    Restorer(net, tile=512)(image)
    assert net.sizes == [(300, 500)]
    with pytest.raises(UserError, match='below half'):
        Restorer(net, tile=128, overlap=64)


def test_overlap_follows_the_window_of_local_averages(image, monkeypatch, caplog):
    used = []
    monkeypatch.setattr(module, 'tiled', lambda net, image, size, overlap, scale: used.append((size, overlap)) or image)
    local = NAFNetLocal(3, 2, 1, [1], [1], train_size=[1, 3, 64, 64]).eval()
    for tile in (256, 128):
        with caplog.at_level(logging.WARNING, 'basicsr'):
            Restorer(local, tile=tile)(image)
    # Windows of 96 pixels; in tiles of 128 there is no room for that.
    assert used == [(256, 96), (128, 63)]
    assert 'tiles of 128 pixels share 63, not 96' in caplog.text and '256' not in caplog.text


def test_global_averages_are_pointed_out(image, caplog):
    restorer = Restorer(NAFNet(3, 2, 1, [1], [1]).eval(), tile=128)
    with caplog.at_level(logging.WARNING, 'basicsr'):
        restorer(image)
        restorer(image)
    assert caplog.text.count('3 layers of this network average over the whole image') == 1
    assert '--local' in caplog.text


def test_normalised_networks(image):
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    seen = []

    class Identity(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x

    result = Restorer(Identity(), tile=0, mean=mean, std=std)(image)
    torch.testing.assert_close(result, image)
    for channel in range(3):
        torch.testing.assert_close(seen[0][:, channel], (image[:, channel] - mean[channel]) / std[channel])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_near_full(dtype):
    image, net = torch.rand(1, 3, 40, 56), NAFNet(3, 4, 1, [1], [1]).eval()
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.2)
    full, half = Restorer(net, tile=0)(image), Restorer(net, dtype=dtype, tile=0)(image)
    assert half.dtype == torch.float32
    assert 0 < (full - half).abs().max() < 0.05


def test_output_that_is_no_picture(image):
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0 * 0

    with pytest.raises(DataError, match='NaN or infinity'):
        Restorer(Broken(), tile=0)(image)
    with pytest.raises(UserError, match='not scale 2'):
        Restorer(nn.Identity(), scale=2, tile=0)(image)
